"""The places of labels; what the preview draws is tested in `test_overlay.py`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt5.QtCore import QRectF

from monitor.ui.overlay.preview import place_label

rects = st.builds(
    QRectF, st.floats(0, 500), st.floats(0, 500), st.floats(1, 500), st.floats(1, 500)
)


@given(st.floats(1, 200), st.floats(1, 60), rects, st.lists(rects, max_size=6))
def test_a_label_stays_inside_and_covers_no_other(width, height, box, taken):
    bounds = QRectF(0, 0, 500, 500)
    place = place_label(width, height, box, bounds, taken)
    if place is not None:
        assert place.x() >= bounds.x()
        assert place.y() >= bounds.y()
        assert place.right() <= bounds.right() + 1e-9
        assert place.bottom() <= bounds.bottom() + 1e-9
        assert not any(place.intersects(other) for other in taken)


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((40, 40, 20, 20), (40, 29, 20, 10)),
        ((40, 5, 20, 20), (40, 26, 20, 10)),
        ((40, 0, 20, 100), (40, 1, 20, 10)),
        ((90, 40, 20, 20), (80, 29, 20, 10)),
    ],
)
def test_a_label_prefers_the_room_above_then_below_then_inside(box, place):
    bounds = QRectF(0, 0, 100, 100)
    assert place_label(20, 10, QRectF(*box), bounds, []) == QRectF(*place)
    assert place_label(120, 10, QRectF(*box), bounds, []) is None
