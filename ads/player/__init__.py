"""Play ads in real time."""
