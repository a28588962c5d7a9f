"""What to show and what was shown: playlists, media, the player and the playback log. No window, no database."""
