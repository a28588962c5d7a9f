"""The kiosk's way to a hub: joining it, sending it the sums, and doing what it wants."""
