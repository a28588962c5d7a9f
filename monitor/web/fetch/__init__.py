"""Fetch images from untrusted addresses."""
