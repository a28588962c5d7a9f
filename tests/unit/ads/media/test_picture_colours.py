"""Any picture in 8 bits of sRGB: its range, its profile, its transparency."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ads.media.picture_colours import SrgbConverter, with_8_bits
from tests.helpers.icc_profiles import (
    P3_TO_XYZ,
    SRGB_TO_XYZ,
    cmyk_profile,
    converted,
    grey_profile,
    rgb_profile,
)

COLOURS = np.array(list(product(range(0, 256, 17), repeat=3)))
"""4,096 of them, evenly spread."""


def shown(picture: Image.Image, icc: bytes | None = None) -> np.ndarray:
    """The levels of the first pixel."""
    if icc is not None:
        picture.info["icc_profile"] = icc
    return np.asarray(SrgbConverter(picture).opaque(with_8_bits(picture)))[0, 0].astype(int)


def every_colour_in(icc: bytes) -> np.ndarray:
    """`COLOURS` of a profile in sRGB."""
    picture = Image.fromarray(COLOURS.astype(np.uint8)[None])
    picture.info["icc_profile"] = icc
    return np.asarray(SrgbConverter(picture).opaque(with_8_bits(picture)))[0].astype(int)


@pytest.mark.parametrize(
    ("kind", "white"),
    [(np.uint16, 65535), (">u2", 65535), (np.int32, 255), (np.int32, 65535), (np.int32, 2**31 - 1),
     (np.float32, 1), (np.float32, 255), (np.float32, 65535)],
)  # fmt: skip
def test_deep_grey_runs_from_black_to_white(kind, white):
    ramp = np.linspace(0, white, 256).reshape(1, 256)
    found = np.asarray(with_8_bits(Image.fromarray(ramp.astype(kind))))[0].astype(int)
    assert np.abs(found - np.arange(256)).max() <= 1


def test_what_is_no_level_is_black_or_white():
    odd = np.array([[np.nan, -np.inf, -3.0, 0.5, 1.2, np.inf]], np.float32)
    found = np.asarray(with_8_bits(Image.fromarray(odd)))[0]
    assert found.tolist() == [0, 0, 0, 128, 255, 255]


def test_a_dark_picture_of_16_bits_stays_dark():
    dark = Image.fromarray(np.full((2, 2), 200, np.uint16))
    assert np.asarray(with_8_bits(dark)).max() == 1


def test_a_colour_of_16_bits_may_stand_for_transparent():
    picture = Image.fromarray(np.array([[0, 500, 65535]], np.uint16))
    picture.info["transparency"] = 500
    found = np.asarray(SrgbConverter(picture).opaque(with_8_bits(picture)))
    assert found[0, :, 0].tolist() == [0, 255, 255]


@pytest.mark.parametrize(
    ("mode", "colour"),
    [("1", 1), ("L", 255), ("LA", (255, 255)), ("La", (255, 255)), ("P", 0), ("PA", (0, 255)),
     ("RGB", (255, 255, 255)), ("RGBA", (255, 255, 255, 255)), ("RGBa", (255, 255, 255, 255)),
     ("RGBX", (255, 255, 255, 0)), ("CMYK", (0, 0, 0, 0)), ("YCbCr", (255, 128, 128)),
     ("HSV", (0, 0, 255)), ("LAB", (255, 128, 128)), ("I", 255), ("F", 1.0), ("I;16", 65535)],
)  # fmt: skip
def test_white_is_white_in_every_mode(mode, colour):
    picture = Image.new(mode, (2, 2), colour)
    if mode in {"P", "PA"}:
        picture.putpalette([255, 255, 255])
    assert shown(picture).min() >= 254


def test_a_profile_of_srgb_changes_nothing():
    found = every_colour_in(rgb_profile(SRGB_TO_XYZ))
    assert np.abs(found - COLOURS).max() <= 1


def test_colours_of_a_profile_are_computed_as_the_standard_says():
    found = every_colour_in(rgb_profile(P3_TO_XYZ))
    expected = [converted(tuple(colour), P3_TO_XYZ) for colour in COLOURS]
    assert np.abs(found - expected).max() <= 2


@pytest.mark.parametrize("alpha", [0, 1, 100, 254, 255])
def test_transparency_is_laid_over_white(alpha):
    picture = Image.fromarray(np.c_[COLOURS, np.full(len(COLOURS), alpha)].astype(np.uint8)[None])
    found = np.asarray(SrgbConverter(picture).opaque(with_8_bits(picture)))[0].astype(int)
    assert np.abs(found - (COLOURS * alpha + 255 * (255 - alpha)) / 255).max() <= 1


def test_a_grey_picture_may_have_a_profile_of_colours():
    found = shown(Image.new("L", (1, 1), 100), rgb_profile(P3_TO_XYZ))
    assert found == pytest.approx([100, 100, 100], abs=1)


@pytest.mark.parametrize(
    "icc", [b"", b"x", b"no profile" * 100, rgb_profile(P3_TO_XYZ)[:200], grey_profile(1.0),
            cmyk_profile(153)],
)  # fmt: skip
def test_a_profile_that_does_not_fit_is_ignored(icc):
    assert shown(Image.new("RGB", (1, 1), (200, 30, 60)), icc).tolist() == [200, 30, 60]


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400))
def test_damaged_profiles_never_spoil_a_picture(noise, place):
    profile = bytearray(rgb_profile(P3_TO_XYZ))
    profile[place : place + len(noise)] = noise
    assert shown(Image.new("RGB", (1, 1), (0, 0, 0)), bytes(profile)).shape == (3,)
