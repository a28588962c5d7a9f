"""Read, check and watch playlists."""
