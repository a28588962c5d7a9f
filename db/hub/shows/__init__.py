"""Playlists, bookings, campaigns, what each screen is to show, and commands to its kiosk."""
