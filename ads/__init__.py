"""What to show and what was shown: playlists, media, player, log; no window, no database."""
