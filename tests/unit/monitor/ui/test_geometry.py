from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.ui.geometry import Rect, fit_centred, mirrored, place_label
from monitor.ui.style import scale_for

sizes = st.floats(1, 5000)
rects = st.builds(Rect, st.floats(0, 500), st.floats(0, 500), st.floats(1, 500), st.floats(1, 500))


@given(sizes, sizes, rects)
def test_fitting_keeps_the_shape_the_middle_and_the_bounds(width, height, into):
    place = fit_centred(width, height, into)
    assert place.width * height == pytest.approx(place.height * width)
    assert place.x + place.width / 2 == pytest.approx(into.x + into.width / 2)
    assert place.y + place.height / 2 == pytest.approx(into.y + into.height / 2)
    assert place.width <= into.width * (1 + 1e-9)
    assert place.height <= into.height * (1 + 1e-9)
    assert place.width == pytest.approx(into.width) or place.height == pytest.approx(into.height)


def test_fitting_by_hand():
    assert fit_centred(16, 9, Rect(0, 0, 100, 100)) == Rect(0, 21.875, 100, 56.25)
    assert fit_centred(10, 20, Rect(10, 10, 100, 100)) == Rect(35, 10, 50, 100)
    assert fit_centred(10, 20, Rect(0, 0, 0, 100)).width == 0


@given(st.floats(-1, 1), st.floats(0, 1))
def test_mirroring_twice_changes_nothing(x, width):
    assert mirrored(mirrored(x, width), width) == pytest.approx(x)


@given(st.floats(1, 200), st.floats(1, 60), rects, st.lists(rects, max_size=6))
def test_a_label_stays_inside_and_covers_no_other(width, height, box, taken):
    bounds = Rect(0, 0, 500, 500)
    place = place_label(width, height, box, bounds, taken)
    if place is not None:
        assert place.x >= bounds.x
        assert place.y >= bounds.y
        assert place.right <= bounds.right + 1e-9
        assert place.bottom <= bounds.bottom + 1e-9
        assert not any(place.meets(other) for other in taken)


def test_a_label_prefers_the_room_above_then_below_then_inside():
    bounds = Rect(0, 0, 100, 100)
    assert place_label(20, 10, Rect(40, 40, 20, 20), bounds, []) == Rect(40, 29, 20, 10)
    assert place_label(20, 10, Rect(40, 5, 20, 20), bounds, []) == Rect(40, 26, 20, 10)
    assert place_label(20, 10, Rect(40, 0, 20, 100), bounds, []) == Rect(40, 1, 20, 10)
    assert place_label(20, 10, Rect(90, 40, 20, 20), bounds, []) == Rect(80, 29, 20, 10)
    assert place_label(120, 10, Rect(40, 40, 20, 20), bounds, []) is None


@pytest.mark.parametrize(
    ("size", "scale"),
    [((1280, 720), 1.0), ((1920, 1080), 1.5), ((720, 1280), 1.0), ((3840, 2160), 3.0)],
)
def test_scale(size, scale):
    assert scale_for(*size) == scale
