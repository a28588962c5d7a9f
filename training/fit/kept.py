"""Arrays that take a run minutes to compute, kept in its folder for when it is resumed."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from boltons.fileutils import atomic_save

from training.datasets.landmarks import Landmarks, find_landmarks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

DIGEST = "digest"


def read_kept(path: Path, digest: str) -> dict[str, NDArray[Any]] | None:
    """Return the arrays kept with this digest of their inputs, or `None` if there are none."""
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as kept:
        if DIGEST not in kept.files or str(kept[DIGEST]) != digest:
            return None
        return {name: kept[name] for name in kept.files if name != DIGEST}


def keep(path: Path, digest: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays with a digest of their inputs; a crash leaves the old file or the new one."""
    with atomic_save(str(path), overwrite_part=True) as file:
        np.savez(file, **{**arrays, DIGEST: np.array(digest)})


def landmarks_once(images: NDArray[np.uint8], path: Path) -> Landmarks:
    """Return the landmarks of training faces, to a thirtieth of a pixel; a run keeps no picture."""
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    kept = read_kept(path, digest)
    if kept is None:
        logger.info("Finding the landmarks of %d faces, once for this run", len(images))
        points, scores = find_landmarks(images)
        kept = {"points": points.astype(np.float16), "scores": scores}
        keep(path, digest, kept)
    return Landmarks(kept["points"].astype(np.float32), kept["scores"])
