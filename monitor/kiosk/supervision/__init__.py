"""The light process above the kiosk that starts it again: standard library only, so that nothing native can take it down."""
