from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.media.colour_cube import LEVEL, hald_image, to_srgb
from tests.media.clip_maker import TO_P3, hdr_signal, wide_signal

TRANSFERS = {"pq": 16, "hlg": 18}
levels = st.integers(0, 255)
signals = st.floats(0, 1)
codings = st.sampled_from([("pq", 9), ("hlg", 9), ("pq", 12), ("sdr", 9), ("sdr", 12), ("sdr", 11)])


@given(red=levels, green=levels, blue=levels, transfer=st.sampled_from(["pq", "hlg"]))
def test_hdr_up_to_the_knee_is_what_it_is_without_hdr(red, green, blue, transfer):
    picture = np.array([[[red, green, blue]]], np.uint8)
    shown = 255 * to_srgb(hdr_signal(picture, TRANSFERS[transfer]), transfer, 9)
    if picture.max() <= 215:
        assert shown == pytest.approx(picture, abs=1)
    else:
        # Only brightness is compressed, and white stays white to the eye.
        assert 214 <= shown.max() <= 239


@given(st.tuples(signals, signals, signals), codings)
def test_every_signal_becomes_a_colour(signal, coding):
    shown = to_srgb(np.array([signal]), *coding)
    assert np.isfinite(shown).all()
    assert shown.min() >= 0
    assert shown.max() <= 1


@given(signals, signals, codings)
def test_greys_stay_grey_and_in_order(one, other, coding):
    darker, brighter = to_srgb(np.array([[sorted((one, other))]]).T.repeat(3, -1)[:, 0], *coding)
    assert np.ptp(darker) < 1e-3
    assert np.ptp(brighter) < 1e-3
    assert darker.max() <= brighter.max() + 1e-6


def test_highlights_of_hdr_can_still_be_told_apart():
    white = np.full((1, 1, 3), 255, np.uint8)
    shown = [to_srgb(hdr_signal(white, 16, nits), "pq", 9).max() for nits in (203, 400, 700, 1000)]
    assert np.diff(255 * np.array(shown)).min() > 1
    assert shown[-1] == pytest.approx(1.0, abs=0.01)


def test_colours_beyond_the_screen_fade_but_keep_their_hue():
    # Pure green of BT.2020: no screen of sRGB has it.
    red, green, blue = to_srgb(np.array([0.0, 1.0, 0.0]), "sdr", 9)
    assert green > max(red, blue)
    assert min(red, blue) == pytest.approx(0, abs=1e-6)


def test_the_cube_is_laid_out_with_red_changing_fastest():
    cube = hald_image("sdr", 12).reshape(-1, 3)
    edge = LEVEL**2
    assert len(cube) == edge**3
    for signal, index in (((1, 0, 0), edge - 1), ((0, 1, 0), edge * (edge - 1)), ((1, 1, 1), -1)):
        assert cube[index] == pytest.approx(to_srgb(np.array(signal, float), "sdr", 12), abs=1e-6)


def test_wide_primaries_return_to_the_picture_they_came_from():
    picture = np.random.default_rng(1).integers(0, 256, (20, 20, 3), np.uint8)
    shown = 255 * to_srgb(wide_signal(picture, TO_P3), "sdr", 12)
    assert np.abs(shown - picture).max() < 1
