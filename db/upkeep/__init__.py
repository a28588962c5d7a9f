"""Retention, backups, quarantine of damaged files, and the inventory of stored data."""
