"""Model files of about half the size: weights of fewer bits, in a compressed archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from boltons.fileutils import atomic_save

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

DROPPED_BITS = 13
"""Of a float32's 24 significant bits. Half precision drops as many, but has a smaller range."""


def save_packed(network: keras.Model, path: Path) -> None:
    """Round a network's weights to 11 significant bits, and write it as a `.keras` file."""
    network.set_weights([rounded(weights) for weights in network.get_weights()])
    network.save(path)
    with (
        ZipFile(path) as plain,
        atomic_save(str(path), overwrite_part=True) as file,
        ZipFile(file, "w", ZIP_DEFLATED) as packed,
    ):
        for entry in plain.infolist():
            packed.writestr(entry, plain.read(entry), ZIP_DEFLATED)


def rounded(weights: NDArray[Any]) -> NDArray[Any]:
    """Return float32 weights rounded to nearest at 11 significant bits; other kinds as they are."""
    if weights.dtype != np.float32:
        return weights
    bits = weights.view(np.uint32).astype(np.uint64)
    bits += 1 << (DROPPED_BITS - 1)
    bits &= 0xFFFFFFFF << DROPPED_BITS
    found = bits.astype(np.uint32).view(np.float32)
    return np.where(np.isfinite(weights) & np.isfinite(found), found, weights)
