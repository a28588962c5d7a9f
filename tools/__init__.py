"""Scripts that draw the bundled sample ads and the demo viewer."""
