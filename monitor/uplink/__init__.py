"""The kiosk's way to a hub: joining it, and sending it the sums."""
