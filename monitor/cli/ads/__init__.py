"""Commands about playlists, and about what plays next."""
