"""What a crash may leave behind of the memory: nothing."""

from __future__ import annotations

import resource


def forbid_memory_images() -> None:
    """Keep the system from writing an image of this process's memory, with pictures of people in it, when it crashes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
