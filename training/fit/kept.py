"""Arrays that take a run minutes to compute, kept in its folder for when it is resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from boltons.fileutils import atomic_save

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

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
