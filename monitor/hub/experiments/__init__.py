"""Experiments that are planned on the pages."""
