"""Clips: turned, in any colour coding, transparent, interlaced."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np
import pytest
from PIL import ExifTags, Image

from ads.media.decode import probe
from ads.media.thumbnails import thumbnails
from tests.helpers.turned_clips import ORIENTATIONS, set_display_matrix
from tests.media.clip_maker import (
    TO_BT2020,
    TO_P3,
    Coding,
    hdr_signal,
    wide_signal,
    write_clip,
)
from tests.media.painted import COLOURS, Show, assert_colours, painted, quarters, shown_part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

RED, GREEN, BLUE, GREY = COLOURS
WHITE, MAGENTA = (255, 255, 255), (255, 0, 255)
HDR_COLOURS = ((200, 30, 30), WHITE, (40, 40, 200), GREY)


class Input(NamedTuple):
    """A clip of four quarters: how it is written, its colours as seen, and its shape as seen."""

    write: Callable[[Path], object]
    right: Sequence[Sequence[int]] = COLOURS
    shape: tuple[int, int] = (4, 3)


def coded(coding: Coding, size: tuple[int, int] = (64, 48)) -> Input:
    """Return a clip in `COLOURS` in a coding."""
    # One is enough where each takes long.
    pictures = [quarters(COLOURS, size)] * (3 if size[0] < 1280 else 1)
    return Input(lambda path: write_clip(path, pictures, coding), shape=size)


def turned(matrix: tuple[float, float, float, float], corners: str) -> Input:
    """Return a clip with a display matrix; `corners` are its colours as seen."""
    names = {"red": RED, "green": GREEN, "blue": BLUE, "white": GREY}
    a, b, _, _ = matrix

    def write(path: Path) -> None:
        write_clip(path, [quarters(COLOURS)] * 3, Coding())
        set_display_matrix(path, matrix)

    right = [names[corner] for corner in corners.split()]
    return Input(write, right, (4, 3) if abs(a) >= abs(b) else (3, 4))


def anamorphic(path: Path) -> None:
    """Write a clip of 64 x 48 whose pixels are twice as wide as high, turned to the right."""
    write_clip(path, [quarters(COLOURS)] * 3, Coding(aspect=Fraction(2)))
    set_display_matrix(path, ORIENTATIONS["to the right"][0])


def joined(path: Path) -> None:
    """Write a transport stream that goes on as HLG in another size after four pictures."""
    picture = quarters(HDR_COLOURS)
    write_clip(path, [picture] * 4, Coding())
    second = path.with_name(f"second-{path.name}")
    signal = hdr_signal(quarters(HDR_COLOURS, (96, 72)), 18)
    write_clip(second, [signal] * 4, HLG_H264)
    path.write_bytes(path.read_bytes() + second.read_bytes())


def exif(path: Path) -> None:
    """Write Motion JPEG whose pictures state by EXIF that they are to be turned to the right."""
    file, tags = io.BytesIO(), Image.Exif()
    tags[ExifTags.Base.Orientation] = 6
    Image.fromarray(quarters(COLOURS)).save(file, "JPEG", quality=100, subsampling=0, exif=tags)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj444p"
        for number in range(3):
            packet = av.Packet(file.getvalue())
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            container.mux(packet)


X265 = {"x265-params": "lossless=1:log-level=none", "preset": "ultrafast"}
TEN_BITS = Coding("libx265", "yuv420p10le", options=X265)


HLG_H264 = Coding(pixels="yuv420p10le", matrix="2020", stated="2020", transfer=18, primaries=9)
HDR_SHOWN = [(238, 238, 238) if colour == WHITE else colour for colour in HDR_COLOURS]
"""Diffuse white is 203 cd/m²; what is brighter than sRGB's 218 is compressed, to make room."""


def hdr(transfer: int, **tags: Any) -> Input:
    signal = hdr_signal(quarters(HDR_COLOURS), transfer)
    coding = replace(HLG_H264, codec="libx265", transfer=transfer, options=X265, **tags)
    return Input(lambda path: write_clip(path, [signal] * 3, coding), HDR_SHOWN)


def turned_hdr(path: Path) -> None:
    """Write an HLG clip as phones do: on its side, with a matrix that turns it to the right."""
    write_clip(path, [hdr_signal(quarters(HDR_COLOURS), 18)] * 3, HLG_H264)
    set_display_matrix(path, ORIENTATIONS["to the right"][0])


