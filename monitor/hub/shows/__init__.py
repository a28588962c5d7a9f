"""What each screen is to show, resolved from bookings, playlists and approved ads."""
