"""Measures and statistics."""

SEGMENTS = ("site", "hour", "weekday", "source")
"""What comparisons can be restricted by."""
