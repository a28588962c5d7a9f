"""What the kiosk's processes share. Standard library only: the supervisor uses it too."""

from __future__ import annotations

import logging
import os
import resource
from pathlib import Path

logger = logging.getLogger(__name__)


def child_environment() -> dict[str, str]:
    """Return an environment in which a child imports the same packages, installed or not."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"PYTHONPATH": path}


def disable_core_dumps() -> None:
    """Keep pictures of people out of the images that the system writes when a process crashes.

    The limit alone is not enough: where the system pipes images to a program (`systemd-coredump`,
    `apport`), that program decides whether to heed it. So the images hold no memory either.
    Processes started later inherit both.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        # Which kinds of memory the kernel writes into an image.
        Path("/proc/self/coredump_filter").write_text("0")
    except OSError as error:
        # No Linux, or no /proc: the limit has to do.
        logger.debug("The kinds of memory in core dumps cannot be set: %s", error)
