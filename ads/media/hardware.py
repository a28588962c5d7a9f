"""Decoding in hardware, for clips that are too much for most processors."""

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
"""Kinds of FFmpeg's devices, and the file that is there if such a device is."""


def accelerator(container: InputContainer) -> HWAccel | None:
    """Return what is to decode an open clip in hardware; None if software is to.

    The pictures come back to memory with their colours and turns, as from software.
    """
    kind = device()
    largest = max((track.width * track.height for track in container.streams.video), default=0)
    return None if kind is None or largest <= LARGE_PIXELS else HWAccel(kind)


@cache
def device() -> str | None:
    """Return the kind of a device that is there and that FFmpeg was built for, if any."""
    offered = hwdevices_available()
    found = (kind for kind, file in _DEVICES if kind in offered and Path(file).exists())
    return next(found, None)
