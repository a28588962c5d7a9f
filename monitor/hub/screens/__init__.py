"""The wall of screens, the day of one, its place and settings, and the kiosk of a console."""
