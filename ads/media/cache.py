"""Findings about media files, kept as JSON in the user's cache folder.

A cache that cannot be read or written only costs time. Tested with what is kept: `test_check.py`,
`test_digests.py`, `test_scenes.py`.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, TypeVar

import platformdirs
from boltons.fileutils import atomic_save

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Finding = TypeVar("Finding")

logger = logging.getLogger(__name__)


def read_cache(
    name: str, parse: Callable[[Any], dict[str, Finding]], by: Sequence[str] = ()
) -> dict[str, Finding]:
    """Return the findings in a file of the cache; none if other versions (`by`) wrote it."""
    file = _path(name)
    try:
        document = json.loads(file.read_bytes())
        if document.get("by", []) == list(by):
            return parse(document["files"])
    except FileNotFoundError:
        pass
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        logger.info("Cannot read the cache %s: %s", file, error)
    return {}


def write_cache(name: str, findings: Any, by: Sequence[str] = ()) -> None:
    """Replace the findings in a file of the cache."""
    file = _path(name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_save(str(file), text_mode=True, overwrite_part=True) as out:
            json.dump({"by": list(by), "files": findings}, out)
    except OSError as error:
        logger.info("Cannot write the cache %s: %s", file, error)


def _path(name: str) -> Path:
    return platformdirs.user_cache_path("ad-monitor") / name