def wide(matrix: np.ndarray, primaries: int, transfer: int = 1) -> Input:
    signal = wide_signal(quarters(COLOURS), matrix)
    weights = "2020" if primaries == 9 else "709"
    coding = Coding(
        "libx265",
        "yuv420p10le",
        weights,
        stated=weights,
        transfer=transfer,
        primaries=primaries,
        options=X265,
    )
    return Input(lambda path: write_clip(path, [signal] * 3, coding))


def greys(coding: Coding) -> Input:
    colours = [(level, level, level) for level in (0, 64, 128, 255)]
    return Input(lambda path: write_clip(path, [quarters(colours)] * 3, coding), colours)


def transparent(coding: Coding, stream_tags: dict[str, str] | None = None) -> Input:
    """Return a clip: red, magenta with alpha 0, blue with alpha 128, grey."""
    picture = quarters([(*RED, 255), (*MAGENTA, 0), (*BLUE, 128), (*GREY, 255)])
    half_blue = [round(255 + (value - 255) * 128 / 255) for value in BLUE]
    return Input(
        lambda path: write_clip(path, [picture] * 3, coding, stream_tags),
        (RED, WHITE, half_blue, GREY),
    )


UNTAGGED = {"stated": None, "range_stated": 0, "transfer": 2, "primaries": 2}
VPX = {"lossless": "1", "crf": "0", "b": "0", "auto-alt-ref": "0", "cpu-used": "8"}

QUARTERS: dict[str, Input] = {
    "h264-bt709.mp4": coded(Coding()),
    "h264-bt601.mp4": coded(Coding(matrix="601", stated="601")),
    **{
        f"turned-{name.replace(' ', '-')}.mp4": turned(matrix, corners)
        for name, (matrix, corners) in ORIENTATIONS.items()
        if name != "as stored"
    },
    "turned-by-45.mp4": turned((0.7071, 0.7071, -0.7071, 0.7071), "red green blue white"),
    "turned-anamorphic.mp4": Input(anamorphic, (BLUE, RED, GREY, GREEN), (48, 128)),
    "turned-by-exif.mov": Input(exif, (BLUE, RED, GREY, GREEN), (3, 4)),
    "untagged-sd.mp4": coded(Coding(matrix="601", **UNTAGGED), (640, 480)),
    "untagged-1280x544.mp4": coded(Coding(**UNTAGGED), (1280, 544)),
    "untagged-1920x540.mp4": coded(Coding(**UNTAGGED), (1920, 540)),
    "untagged-4k.mp4": coded(Coding(**UNTAGGED), (3840, 2160)),
    "full-range.mp4": coded(Coding(full=True, range_stated=2)),
    "mjpeg.avi": coded(
        Coding(
            "mjpeg", "yuvj420p", "601", full=True, options={"qmin": "1", "qmax": "1"}, **UNTAGGED
        )
    ),
    "rgb-h264.mp4": coded(Coding("libx264rgb", "rgb24", range_stated=2)),
    "rgb-hevc.mp4": coded(Coding("libx265", "gbrp", range_stated=2, options=X265)),
    "hevc-10-bits.mp4": coded(TEN_BITS),
    "hevc-12-bits.mp4": coded(Coding("libx265", "yuv444p12le", options=X265)),
    "hlg.mp4": hdr(18),
    "pq.mp4": hdr(16),
    "hlg-sparsely-tagged.mp4": hdr(18, stated=None, primaries=2),
    "hlg-turned.mp4": Input(turned_hdr, [HDR_SHOWN[corner] for corner in (2, 0, 3, 1)], (3, 4)),
    "bt2020-sdr.mp4": wide(TO_BT2020, 9, 14),
    "display-p3.mp4": wide(TO_P3, 12),
    "grey-h264.mp4": greys(Coding(pixels="gray")),
    "grey-10-bits.mp4": greys(Coding("libx265", "gray10le", options=X265)),
    "alpha-qtrle.mov": transparent(Coding("qtrle", "argb", options={}, **UNTAGGED)),
    "alpha-png.mov": transparent(Coding("png", "rgba", options={}, **UNTAGGED)),
    "alpha-prores.mov": transparent(Coding("prores_ks", "yuva444p10le", options={"qscale": "1"})),
    "alpha-vp9.webm": transparent(
        Coding("libvpx-vp9", "yuva420p", options=VPX), {"alpha_mode": "1"}
    ),
    "alpha-vp8.webm": transparent(
        Coding(
            "libvpx",
            "yuva420p",
            "601",
            options={"b": "8000000", "auto-alt-ref": "0", "qmax": "4", "qmin": "0"},
            **UNTAGGED,
        ),
        {"alpha_mode": "1"},
    ),
}


