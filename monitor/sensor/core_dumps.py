"""What a crash may leave behind of the memory: nothing."""

from __future__ import annotations

import logging
import resource
from pathlib import Path

logger = logging.getLogger(__name__)

KINDS_IN_DUMPS = Path("/proc/self/coredump_filter")
"""Which kinds of memory the kernel writes into an image of a crash, also into one that it hands to another program."""


def disable_core_dumps() -> None:
    """Keep the system from writing an image of this process's memory, with pictures of people in it, when it crashes.

    The limit alone is not enough: where the system hands images to a program (`systemd-coredump`,
    `apport`), that program decides whether to heed it. So the image would hold no memory either.
    Processes started later inherit both.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        KINDS_IN_DUMPS.write_text("0")
    except OSError as error:
        # No Linux, or no /proc: the limit has to do.
        logger.debug("The kinds of memory in crash images cannot be set: %s", error)
