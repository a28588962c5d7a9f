from __future__ import annotations

import numpy as np
import pytest
from PyQt5.QtGui import QImage

from monitor.ui.notice.notice import Notice
from monitor.ui.texts import texts_for


def lit(widget):
    image = widget.grab().toImage()
    image = image.convertToFormat(image.Format.Format_Grayscale8)
    buffer = np.array(image.constBits().asarray(image.bytesPerLine() * image.height()), np.uint8)
    return buffer.reshape(image.height(), image.bytesPerLine())[:, : image.width()] > 160


def test_the_notice_says_what_is_measured_and_where_more_is_to_be_read(qtbot):
    notice = Notice([texts_for("en")], "example.org/privacy")
    qtbot.addWidget(notice)
    assert notice.text == (
        "A camera here counts how many people look and reads their facial expressions. "
        "No images are stored. More: example.org/privacy"
    )
    notice.resize(1280, notice.natural_height(1280))
    assert lit(notice).sum() > 1000


def test_without_an_address_that_sentence_is_left_out(qtbot):
    notice = Notice([texts_for("de")])
    qtbot.addWidget(notice)
    assert notice.text.endswith("Es werden keine Bilder gespeichert.")


def test_without_a_camera_it_says_so_and_nothing_else(qtbot):
    notice = Notice([texts_for("en"), texts_for("de")], "example.org/privacy", measures=False)
    qtbot.addWidget(notice)
    off = "The camera here is off. Nobody is measured."
    assert notice.text == f"{off}\nDie Kamera hier ist aus. Niemand wird gemessen."
    notice.resize(1280, notice.natural_height(1280))
    assert lit(notice).sum() > 500


def test_two_languages_stand_below_each_other(qtbot):
    notice = Notice([texts_for("en"), texts_for("de")])
    qtbot.addWidget(notice)
    one = Notice([texts_for("en")])
    qtbot.addWidget(one)
    assert notice.text.count("\n") == 1
    assert notice.natural_height(1280) > 1.5 * one.natural_height(1280)


@pytest.mark.parametrize("width", [320, 720, 1280, 3840])
def test_the_whole_text_is_inside_at_every_width(qtbot, width):
    notice = Notice([texts_for("de")], "https://example.org/a<b>&c")
    qtbot.addWidget(notice)
    notice.resize(width, notice.natural_height(width))
    ink = lit(notice)[2:]  # without the line at the top
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    assert rows.min() > 1
    assert rows.max() < ink.shape[0] - 2
    assert columns.min() >= 8
    assert columns.max() < width - 8


def test_it_says_once_that_it_was_painted_and_not_before(qtbot):
    notice = Notice([texts_for("en")])
    qtbot.addWidget(notice)
    told = []
    notice.shown.connect(lambda: told.append(notice.state))
    notice.resize(640, notice.natural_height(640))
    qtbot.wait(50)
    assert notice.state == "waiting"
    notice.show()
    qtbot.waitUntil(lambda: bool(told), timeout=300_000)
    notice.refresh()
    qtbot.wait(50)
    assert told == ["shown"]


def test_the_address_is_there_as_a_code_too_which_a_telephone_reads(qtbot):
    cv2 = pytest.importorskip("cv2")
    notice = Notice([texts_for("en")], "example.org/privacy")
    qtbot.addWidget(notice)
    notice.set_scale(1.5)
    notice.resize(1920, notice.natural_height(1920))
    image = notice.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    buffer = np.array(image.constBits().asarray(image.bytesPerLine() * image.height()), np.uint8)
    pixels = buffer.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()]
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(
        np.ascontiguousarray(pixels.reshape(image.height(), -1, 3))
    )
    assert text == "https://example.org/privacy"


def test_a_narrow_screen_gets_more_lines(qtbot):
    notice = Notice([texts_for("en")], "example.org")
    qtbot.addWidget(notice)
    assert notice.natural_height(500) > notice.natural_height(1280)
