"""Find faces, follow them, and judge where they look and how well they can be read."""
