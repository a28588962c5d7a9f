"""The kiosk application: composition, supervision and service files."""
