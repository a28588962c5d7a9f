"""The hub: what it knows of many screens, and what it does by itself."""
