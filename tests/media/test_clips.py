"""Clips: turned, in any colour coding, transparent, interlaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.media.clip_maker import Coding, write_clip
from tests.media.painted import Show, assert_colours, painted, quarters, shown_part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COLOURS = ((230, 30, 30), (30, 200, 40), (40, 40, 220), (128, 128, 128))
"""Red, green, blue and grey, none of them clipped in any coding."""


def coded(name: str, coding: Coding, size: tuple[int, int] = (64, 48)) -> Callable[[Path], Path]:
    """Return a maker of a clip of four quarters in `COLOURS`."""

    def make(folder: Path) -> Path:
        return write_clip(folder / name, [quarters(COLOURS, size)] * 3, coding)

    return make


INPUTS: dict[str, Callable[[Path], Path]] = {
    "h264-bt709.mp4": coded("h264-bt709.mp4", Coding()),
    "h264-bt601.mp4": coded("h264-bt601.mp4", Coding(matrix="601", stated="601")),
}


@pytest.mark.parametrize("name", INPUTS)
def test_clips_show_the_colours_of_their_maker(tmp_path, name):
    path = INPUTS[name](tmp_path)
    assert_colours(shown_part(painted(path, 0.05), (4, 3)), COLOURS)


def test_a_show_tells_what_was_painted_and_how_it_ended(tmp_path):
    path = INPUTS["h264-bt709.mp4"](tmp_path)
    with Show(path, duration_s=0.2) as show:
        show.play_out()
    assert (show.outcome, show.error) == ("finished", None)
    assert show.shown_s == pytest.approx(0.2, abs=0.011)
    assert [paint.position_s for paint in show.paints] == pytest.approx([0, 0.04, 0.08])
    assert all(0 <= paint.at_s - paint.position_s < 0.011 for paint in show.paints)
