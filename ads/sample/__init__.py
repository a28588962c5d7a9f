"""The bundled sample ads: little spots of invented brands, drawn and scored by `make_samples`."""

from __future__ import annotations

from pathlib import Path


def sample_playlist() -> Path:
    """The playlist of the bundled sample ads."""
    return Path(__file__).with_name("playlist.yaml")
