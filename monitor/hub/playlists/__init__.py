"""Playlists of the hub: checked, in words, compared, as files, and their next hour."""
