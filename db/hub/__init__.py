"""What only a hub stores: screens and keys, alerts, people, the library, playlists, bookings."""
