"""The demo viewer: a real portrait whose expression changes, for machines without a camera."""
