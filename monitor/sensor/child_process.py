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
    """Keep pictures of people out of core dumps, also of the processes started later.

    The programs that Linux pipes dumps to (`systemd-coredump`, `apport`) may ignore the limit, so
    the dumps hold no memory either.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        Path("/proc/self/coredump_filter").write_text("0")
    except OSError as error:
        logger.debug("The kinds of memory in core dumps cannot be set: %s", error)
