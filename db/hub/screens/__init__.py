"""Which screens there are, how kiosks join them, how each is now, and its day."""
