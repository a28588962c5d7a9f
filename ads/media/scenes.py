"""The scenes of clips: where one shot is cut to the next, found by PySceneDetect."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ads.errors import MediaError
from ads.media.cache import read_cache, write_cache
from ads.media.decode import frames

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CACHE_NAME = "scenes.json"

MIN_SCENE_S = 1.0
"""Reactions are known by the second; a shorter shot counts with the one before it."""

AT_ONCE = 2
"""Clips decoded at the same time; each takes up to two threads."""


def scenes_of(files: Sequence[tuple[Path, str]]) -> list[list[float] | MediaError]:
    """Return where the scenes of each clip begin (see `scene_starts`), or why it is not known.

    Findings are kept, as numbers, in the user's cache folder, by the SHA-256 that comes with each
    file.
    """
    known = read_cache(CACHE_NAME, _parsed, _detector())
    new = {digest: path for path, digest in files if digest not in known}
    failed: dict[str, MediaError] = {}

    def find(digest: str, path: Path) -> None:
        try:
            known[digest] = scene_starts(path)
        except MediaError as error:
            failed[digest] = error

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(find, new, new.values()))
    if len(failed) < len(new):
        # Bounded: the newest 5000 versions of creatives.
        write_cache(CACHE_NAME, list(known.items())[-5000:], _detector())
    return [known[digest] if digest in known else failed[digest] for _, digest in files]


def scene_starts(path: Path) -> list[float]:
    """Return where the scenes of a clip begin, in seconds, rising from 0.

    A cut is a picture that differs from the one before it by much more than its neighbours do
    (PySceneDetect's adaptive detector), at least `MIN_SCENE_S` after the cut before. The clip is
    decoded small, by the same reader and under the same limits as in the player.

    Raises:
        MediaError: The file is missing, too large, or cannot be decoded to its end.
    """
    from scenedetect.common import FrameTimecode, Timecode  # noqa: PLC0415 - slow to import
    from scenedetect.detectors import AdaptiveDetector  # noqa: PLC0415

    detector = AdaptiveDetector(min_scene_len=MIN_SCENE_S)
    cuts = [0.0]
    with closing(frames(path, "video", lambda: (128, 128))) as source:  # type: ignore[type-var]
        for frame in source:
            # The rate only serves to count in frames, which nothing here does.
            at = FrameTimecode(Timecode(frame.position_ns, Fraction(1, 10**9)), fps=25.0)
            bgr = np.ascontiguousarray(frame.rgb[..., ::-1])
            cuts += [cut.seconds for cut in detector.process_frame(at, bgr)]
    return cuts


def _parsed(files: list[tuple[str, list[float]]]) -> dict[str, list[float]]:
    return {str(digest): [float(at) for at in found] for digest, found in files}


def _detector() -> list[str]:
    """Return what found the scenes; another version finds them again."""
    import scenedetect  # noqa: PLC0415 - slow to import

    return ["1", str(scenedetect.__version__)]
