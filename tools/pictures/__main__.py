"""Take the pictures of the documentation again, from the running program.

    python -m tools.pictures [--only NAME] [--out FOLDER]

Needs Xvfb and Chromium. A picture that is there already is kept if the new one hardly differs.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tools.pictures import film, kiosk, pages
from tools.pictures.program import Program

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SAME = 0.004
"""Share of pixels that may differ between two pictures of the same, such as those of a clock."""
PARTS = ("report", "classify", "review", "hub", "kiosk")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=PARTS, action="append", help="only these; repeatable")
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    options = parser.parse_args()
    if missing := _missing():
        parser.exit(2, "".join(f"{line}\n" for line in missing))
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        _take(options.only or PARTS, options.out)
    except RuntimeError as error:
        parser.exit(1, f"{error}\n")


def _take(wanted: Sequence[str], out: Path) -> None:
    with tempfile.TemporaryDirectory() as home, pages.browsing() as browser:
        program, album = Program(Path(home)), pages.Album(browser, partial(keep, out))
        for name in ("report", "classify", "review", "hub"):
            if name in wanted:
                getattr(pages, name)(album, program)
        if "kiosk" in wanted:
            _kiosk(album, program, out)


def _missing() -> list[str]:
    """Return a sentence for each program that is not there."""
    needed = {
        "Xvfb": ("Xvfb",),
        "Chromium": ("chromium", "chromium-browser"),
    }
    lines = [
        f"{name} is needed, and was not found: sudo apt-get install {name.lower()}"
        for name, commands in needed.items()
        if not any(map(shutil.which, commands))
    ]
    if importlib.util.find_spec("playwright") is None:
        lines.append("Playwright is needed, and was not found: run `make pictures`, or make test")
    return lines


def _kiosk(album: pages.Album, program: Program, out: Path) -> None:
    """Film the window before drawn people, then photograph its console."""
    options = ("--fullscreen", "--overlay", "--site", "Shop 12", "--console", "--console-port", "0")
    notice = ("--notice-url", "https://example.org/privacy")
    with film.camera() as source, kiosk.virtual_screen() as display:
        command = ("run", "--source", source, *options, *notice)
        with program.running(*command, display=display) as running:
            running.wait_for(r"(/invitation)")
            # Of two people for half a minute, which the curve shows.
            program.wait_for_readings(400)
            kiosk.save_film(kiosk.film(display), out / "kiosk.webp")
            _say("kiosk.webp", (out / "kiosk.webp").stat().st_size)
            keep(out, "kiosk.png", _png(kiosk.still(display)))
            pages.console(album, running)


def keep(folder: Path, name: str, content: bytes) -> None:
    """Store a picture, a PNG or JPEG, unless the one that is there shows the same."""
    new = Image.open(io.BytesIO(content)).convert("RGB")
    path = folder / name
    if path.exists():
        with Image.open(path) as opened:
            old = opened.convert("RGB")
        if old.size == new.size and _apart(old, new) <= SAME:
            _say(name, path.stat().st_size, "unchanged")
            return
    if path.suffix == ".png":
        # With a palette a page takes a third of the space, and looks the same; a film's still does
        # not.
        few_colours = new.quantize(dither=Image.Dither.NONE)
        is_same = _apart(new, few_colours.convert("RGB")) <= SAME
        (few_colours if is_same else new).save(path, optimize=True)
    else:
        path.write_bytes(content)
    _say(name, path.stat().st_size)


def _apart(one: Image.Image, other: Image.Image) -> float:
    """Return the share of pixels that differ between two pictures of the same size."""
    apart = np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max(axis=2)
    return float((apart > 24).mean())


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _say(name: str, size: int, more: str = "") -> None:
    sys.stdout.write(f"{name:24} {size / 1000:6.0f} kB {more}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
