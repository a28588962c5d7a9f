"""Commands of `ad-monitor hub`."""
