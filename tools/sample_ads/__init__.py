"""Draw and score the bundled sample ads."""
