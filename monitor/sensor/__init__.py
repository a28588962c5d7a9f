"""The sensor's process and the kiosk's side of it."""
