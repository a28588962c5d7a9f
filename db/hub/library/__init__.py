"""Folders, ads with their versions, media files, uploads, and what agencies see of it."""
