"""The light process that restarts the kiosk: standard library only, so no native crash ends it."""
