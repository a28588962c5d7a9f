from __future__ import annotations

import gc
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PyQt5.QtCore import QTimer
from PyQt5.QtGui import QColor

from ads.player.player import Picture
from ads.player.transition import Blend
from monitor.ui.ad_view import AdView, image_from_rgb, rgb_from_image


@pytest.fixture
def view(qtbot):
    view = AdView()
    qtbot.addWidget(view)
    view.resize(400, 300)
    return view


def colour(image, x, y):
    return QColor(image.pixel(x, y)).getRgb()[:3]


def test_colours_arrive_in_their_places(view, make_picture):
    picture = make_picture((0, 0, 0), 4, 2)
    picture.rgb[0, 0] = (250, 10, 20)
    picture.rgb[1, 3] = (30, 240, 50)
    view.resize(4, 2)
    view.show_picture(picture)
    image = view.grab().toImage()
    assert colour(image, 0, 0) == (250, 10, 20)
    assert colour(image, 3, 1) == (30, 240, 50)
    assert colour(image, 1, 1) == (0, 0, 0)


def test_a_wide_picture_has_black_above_and_below(view, make_picture):
    view.show_picture(make_picture((200, 30, 40), 160, 90))
    image = view.grab().toImage()
    # 400 x 225 in the middle of 400 x 300: from row 37 or 38 to row 262.
    assert colour(image, 200, 20) == (0, 0, 0)
    assert colour(image, 200, 280) == (0, 0, 0)
    assert colour(image, 200, 150) == (200, 30, 40)
    assert colour(image, 2, 150) == (200, 30, 40)
    assert colour(image, 397, 42) == (200, 30, 40)


def test_a_tall_picture_has_black_at_its_sides(view, make_picture):
    view.show_picture(make_picture((10, 200, 40), 30, 60))
    image = view.grab().toImage()
    assert colour(image, 100, 150) == (0, 0, 0)
    assert colour(image, 300, 150) == (0, 0, 0)
    assert colour(image, 200, 2) == (10, 200, 40)
    assert colour(image, 200, 297) == (10, 200, 40)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    picture=st.tuples(st.integers(8, 200), st.integers(8, 200)),
    widget=st.tuples(st.integers(50, 400), st.integers(50, 400)),
)
def test_the_shape_is_kept_to_half_a_pixel(view, make_picture, picture, widget):
    view.resize(*widget)
    view.show_picture(make_picture((1, 2, 3), *picture))
    place = view.picture_rect()
    scale = min(widget[0] / picture[0], widget[1] / picture[1])
    assert abs(place.width() - picture[0] * scale) <= 0.5 + 1e-9
    assert abs(place.height() - picture[1] * scale) <= 0.5 + 1e-9
    assert abs(place.center().x() - widget[0] / 2) <= 1
    assert abs(place.center().y() - widget[1] / 2) <= 1
    assert (place.x(), place.y(), place.width(), place.height()) == tuple(
        round(v) for v in (place.x(), place.y(), place.width(), place.height())
    )


def test_the_last_picture_stays_until_a_newer_one(view, make_picture):
    view.show_picture(make_picture((200, 0, 0)))
    first = colour(view.grab().toImage(), 200, 150)
    view.update()
    assert colour(view.grab().toImage(), 200, 150) == first == (200, 0, 0)
    view.show_picture(make_picture((0, 0, 200)))
    assert colour(view.grab().toImage(), 200, 150) == (0, 0, 200)


def test_the_picture_does_not_depend_on_the_array_it_came_from(view):
    rgb = np.full((90, 160, 3), (9, 99, 199), np.uint8)
    image = image_from_rgb(rgb)
    rgb[:] = 0
    del rgb
    gc.collect()
    np.zeros((90, 160, 3), np.uint8).sum()
    assert colour(image, 80, 45) == (9, 99, 199)


def test_a_picture_of_the_views_size_is_painted_without_a_copy(view, monkeypatch):
    monkeypatch.setattr("monitor.ui.ad_view.image_from_rgb", None)
    shape = (view.height(), view.width(), 3)
    expected = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    view.show_picture(Picture(expected.copy(), 1, 0.0))
    gc.collect()
    np.zeros(shape, np.uint8).sum()
    np.testing.assert_array_equal(rgb_from_image(view.grab().toImage()), expected)


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 8, 3), np.uint8)[:, ::2],
    ],
)
def test_another_kind_of_array_is_refused(rgb):
    with pytest.raises(ValueError, match="expected a C-contiguous uint8 array of shape"):
        image_from_rgb(rgb)


def test_a_message_is_written_on_black_and_gives_way_to_a_picture(view, make_picture):
    view.show_message("Nothing yet")
    image = view.grab().toImage()
    lit = sum(
        QColor(image.pixel(x, y)).lightness() > 100 for x in range(400) for y in range(130, 170)
    )
    assert lit > 50
    assert colour(image, 5, 5) == (0, 0, 0)
    assert not view.has_picture
    view.show_picture(make_picture((7, 8, 9)))
    assert view.has_picture
    assert colour(view.grab().toImage(), 200, 150) == (7, 8, 9)


def test_an_empty_view_is_black(view):
    assert colour(view.grab().toImage(), 200, 150) == (0, 0, 0)
    assert view.picture_rect().isEmpty()


