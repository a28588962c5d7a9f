"""Still pictures and animations: deep, in any colour space, transparent, turned, misnamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import av
import numpy as np
import pytest
from PIL import Image, features

from ads.playlists.loader import DEFAULT_IMAGE_DURATION_S
from tests.helpers.icc_profiles import (
    P3_TO_XYZ,
    cmyk_profile,
    converted,
    grey_profile,
    of_light,
    rgb_profile,
    swapped_profile,
)
from tests.media.clip_maker import Coding, write_clip
from tests.media.heic_maker import heic
from tests.media.painted import COLOURS, Show, assert_colours, painted, quarters, shown_part
from tests.media.picture_maker import (
    SIZE,
    GifFrame,
    animation,
    deep_png,
    deep_tiff,
    gif,
    ramp,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Colours = Sequence[Sequence[float]]

WHITE, RED, GREEN, BLUE = (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)
ALL, LEFT, RIGHT = (0, 0, *SIZE), (0, 0, SIZE[0] // 2, SIZE[1]), (SIZE[0] // 2, 0, *SIZE)


class Still(NamedTuple):
    """A file, and the colours of its quarters."""

    make: Callable[[], bytes]
    colours: Colours = COLOURS


class Moving(NamedTuple):
    """A file, what it shows at some seconds, and how long it is shown by default."""

    make: Callable[[], bytes]
    shown: dict[float, Colours]
    duration_s: float = DEFAULT_IMAGE_DURATION_S


def drawn(colours: Colours = COLOURS, mode: str | None = None) -> Image.Image:
    return Image.fromarray(quarters(colours, SIZE)).convert(mode)


def plain(*colour: int) -> Image.Image:
    return Image.new("RGBA" if len(colour) == 4 else "RGB", SIZE, colour)


def all_of(colour: Sequence[float]) -> Colours:
    return [colour] * 4


def halves(left: Sequence[float], right: Sequence[float]) -> Colours:
    return [left, right, left, right]


def grey(*levels: float) -> Colours:
    return [(level, level, level) for level in levels]


def exif(orientation: int) -> bytes:
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def indexed(clear: int) -> Image.Image:
    picture = Image.fromarray(quarters([(0,), (1,), (2,), (3,)], SIZE)[..., 0])
    picture.putpalette([level for colour in COLOURS for level in colour])
    picture.info["transparency"] = clear
    return picture


def several(*pictures: Image.Image, kind: str) -> bytes:
    return animation(pictures, kind)


SWAPPED = [colour[::-1] for colour in COLOURS]
BY_P3 = [converted(colour, P3_TO_XYZ) for colour in COLOURS]
GREYS = (0, 60, 160, 255)
LINEAR = grey(*of_light(np.array(GREYS) / 255))
INKS = ((255, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 255), (0, 0, 255, 0))
# Cyan is printed as the grey of 60 % lightness.
PRINTED = grey(float(of_light(np.array(((60 + 16) / 116) ** 3))), 255, 0, 0)
HIDDEN = ((230, 30, 30, 255), (255, 0, 255, 0), (40, 40, 220, 128), (128, 128, 128, 255))
ON_WHITE = ((230, 30, 30), WHITE, (147, 147, 237), (128, 128, 128))
MIRRORED = (COLOURS[1], COLOURS[0], COLOURS[3], COLOURS[2])

STILLS = {
    "icc.jpg": Still(lambda: written(drawn(), "JPEG", icc_profile=swapped_profile()), SWAPPED),
    "icc.png": Still(lambda: written(drawn(), "PNG", icc_profile=swapped_profile()), SWAPPED),
    "icc.webp": Still(lambda: written(drawn(), "WEBP", icc_profile=rgb_profile(P3_TO_XYZ)), BY_P3),
    "icc.tif": Still(lambda: written(drawn(), "TIFF", icc_profile=rgb_profile(P3_TO_XYZ)), BY_P3),
    "icc-alpha.png": Still(
        lambda: written(drawn(HIDDEN), "PNG", icc_profile=swapped_profile()),
        ((30, 30, 230), WHITE, (237, 147, 147), (128, 128, 128)),
    ),
    "icc-grey.png": Still(
        lambda: written(drawn(grey(*GREYS), "L"), "PNG", icc_profile=grey_profile(1.0)), LINEAR
    ),
    "icc-broken.png": Still(lambda: written(drawn(), "PNG", icc_profile=b"not a profile" * 40)),
    "icc-other.jpg": Still(lambda: written(drawn(), "JPEG", icc_profile=cmyk_profile(153))),
    "cmyk.jpg": Still(lambda: written(drawn(mode="CMYK"), "JPEG")),
    "icc-cmyk.jpg": Still(
        lambda: written(
            Image.frombytes("CMYK", SIZE, quarters(INKS, SIZE).tobytes()),
            "JPEG",
            icc_profile=cmyk_profile(153),
        ),
        PRINTED,
    ),
    "lab.tif": Still(
        lambda: written(Image.new("LAB", SIZE, (136, 128, 128)), "TIFF"),
        all_of((127, 127, 127)),
    ),
    "one-bit.png": Still(
        lambda: written(drawn(grey(0, 255, 255, 0), "1"), "PNG"), grey(0, 255, 255, 0)
    ),
    "grey-alpha.png": Still(
        lambda: written(drawn(HIDDEN).convert("LA"), "PNG"), grey(90, 255, 158, 128)
    ),
    "indexed-alpha.png": Still(
        lambda: written(indexed(1), "PNG", transparency=1), (COLOURS[0], WHITE, *COLOURS[2:])
    ),
    "alpha.webp": Still(lambda: written(drawn(HIDDEN), "WEBP"), ON_WHITE),
    "alpha.tif": Still(lambda: written(drawn(HIDDEN), "TIFF"), ON_WHITE),
    "pages.tif": Still(lambda: several(drawn(), plain(0, 0, 0), kind="TIFF")),
    "two-views.mpo": Still(lambda: several(drawn(), plain(0, 0, 0), kind="MPO")),
    "one-frame.gif": Still(lambda: gif([GifFrame(ALL, 1, 4)], [WHITE, RED]), all_of(RED)),
    "poster-of-one.png": Still(
        lambda: animation([plain(*RED), plain(*BLUE)], "PNG", default_image=True, duration=500),
        all_of(BLUE),
    ),
    "damaged-exif.jpg": Still(
        lambda: written(drawn(), "JPEG", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff")
    ),
    "without-end.jpg": Still(lambda: written(drawn(), "JPEG")[:-2]),
    "picture.avif": Still(lambda: written(drawn(), "AVIF")),
    "telephone.heic": Still(
        lambda: heic(np.rot90(quarters(SWAPPED, SIZE)), (32, 32), turns=3, icc=swapped_profile())
    ),
    "jpeg-named.png": Still(lambda: written(drawn(), "JPEG")),
    "png-named.mp4": Still(lambda: written(drawn(), "PNG")),
}


def laid(picture: Image.Image, orientation: int) -> Image.Image:
    """Lay an upright picture as a camera stores it that states this orientation."""
    ways = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    return picture.transpose(Image.Transpose(ways[orientation])) if orientation > 1 else picture


def turned(kind: str, orientation: int) -> bytes:
    return written(laid(drawn(), orientation), kind, exif=exif(orientation))


def turning(kind: str, orientation: int) -> bytes:
    """An animation of two pictures of 0.3 s, which states an orientation."""
    pictures = [laid(drawn(colours), orientation) for colours in (COLOURS, SWAPPED)]
    return animation(pictures, kind, duration=300, exif=exif(orientation))


def red_green_blue(*hundredths: int, loop: int | None = 0) -> bytes:
    palette = (RED, GREEN, BLUE)
    frames = [GifFrame(ALL, colour, time) for colour, time in enumerate(hundredths)]
    return gif(frames, palette, loop=loop)


def deep(levels: np.ndarray, kind: str) -> bytes:
    return written(Image.fromarray(levels), kind)


TURNED = {"exif.jpg": "JPEG", "exif.png": "PNG", "exif.webp": "WEBP", "exif.tif": "TIFF"}
TURNING = {"exif-moving.png": "PNG", "exif-moving.webp": "WEBP"}

RAMPS = {
    "grey-16.png": lambda: deep(ramp(65535).astype(np.uint16), "PNG"),
    "grey-16-be.tif": lambda: deep(ramp(65535).astype(">u2"), "TIFF"),
    "grey-12.tif": lambda: deep_tiff(np.round(ramp(4095)), bits=12),
    "grey-32.tif": lambda: deep(ramp(2**31 - 1).astype(np.int32), "TIFF"),
    "float.tif": lambda: deep(ramp(1.0).astype(np.float32), "TIFF"),
    "colour-16.png": lambda: deep_png(np.dstack([ramp(65535)] * 3)),
    "colour-16.tif": lambda: deep_tiff(np.dstack([ramp(65535)] * 3)),
}

MOVING = {
    "short.gif": Moving(
        lambda: red_green_blue(5, 5),
        {0.02: all_of(RED), 0.07: all_of(GREEN), 4.02: all_of(RED), 7.97: all_of(GREEN)},
    ),
    "long.gif": Moving(
        lambda: red_green_blue(500, 450), {0.02: all_of(RED), 9.45: all_of(GREEN)}, 9.5
    ),
    "once.gif": Moving(
        lambda: red_green_blue(30, 30, loop=None),
        {0.1: all_of(RED), 0.4: all_of(GREEN), 0.7: all_of(GREEN), 7.9: all_of(GREEN)},
        8.4,
    ),
    "twice.gif": Moving(
        lambda: red_green_blue(30, 30, loop=1),
        {0.4: all_of(GREEN), 0.7: all_of(RED), 1.0: all_of(GREEN), 1.3: all_of(GREEN)},
        8.4,
    ),
    "hurried.gif": Moving(
        lambda: red_green_blue(0, 1, 2),
        {0.08: all_of(RED), 0.18: all_of(GREEN), 0.21: all_of(BLUE), 0.24: all_of(RED)},
        8.14,
    ),
    "disposal.gif": Moving(
        lambda: gif(
            [
                GifFrame(ALL, 1, 30, clear=0),
                GifFrame(LEFT, 2, 30, disposal=3, clear=0),
                GifFrame(RIGHT, 3, 30, disposal=2, clear=0),
                GifFrame(LEFT, 2, 30, clear=0),
            ],
            ((0, 0, 0), RED, GREEN, BLUE),
        ),
        {
            0.1: all_of(RED),
            0.4: halves(GREEN, RED),
            0.7: halves(RED, BLUE),
            1.0: halves(GREEN, WHITE),
        },
        8.4,
    ),
    "mixed.gif": Moving(
        lambda: gif(
            [
                GifFrame(ALL, 1, 30, clear=0),
                GifFrame(LEFT, 2, 30, disposal=2, clear=0),
                GifFrame(RIGHT, 3, 30, disposal=0, clear=0),
                GifFrame(LEFT, 2, 30, disposal=0, clear=0),
            ],
            ((0, 0, 0), RED, GREEN, BLUE),
        ),
        {
            0.1: all_of(RED),
            0.4: halves(GREEN, RED),
            0.7: halves(WHITE, BLUE),
            1.0: halves(GREEN, BLUE),
        },
        8.4,
    ),
    "opaque.gif": Moving(
        lambda: gif(
            [
                GifFrame(RIGHT, 1, 30, disposal=3),
                GifFrame(LEFT, 2, 30, disposal=2),
                GifFrame(RIGHT, 3, 30),
            ],
            ((0, 0, 0), RED, GREEN, BLUE),
        ),
        {0.1: halves(WHITE, RED), 0.4: halves(GREEN, WHITE), 0.7: halves(WHITE, BLUE)},
        8.1,
    ),
    "clear.gif": Moving(
        lambda: gif(
            [
                GifFrame(LEFT, 1, 30, clear=0),
                GifFrame(RIGHT, 2, 30, disposal=2, clear=0),
                GifFrame(ALL, 0, 30, clear=0),
            ],
            ((0, 0, 0), RED, GREEN),
        ),
        {0.1: halves(RED, WHITE), 0.4: halves(RED, GREEN), 0.7: halves(RED, WHITE)},
        8.1,
    ),
    "poster.png": Moving(
        lambda: animation(
            [plain(*RED), plain(*GREEN), plain(*BLUE)], "PNG", default_image=True, duration=500
        ),
        {0.1: all_of(GREEN), 0.6: all_of(BLUE), 1.1: all_of(GREEN)},
    ),
    "blend.png": Moving(
        lambda: animation(
            [drawn(HIDDEN), plain(0, 0, 0, 128)], "PNG", duration=400, blend=1, disposal=0
        ),
        {0.1: ON_WHITE, 0.5: ((115, 15, 15), (127, 127, 127), (73, 73, 118), (64, 64, 64))},
    ),
    "rounds.webp": Moving(
        lambda: animation([plain(*RED), plain(*BLUE)], "WEBP", duration=400, loop=2),
        {
            0.1: all_of(RED),
            0.5: all_of(BLUE),
            0.9: all_of(RED),
            1.3: all_of(BLUE),
            1.7: all_of(BLUE),
        },
    ),
    "moving.avif": Moving(
        lambda: animation([drawn(), drawn(SWAPPED)], "AVIF", duration=400),
        {0.1: COLOURS, 0.5: SWAPPED, 0.9: COLOURS},
    ),
}

INPUTS = [*STILLS, *TURNED, *TURNING, *RAMPS, *MOVING, "soft-edge.png", "mp4-named.jpg"]


def put(folder: Path, name: str, make: Callable[[], bytes]) -> Path:
    """Write a file; skip the test where the libraries were built without an encoder for it."""
    if name.endswith(".avif") and not features.check("avif"):
        pytest.skip("Pillow was built without AVIF")
    if name.endswith(".heic") and "libx265" not in av.codecs_available:
        pytest.skip("PyAV was built without an encoder for HEVC")
    content = make()
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("name", STILLS)
def test_still_pictures_show_the_colours_of_their_maker(tmp_path, name):
    path = put(tmp_path, name, STILLS[name].make)
    with Show(path, duration_s=1) as show:
        assert show.ad.kind == "image"
        assert_colours(shown_part(show.play_to(0.05), SIZE), STILLS[name].colours)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", TURNED)
def test_pictures_are_turned_and_mirrored_as_they_state(tmp_path, name, orientation):
    path = put(tmp_path, name, lambda: turned(TURNED[name], orientation))
    assert_colours(shown_part(painted(path, 0.05, duration_s=1), SIZE), COLOURS)


@pytest.mark.parametrize("orientation", [2, 3, 6, 7])
@pytest.mark.parametrize("name", TURNING)
def test_animations_are_turned_and_mirrored_as_they_state(tmp_path, name, orientation):
    path = put(tmp_path, name, lambda: turning(TURNING[name], orientation))
    with Show(path) as show:
        assert (show.ad.kind, show.ad.width, show.ad.height) == ("animation", *SIZE)
        for at_s, colours in ((0.1, COLOURS), (0.4, SWAPPED), (0.7, COLOURS)):
            assert_colours(shown_part(show.play_to(at_s), SIZE), colours)


@pytest.mark.parametrize("name", RAMPS)
def test_deep_pictures_keep_their_whole_range(tmp_path, name):
    path = put(tmp_path, name, RAMPS[name])
    row = painted(path, 0.05, size=SIZE, duration_s=1).mean(axis=(0, 2))
    assert row == pytest.approx(np.linspace(0, 255, SIZE[0]), abs=4)


@pytest.mark.parametrize("name", MOVING)
def test_animations_show_each_picture_in_its_time(tmp_path, name):
    path = put(tmp_path, name, MOVING[name].make)
    with Show(path) as show:
        assert show.ad.kind == "animation"
        assert show.ad.duration_s == pytest.approx(MOVING[name].duration_s)
        for at_s, colours in MOVING[name].shown.items():
            assert_colours(shown_part(show.play_to(at_s), SIZE), colours)


def test_soft_edges_take_nothing_from_hidden_colours(tmp_path):
    picture = plain(0, 0, 0, 0).resize((640, 480))
    picture.paste((255, 0, 0, 255), (0, 0, 321, 480))
    path = put(tmp_path, "soft-edge.png", lambda: written(picture, "PNG"))
    shown = painted(path, 0.05, size=(100, 75), duration_s=1)
    # From red to white without a darker line between them.
    assert shown[..., 0].min() >= 251
    assert shown[:, :45, 1:].max() <= 4
    assert shown[:, 55:].min() >= 251


def test_a_clip_that_is_named_like_a_picture_plays(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", [quarters(COLOURS, SIZE)] * 10, Coding())
    path = clip.rename(tmp_path / "mp4-named.jpg")
    with Show(path) as show:
        assert (show.ad.kind, show.ad.duration_s) == ("video", pytest.approx(0.4))
        assert_colours(shown_part(show.play_to(0.05), SIZE), COLOURS)
