"""Probe, decode and check media files."""
