"""Measure and compare classifiers."""