def plain(colour, width=64, height=36):
    return np.full((height, width, 3), colour, np.uint8)


def test_a_picture_is_announced_once_when_it_is_painted(view, make_picture, qtbot):
    painted = []
    view.painted.connect(painted.append)
    early, first = make_picture((200, 0, 0)), make_picture((0, 200, 0))
    view.show_picture(early)
    view.show_picture(first)
    # Nobody sees a window that is not there.
    assert painted == []
    with qtbot.waitExposed(view, timeout=300_000):
        view.show()
    qtbot.waitUntil(lambda: painted == [first], timeout=300_000)
    second = make_picture((0, 0, 200))
    view.show_picture(second)
    # At once, not when the event loop comes to it.
    assert painted == [first, second]
    view.repaint()
    view.resize(300, 200)
    view.repaint()
    assert painted == [first, second]
    view.show_message("nothing")
    view.repaint()
    assert painted == [first, second]


def test_a_blend_mixes_both_pictures_by_its_opacity(view):
    view.resize(64, 36)
    view.show_picture(Picture(plain((200, 40, 0)), 1, 0.0, Blend(plain((0, 140, 100)), 0.25)))
    assert colour(view.grab().toImage(), 30, 18) == pytest.approx((150, 65, 25), abs=2)
    view.show_picture(Picture(plain((200, 40, 0)), 1, 0.0))
    assert colour(view.grab().toImage(), 30, 18) == (200, 40, 0)


def test_the_bars_of_both_pictures_fade_as_well(view):
    view.resize(300, 300)
    wide, tall = plain((200, 200, 200), 200, 100), plain((100, 100, 100), 100, 200)
    view.show_picture(Picture(wide, 1, 0.0, Blend(tall, 0.5)))
    image = view.grab().toImage()
    # Both in the middle; only the one or the other, half black, at the sides and above; nothing in
    # the corners.
    assert colour(image, 150, 150) == pytest.approx((150, 150, 150), abs=2)
    assert colour(image, 20, 150) == pytest.approx((100, 100, 100), abs=2)
    assert colour(image, 150, 20) == pytest.approx((50, 50, 50), abs=2)
    assert colour(image, 5, 5) == (0, 0, 0)


def test_in_a_fade_each_array_is_turned_into_an_image_once(view, monkeypatch):
    made = []

    def counting(rgb):
        made.append(rgb)
        return image_from_rgb(rgb)

    monkeypatch.setattr("monitor.ui.ad_view.image_from_rgb", counting)
    below, over = plain((1, 2, 3)), plain((4, 5, 6))
    for step in range(1, 6):
        view.show_picture(Picture(below, 1, 0.0, Blend(over, step / 10)))
    # The play changes in the middle of the fade.
    for step in range(5, 0, -1):
        view.show_picture(Picture(over, 2, 0.0, Blend(below, step / 10)))
    assert len(made) == 2
    view.show_picture(Picture(plain((7, 8, 9)), 2, 0.0))
    assert len(view._images) == 1


SHARP = """
import sys
import numpy as np
from monitor.ui.application import create_application
application = create_application(offscreen=True)
from ads.player.player import Picture
from monitor.ui.ad_view import AdView
from PyQt5.QtGui import QColor
view = AdView()
view.resize(90, 160)
ratio = view.devicePixelRatioF()
height, width = round(160 * ratio), round(90 * ratio)
# Upright, every other line of the device white: any resampling would make it grey.
rgb = np.zeros((height, width, 3), np.uint8)
rgb[::2] = 255
view.show_picture(Picture(rgb, 1, 0.0))
image = view.grab().toImage()
columns = (0, width // 2, width - 1)
levels = {QColor(image.pixel(x, y)).red() for x in columns for y in range(height)}
print(ratio, image.width(), image.height(), sorted(levels))
"""


@pytest.mark.parametrize("ratio", ["1", "1.5", "2"])
def test_a_portrait_picture_is_as_sharp_as_the_screen_at_any_pixel_ratio(ratio, monkeypatch):
    monkeypatch.setenv("QT_SCALE_FACTOR", ratio)
    done = subprocess.run(
        [sys.executable, "-c", SHARP], capture_output=True, text=True, timeout=300, check=True
    )
    factor = float(ratio)
    assert done.stdout.split(maxsplit=3) == [
        str(factor),
        str(round(90 * factor)),
        str(round(160 * factor)),
        "[0, 255]\n",
    ]


def test_something_moves_while_there_is_nothing_to_see_yet(qtbot, make_picture):
    view = AdView()
    qtbot.addWidget(view)
    view.resize(640, 360)
    view.show_message("Starting …", "A moment.", is_busy=True)
    view.show()
    qtbot.waitExposed(view)
    # It is painted by itself, and differently.
    with qtbot.waitSignals([view.drawn] * 3, timeout=300_000):
        pass
    pictures = set()

    def has_moved():
        pictures.add(rgb_from_image(view.grab().toImage()).tobytes())
        return len(pictures) > 3

    qtbot.waitUntil(has_moved, timeout=300_000)
    view.show_picture(make_picture((1, 2, 3)))
    assert not view.findChild(QTimer).isActive()
