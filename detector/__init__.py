"""Vision: from camera to readings. Usable without a window and without a database."""
