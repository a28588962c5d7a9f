"""Measures and statistics."""

SEGMENTS = ("site", "hour", "weekday", "source")
"""What comparisons can be restricted by."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
