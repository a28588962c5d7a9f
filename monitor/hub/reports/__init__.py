"""Saved reports: what they ask, and how they are mailed."""
