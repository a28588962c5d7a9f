"""The set-up of a new kiosk in its window: the card that offers it, and its five steps."""
