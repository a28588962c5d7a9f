"""Commands for one kiosk: set it up, run it, check it."""
