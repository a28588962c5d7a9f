"""The live readings over the ad."""
