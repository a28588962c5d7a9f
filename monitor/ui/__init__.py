"""The kiosk window, in PyQt5."""
