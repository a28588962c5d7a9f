"""The kiosk's window on a virtual screen, as a moving picture."""

from __future__ import annotations

import os
import select
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image, ImageGrab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCREEN = (1120, 630)
LENGTH_S, PER_S = 14.0, 8
MAX_BYTES = 2_000_000


@contextmanager
def virtual_screen() -> Iterator[str]:
    """Start an X server without a screen; give its name.

    Raises:
        RuntimeError: It does not start.
    """
    reading, writing = os.pipe()
    size = f"{SCREEN[0]}x{SCREEN[1]}x24"
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nocursor"],  # noqa: S607 (wherever it is)
        pass_fds=(writing,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], 30)
        number = os.read(reading, 16).decode().strip() if ready else ""
        if not number:
            raise RuntimeError("Xvfb, the virtual screen, did not start within 30 seconds.")
        yield f":{number}"
    finally:
        os.close(reading)
        server.terminate()
        server.wait(10)


def film(display: str) -> list[tuple[Image.Image, int]]:
    """Photograph the screen for a while; return pictures and how many ms each was seen."""
    pictures: list[tuple[Image.Image, float]] = []
    began = time.monotonic()
    while (now := time.monotonic()) < began + LENGTH_S:
        pictures.append((still(display), now))
        time.sleep(max(0.0, now + 1 / PER_S - time.monotonic()))
    ends = [*(at for _, at in pictures[1:]), began + LENGTH_S]
    return [
        (picture, max(1, round(1000 * (end - at))))
        for (picture, at), end in zip(pictures, ends, strict=True)
    ]


def still(display: str) -> Image.Image:
    """Photograph the screen."""
    return ImageGrab.grab(xdisplay=display)


def save_film(pictures: list[tuple[Image.Image, int]], path: Path) -> None:
    """Write an animated WebP of at most `MAX_BYTES`, as good as fits."""
    first, *others = [picture for picture, _ in pictures]
    for quality in (70, 55, 40, 25):
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=[shown_ms for _, shown_ms in pictures],
            loop=0,
            quality=quality,
            method=4,
        )
        if path.stat().st_size <= MAX_BYTES:
            return
    raise RuntimeError(f"{path} is larger than {MAX_BYTES} bytes at the lowest quality.")
