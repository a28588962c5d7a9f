"""Write what is known about media files to the user's cache folder."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from boltons.fileutils import atomic_save

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)


def write_cache(file: Path, document: object) -> None:
    """Replace a cache by a JSON document; a cache that cannot be written only costs time."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_save(str(file), text_mode=True, overwrite_part=True) as out:
            json.dump(document, out)
    except OSError as error:
        logger.info("Cannot write the cache %s: %s", file, error)
