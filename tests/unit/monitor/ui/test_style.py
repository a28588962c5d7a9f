from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from PyQt5.QtGui import QColor, QFontMetricsF

from detector.emotion.labels import EMOTIONS
from monitor.ui import cards, style
from monitor.ui.operator.panel import TONE_COLOURS
from monitor.ui.overlay import bars, overlay, preview, valence_curve
from monitor.ui.painting import text_font
from monitor.ui.style import EMOTION_COLOURS

MIN_CONTRAST = 4.5  # WCAG 2.1, level AA

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency" (2009), full deficiency; they work on linear light.
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(colour):
    channels = np.array(QColor(colour).getRgb()[:3]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def over(panel, below):
    """What is seen where a translucent panel lies over a colour."""
    alpha = panel.alphaF()
    mixed = [
        round(alpha * a + (1 - alpha) * b)
        for a, b in zip(panel.getRgb()[:3], QColor(below).getRgb()[:3], strict=True)
    ]
    return QColor(*mixed)


def lab(light):
    """CIE 1976 L*a*b* of linear sRGB, D65."""
    xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ) @ np.clip(light, 0, 1)
    ratio = xyz / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(
    "ad", ["#FFFFFF", "#000000", "#808080", "#FF0000", "#00FF00", "#0000FF", "#FFFF00"]
)
def test_every_text_can_be_read_on_its_panel_over_any_ad(ad):
    on_panel = (style.TEXT, style.TEXT_SOFT, style.UNREAD, style.WARNING)
    on_panel += tuple(overlay.STATE_COLOURS.values())
    texts = [(colour, over(style.PANEL, ad)) for colour in on_panel]
    # Keys of the help stand on a light patch of the panel.
    texts.append((style.TEXT, over(style.TRACK, over(style.PANEL, ad))))
    # The signs beside the curve and the plot's own ground.
    texts.append((style.TEXT_SOFT, over(QColor(255, 255, 255, 12), over(style.PANEL, ad))))
    for text, ground in texts:
        assert contrast(text, ground) >= MIN_CONTRAST, (QColor(text).name(), ground.name())


def test_every_text_of_the_operator_panel_the_notice_and_the_labels_can_be_read():
    assert style.INK.alpha() == 255
    for colour in (*TONE_COLOURS.values(), style.GOOD, style.TEXT, style.TEXT_SOFT):
        assert contrast(colour, style.INK) >= MIN_CONTRAST
    for colour in (*EMOTION_COLOURS.values(), style.UNREAD):
        assert contrast(style.INK, colour) >= MIN_CONTRAST


def test_every_emotion_has_a_colour_of_its_own():
    assert tuple(EMOTION_COLOURS) == EMOTIONS
    assert len(set(EMOTION_COLOURS.values())) == len(EMOTIONS)


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_stay_apart_for_people_with_any_colour_vision(deficiency):
    matrix = DEFICIENCIES[deficiency]
    seen = {name: lab(matrix @ linear(colour)) for name, colour in EMOTION_COLOURS.items()}
    # 2.3 is a just noticeable difference (Mahy and others, 1994); beside each other, three times
    # that is plain.
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 7, (one, other)
    good, warning = (lab(matrix @ linear(colour)) for colour in (style.GOOD, style.WARNING))
    assert np.linalg.norm(good - warning) > 20


def minutes_of_arc(height_mm, distance_mm):
    return height_mm * 21_600 / (2 * math.pi * distance_mm)


def test_the_smallest_text_is_read_from_three_metres_on_a_screen_of_48_inches(qapp):
    screen_mm = 48 * 25.4 * 9 / math.hypot(16, 9)
    font = text_font(style.MIN_TEXT * 10)
    capital = QFontMetricsF(font).capHeight() / (style.REFERENCE_HEIGHT * 10)
    assert capital >= 0.71 * style.MIN_TEXT / style.REFERENCE_HEIGHT
    assert minutes_of_arc(capital * screen_mm, 3000) >= 16


def test_the_panel_is_read_at_arms_length_on_a_screen_of_16_inches(qapp):
    screen_mm = 16 * 25.4 * 9 / math.hypot(16, 9)
    capital = 0.71 * style.PANEL_TEXT / style.REFERENCE_HEIGHT
    assert minutes_of_arc(capital * screen_mm, 700) >= 16


@pytest.mark.parametrize(
    "size",
    [(1280, 720), (1920, 1080), (3840, 2160), (1280, 800), (1024, 768), (720, 1280), (1080, 1920)],
)
@pytest.mark.parametrize("language", ["en", "de"])
def test_nothing_that_is_read_from_afar_is_written_smaller(
    qtbot, monkeypatch, make_reading, make_view, player, size, language
):
    from monitor.ui.bridge import LiveBridge
    from monitor.ui.window import KioskWindow, NoticeOptions

    sizes = []

    def recorded(real):
        def draw(painter, rect, text, size, *rest, **more):
            sizes.append((size, text))
            real(painter, rect, text, size, *rest, **more)

        return draw

    for module in (bars, overlay, preview, valence_curve, cards):
        monkeypatch.setattr(module, "draw_text", recorded(module.draw_text))
    window = KioskWindow(
        player, LiveBridge(), language=language, notice=NoticeOptions(["de", "en"], "e.org/p")
    )
    qtbot.addWidget(window)
    window.resize(*size)
    window.overlay.show_view(make_view(make_reading(12), preview=np.zeros((90, 160, 3), np.uint8)))
    window.overlay.refresh_view()
    player.paused = True
    window.paused_badge.show()
    window.grab()
    drawn = [text for _, text in sizes]
    assert {
        window.overlay.status.text,
        window.overlay.bars.title,
        window.overlay.curve.value_text,
    } <= set(drawn)
    assert any(text in ("12", *window.overlay.preview.labels) for text in drawn)
    scale = style.scale_for(*size)
    assert min(sizes)[0] >= style.MIN_TEXT * scale - 1e-9


@pytest.mark.parametrize(
    "size",
    [(1280, 720), (1920, 1080), (1280, 800), (1024, 768), (720, 1280), (1080, 1920), (2560, 1080)],
)
@pytest.mark.parametrize("notices", [["en"], ["de", "en"]])
def test_the_middle_of_the_ad_stays_free(qtbot, player, make_view, size, notices):
    from PyQt5.QtCore import QRectF

    from monitor.ui.bridge import LiveBridge
    from monitor.ui.window import KioskWindow, NoticeOptions

    window = KioskWindow(player, LiveBridge(), notice=NoticeOptions(notices, "example.org/privacy"))
    qtbot.addWidget(window)
    window.resize(*size)
    for shape in ((90, 160), (160, 90)):
        window.overlay.show_view(make_view(preview=np.zeros((*shape, 3), np.uint8)))
        window.overlay.refresh_view()
        width, height = size
        side = (1 - style.MIDDLE_SHARE) / 2
        middle = QRectF(
            side * width, side * height, style.MIDDLE_SHARE * width, style.MIDDLE_SHARE * height
        )
        for part in (window.overlay, window.notice, window.paused_badge):
            assert not QRectF(part.geometry()).intersects(middle), part


@pytest.mark.parametrize(
    ("size", "scale"),
    [((1280, 720), 1.0), ((1920, 1080), 1.5), ((720, 1280), 1.0), ((3840, 2160), 3.0)],
)
def test_scale(size, scale):
    assert style.scale_for(*size) == scale
