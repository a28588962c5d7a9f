"""Pictures of the demo viewer's head in several skin tones, with a table of their groups."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmarks.head_pose import SKIN, Head, Pose, landmarks, photograph, scene
from detector.sources.recording import Recording
from detector.sources.video_source import DEMO_VIDEO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TONES = {
    "light": (233, 243, 246),
    "medium": (145, 196, 215),
    "tan": (94, 126, 160),
    "dark": (37, 49, 58),
}
"""BGR of the Monk scale's tones 1, 5, 6 and 9."""


def toned_head(tone: str) -> Head:
    """The demo viewer's head with the pixels scaled so that her skin has a tone's colour.

    This changes how much light skin returns, and nothing else of a face.
    """
    head = _head()
    soft = cv2.blur(head.texture, (5, 5))
    columns, rows = head.pixels[list(SKIN)].astype(int).T
    skin = np.median(soft[rows, columns], axis=0)
    toned = head.texture * (np.array(TONES[tone]) / skin)
    return replace(head, texture=np.clip(toned, 0, 255).astype(np.uint8))


@cache
def _head() -> Head:
    with Recording(DEMO_VIDEO) as source:
        frame = source.read()
    assert frame is not None
    [points] = landmarks([frame.image])
    assert points is not None
    return photograph(frame.image, points, 1.0)


def write_toned_pictures(
    folder: Path, tones: Sequence[str], count: int, size_px: int = 70, seed: int = 0
) -> Path:
    """Write `count` pictures of each tone, turned at random, and return their table."""
    random = np.random.default_rng(seed)
    table = folder / "tones.csv"
    (folder / "faces").mkdir(parents=True)
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("File", "Skin_Tone", "side", "emotion"))
        for tone in tones:
            head = toned_head(tone)
            for number in range(count):
                pose = Pose(*random.uniform(-15, 15, 3))
                shown = scene(head, pose, size_px, random)
                square = cv2.getRectSubPix(shown.image, (3 * size_px,) * 2, shown.middle.tolist())
                name = f"faces/{tone}{number}.png"
                assert cv2.imwrite(str(folder / name), square)
                rows.writerow((name, tone, "left" if pose.yaw < 0 else "right", "Neutral"))
    return table
