"""Decode clips in hardware that are too much for most processors."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from av.codec.hwaccel import HWAccel, hwdevices_available

if TYPE_CHECKING:
    from av.container import InputContainer

logger = logging.getLogger(__name__)

LARGE_PIXELS = 1920 * 1088
"""Up to full HD, software is fast enough, and shows the same on every machine."""

_DEVICES = (("vaapi", "/dev/dri/renderD128"), ("cuda", "/dev/nvidia0"))
"""FFmpeg's kinds of devices, each with the file that exists where there is one."""


def accelerator(container: InputContainer) -> HWAccel | None:
    """Return the hardware to decode an open clip with; None for software.

    Pictures are copied back to memory, with colours and orientation as from software.
    """
    kind = device()
    largest = max((track.width * track.height for track in container.streams.video), default=0)
    return None if kind is None or largest <= LARGE_PIXELS else HWAccel(kind)


@cache
def device() -> str | None:
    """Return the kind of a device that exists and that FFmpeg was built for, if any."""
    offered = hwdevices_available()
    found = (kind for kind, file in _DEVICES if kind in offered and Path(file).exists())
    return next(found, None)