def weave(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return a frame of two fields: even rows of the first picture, odd rows of the second."""
    woven = first.copy()
    woven[1::2] = second[1::2]
    return woven


def plain_fields() -> list[np.ndarray]:
    """All even rows bright, all odd ones dark: two pictures that have nothing in common."""
    bright, dark = (np.full((64, 96, 3), level, np.uint8) for level in (200, 60))
    return [weave(bright, dark)] * 6


def moving_fields() -> list[np.ndarray]:
    """A bar moves by six pixels from field to field; the ground is still."""

    def at(left: int) -> np.ndarray:
        picture = np.full((64, 96, 3), 60, np.uint8)
        picture[:, left : left + 24] = 200
        return picture

    return [weave(at(12 * number), at(12 * number + 6)) for number in range(6)]


MPEG2 = Coding("mpeg2video", "yuv422p", options={"qmin": "1", "qmax": "1", "flags": "+ildct+ilme"})
H264 = Coding(options={"qp": "0", "preset": "ultrafast", "x264-params": "tff=1"})

FIELDS: dict[str, tuple[Coding, Callable[[], list[np.ndarray]]]] = {
    "interlaced-plain.mpg": (MPEG2, plain_fields),
    "interlaced-moving.mp4": (H264, moving_fields),
}

INPUTS = [*QUARTERS, *FIELDS, "progressive-rows.mp4", "joined-hdr.ts"]


@pytest.mark.parametrize("name", QUARTERS)
def test_clips_show_the_colours_of_their_maker(tmp_path, name):
    made = QUARTERS[name]
    path = tmp_path / name
    made.write(path)
    assert_colours(shown_part(painted(path, 0.05, duration_s=0.2), made.shape), made.right)


@pytest.mark.parametrize("name", FIELDS)
def test_interlaced_clips_show_no_comb(tmp_path, name):
    coding, draw = FIELDS[name]
    path = write_clip(tmp_path / name, draw(), coding)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    with Show(path, size=(96, 64)) as show:
        for number in range(6):
            rows = show.play_to(0.02 + number * 0.04)[..., 1].astype(int)
            assert np.abs(np.diff(rows, axis=0)).max() < 30, number


def test_a_progressive_clip_keeps_its_finest_rows(tmp_path):
    path = write_clip(tmp_path / "progressive-rows.mp4", plain_fields(), Coding())
    rows = painted(path, 0.1, size=(96, 64))[..., 1].astype(int)
    assert rows[::2] == pytest.approx(200, abs=4)
    assert rows[1::2] == pytest.approx(60, abs=4)


def test_a_clip_may_change_size_and_colours_on_its_way(tmp_path):
    path = tmp_path / "joined-hdr.ts"
    joined(path)
    with Show(path) as show:
        assert_colours(shown_part(show.play_to(0.1), (4, 3)), HDR_COLOURS)
        assert_colours(shown_part(show.play_to(0.25), (4, 3)), HDR_SHOWN)


@pytest.mark.parametrize("name", ["hlg-turned.mp4", "alpha-vp9.webm", "untagged-1280x544.mp4"])
def test_thumbnails_and_the_library_show_clips_as_the_player_does(tmp_path, name):
    made = QUARTERS[name]
    path = tmp_path / name
    made.write(path)
    info = probe(path)
    assert info.width * made.shape[1] == info.height * made.shape[0]
    thumbnail = thumbnails(path, 0.12, "video", most=1, height_px=120)[0]
    with Image.open(io.BytesIO(thumbnail.jpeg)) as picture:
        assert_colours(np.array(picture), made.right, within=6)


def test_hidden_colours_do_not_show_at_the_edges_of_transparent_parts(tmp_path):
    picture = quarters([(200, 0, 0, 255), (0, 255, 0, 0)] * 2)
    path = write_clip(tmp_path / "edge.mov", [picture] * 3, Coding("qtrle", "argb", options={}))
    shown = shown_part(painted(path, 0.05), (4, 3)).astype(int)
    assert_colours(shown, [(200, 0, 0), WHITE] * 2)
    # Every pixel is red, white, or between them.
    assert np.abs(shown[..., 1] - shown[..., 2]).max() <= 2
    assert np.abs(shown[..., 0] - 200 - shown[..., 1] * 55 / 255).max() <= 3
