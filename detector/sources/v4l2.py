"""The cameras that Linux lists: indices, lasting names, and what their drivers say (V4L2).

Two ioctls of Linux's videodev2.h by hand: `linuxpy` would bring 4 MB for them.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import sys
from pathlib import Path

from detector.errors import SourceOpenError
from detector.texts import lazy

DEVICES = Path("/dev")


def cameras() -> list[int]:
    """Return the indices of the cameras that the system lists (/dev/video*), opening none."""
    numbers = (re.fullmatch(r"video(\d+)", device.name) for device in DEVICES.glob("video*"))
    return sorted(int(number[1]) for number in numbers if number)


def camera_index(target: str) -> int:
    """Return the index of a camera by index, device or lasting name, or raise `SourceOpenError`."""
    if target.isdecimal():
        return int(target)
    number = re.fullmatch(r"video(\d+)", Path(target).resolve().name)
    if number is None:
        known = ", ".join(map(str, _lasting_links())) or "none"
        raise SourceOpenError(
            lazy(
                "Camera %(camera)s is not there: expected the name of a camera that is "
                "plugged in (known: %(known)s); plug it in or choose another with "
                "--source.",
                camera=target,
                known=known,
            )
        )
    return int(number[1])


def lasting_names(index: int) -> list[str]:
    """Return the paths of a camera that survive a new index: by serial number, then by socket."""
    device = (DEVICES / f"video{index}").resolve()
    return [str(link) for link in _lasting_links() if link.resolve() == device]


def _lasting_links() -> list[Path]:
    by_id, by_path = (sorted((DEVICES / "v4l" / how).glob("*")) for how in ("by-id", "by-path"))
    return by_id + by_path


def camera_name(index: int) -> tuple[str, str] | None:
    """Ask a driver for a camera's product name and socket, such as `usb-0000:00:14.0-3`.

    `None` if the device delivers no pictures: a webcam's second device only delivers metadata.
    Raises `OSError` if it cannot be asked.
    """
    # VIDIOC_QUERYCAP
    return parse_capability(bytes(_ioctl(index, 0x80685600, bytes(104))))


def parse_capability(answer: bytes) -> tuple[str, str] | None:
    """Read the 104 bytes of a `struct v4l2_capability`; see `camera_name`."""
    _, card, bus, _, of_all, of_this = struct.unpack("<16s32s32sIII12x", answer)
    capabilities = of_this if of_all & 0x80000000 else of_all  # V4L2_CAP_DEVICE_CAPS
    if not capabilities & 0x00001001:  # V4L2_CAP_VIDEO_CAPTURE, also multi-planar
        return None
    name, socket = (
        text.split(b"\0", 1)[0].decode("utf-8", "replace").strip() for text in (card, bus)
    )
    return name, socket


def is_busy(index: int) -> bool:
    """Return whether another program streams from a camera; `False` if that cannot be told."""
    # One buffer, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP: a right that only one program gets,
    # and returns by closing the device.
    try:
        _ioctl(index, 0xC0145608, struct.pack("<IIIIB3x", 1, 1, 1, 0, 0))  # VIDIOC_REQBUFS
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def _ioctl(index: int, request: int, argument: bytes) -> bytearray:
    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOTSUP, "V4L2 exists on Linux only")
    import fcntl  # noqa: PLC0415 (not on every system)

    buffer = bytearray(argument)
    device = os.open(DEVICES / f"video{index}", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(device, request, buffer)
    finally:
        os.close(device)
    return buffer
