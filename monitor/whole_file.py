"""Write a file whole or not at all."""

from __future__ import annotations

import os
import stat
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a file so that neither a reader nor a crash sees half of it.

    A device or a pipe, such as /dev/stdout, is written to and stays what it is.

    Args:
        path: The file. One that is there is replaced, and keeps its rights.
        content: What to write.
        mode: The file's rights, instead of those that it has or that new files get.

    Raises:
        OSError: It cannot be written; an older one is as it was.
    """
    try:
        before = path.stat().st_mode
    except FileNotFoundError:
        before = None
    if before is not None and not (stat.S_ISREG(before) or stat.S_ISDIR(before)):
        with path.open("wb") as there:
            there.write(content)
        return
    rights = mode if mode is not None or before is None else stat.S_IMODE(before)
    # Not boltons' atomic_save: on a full disk it leaves its part file, which stops the next one.
    part = path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, rights or 0o666)
        with os.fdopen(descriptor, "wb") as file:
            if rights is not None:
                os.fchmod(descriptor, rights)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
