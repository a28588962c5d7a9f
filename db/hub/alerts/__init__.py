"""Alerts raised and ended, the conditions they follow from, and messages on their way."""
