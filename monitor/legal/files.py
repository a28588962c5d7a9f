"""Files that must not be lost: papers that people have edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.legal.errors import PaperError
from monitor.whole_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path


def write_new(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file, whole or not at all.

    Args:
        path: The file.
        content: What to write.
        replace: Whether one that is there is replaced.

    Raises:
        PaperError: It is there, or cannot be written.
    """
    try:
        is_taken = path.exists() and not replace
        if not is_taken:
            write_whole(path, content)
    except OSError as error:
        raise PaperError(
            f"{path} cannot be written ({error.strerror}): expected a file in a writable folder "
            "with enough space."
        ) from error
    if is_taken:
        raise PaperError(f"{path} exists: name another file, or replace it with --force.")
