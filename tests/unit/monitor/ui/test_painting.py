"""Fitting a shape into a rectangle; the rest of painting is tested with the widgets that draw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt5.QtCore import QRectF

from monitor.ui.painting import fit_centred

sizes = st.floats(1, 5000)
rects = st.builds(
    QRectF, st.floats(0, 500), st.floats(0, 500), st.floats(1, 500), st.floats(1, 500)
)


@given(sizes, sizes, rects)
def test_fitting_keeps_the_shape_the_middle_and_the_bounds(width, height, into):
    place = fit_centred(width, height, into)
    assert place.width() * height == pytest.approx(place.height() * width)
    assert place.center().x() == pytest.approx(into.center().x())
    assert place.center().y() == pytest.approx(into.center().y())
    assert place.width() <= into.width() * (1 + 1e-9)
    assert place.height() <= into.height() * (1 + 1e-9)
    touches = place.width() == pytest.approx(into.width())
    assert touches or place.height() == pytest.approx(into.height())


def test_fitting_by_hand():
    assert fit_centred(16, 9, QRectF(0, 0, 100, 100)) == QRectF(0, 21.875, 100, 56.25)
    assert fit_centred(10, 20, QRectF(10, 10, 100, 100)) == QRectF(35, 10, 50, 100)
    assert fit_centred(10, 20, QRectF(0, 0, 0, 100)).width() == 0
