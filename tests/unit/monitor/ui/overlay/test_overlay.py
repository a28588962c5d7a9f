from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt5.QtCore import QRect, QRectF, QTimer
from PyQt5.QtGui import QColor, QImage, QPainter

from detector.emotion.labels import EMOTIONS, colour_names
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from detector.emotion.prevalence import corrected_valence, group_scores, shares
from detector.types import WITHHELD_REASONS, AnalysedFrame, Box
from monitor.sensor.live import LiveView, SensorHealth
from monitor.ui import style
from monitor.ui.overlay.bars import EYE_GAP, EYE_WIDTH, TITLE_HEIGHT, ProbabilityBars
from monitor.ui.overlay.overlay import Overlay
from monitor.ui.overlay.preview import Preview
from monitor.ui.overlay.valence_curve import GAP_S, WINDOW_S, ValenceCurve, ValenceHistory
from monitor.ui.painting import NO_VALUE, text_width
from monitor.ui.style import EMOTION_COLOURS
from monitor.ui.texts import MINUS, languages, texts_for

ENGLISH = texts_for("en")
SECOND_NS = 1_000_000_000


@pytest.fixture
def clock():
    return [0]


@pytest.fixture
def overlay(qtbot, clock):
    overlay = Overlay(ENGLISH, clock=lambda: clock[0])
    qtbot.addWidget(overlay)
    overlay.arrange(QRect(0, 0, 1248, 654), 1.0)
    yield overlay
    overlay.hide()


def show(overlay, view):
    overlay.show_view(view)
    overlay.refresh_view()


def differs(image, colour, tolerance=60):
    """Pixels of an image that have a colour, as a boolean array."""
    image = image.convertToFormat(image.Format.Format_RGB32)
    buffer = image.constBits().asarray(image.width() * image.height() * 4)
    pixels = (
        np.array(buffer, np.uint8).reshape(image.height(), image.width(), 4)[..., 2::-1].astype(int)
    )
    wanted = QColor(colour).getRgb()[:3]
    return np.abs(pixels - wanted).sum(axis=2) < tolerance


def on_black(widget):
    """The widget as it looks above a dark picture."""
    image = QImage(widget.size(), QImage.Format.Format_RGB32)
    image.fill(0)
    painter = QPainter(image)
    widget.draw(painter, QRectF(widget.rect()))
    painter.end()
    return image


# --- the parts together ---------------------------------------------------------------------------


def test_two_viewers(overlay, make_reading, make_view):
    first = make_reading(3, "happy", 0.87, box=Box(0.5, 0.2, 0.3, 0.5))
    second = make_reading(
        12, "fear", 0.41, box=Box(0.1, 0.2, 0.1, 0.2), attentive=False, uncertain=True
    )
    show(overlay, make_view(first, second, preview=np.zeros((90, 160, 3), np.uint8)))
    assert overlay.status.text == "2 viewers · 1 looking"
    assert overlay.preview.labels == ("3  happy 87%", "12  fear? 41%")
    assert overlay.bars.title == "Viewer 3"
    assert overlay.bars.subtitle == "looking"
    assert dict(overlay.bars.rows)["happy"] == pytest.approx(0.87)
    assert [name for name, _ in overlay.bars.rows] == list(EMOTIONS)
    overlay.grab()


def test_nobody_in_view_is_not_the_same_as_nothing_measured(overlay, make_reading, make_view):
    assert overlay.status.text == "camera starting"
    show(overlay, make_view())
    assert overlay.status.text == "nobody in view"
    assert overlay.bars.title == "No viewer"
    show(overlay, LiveView(SensorHealth("reconnecting", cause="camera_lost")))
    assert overlay.status.text == "camera lost, retrying"
    assert overlay.bars.title == "Not measured"
    assert overlay.preview.labels == ()
    assert overlay.preview.message == "camera lost, retrying\nCheck the cable."


def test_a_camera_that_never_gave_a_picture_is_not_lost(overlay):
    show(overlay, LiveView(SensorHealth("reconnecting", cause="camera_lost")))
    assert overlay.status.text == "no camera found"
    assert overlay.preview.message == "no camera found\nCheck the cable."


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("camera_frozen", "picture frozen"),
        ("camera_black", "too dark"),
        ("camera_busy", "camera in use elsewhere"),
    ],
)
def test_why_nothing_is_measured_is_said(overlay, cause, words):
    show(overlay, LiveView(SensorHealth("blind", "More about it.", cause=cause)))
    assert overlay.status.text == words
    assert overlay.preview.message.splitlines()[0] == words
    assert overlay.preview.message.splitlines()[1].endswith(".")
    assert overlay.bars.title == "Not measured"
    assert differs(on_black(overlay.status), style.WARNING.name(), 30).any()


def test_a_state_that_needs_care_has_another_colour(overlay, make_view):
    colours = []
    for state in ("running", "reconnecting", "unavailable"):
        show(overlay, make_view(state=state))
        image = on_black(overlay.status)
        colours.append(
            [differs(image, c.name(), 30).any() for c in (style.GOOD, style.WARNING, style.FAULT)]
        )
    assert colours == [[True, False, False], [False, True, False], [False, False, True]]


def test_a_view_without_frame_and_preview_is_drawn(overlay, make_view, make_reading):
    show(overlay, LiveView(SensorHealth("starting")))
    assert overlay.preview.message == "camera starting"
    overlay.grab()
    show(overlay, make_view(make_reading()))  # faces, but no picture
    overlay.grab()
    assert overlay.preview.labels == ("1  happy 70%",)


@pytest.mark.parametrize("room", [(1248, 654), (688, 1180)])
def test_while_only_ads_are_shown_it_is_a_line_and_covers_little_of_them(
    overlay, make_view, make_reading, room
):
    overlay.arrange(QRect(16, 16, *room), style.scale_for(*room))
    whole = overlay.geometry()
    show(overlay, make_view(state="unavailable"))
    assert overlay.status.text == "ads only, not measuring"
    assert overlay.height() < whole.height() / 5
    assert overlay.rect().contains(overlay.status.geometry())
    assert all(part.isHidden() for part in (overlay.preview, overlay.bars, overlay.curve))
    show(overlay, make_view(make_reading()))
    assert overlay.geometry() == whole
    assert not any(part.isHidden() for part in (overlay.preview, overlay.bars, overlay.curve))


@pytest.mark.parametrize("room", [(1248, 654), (1888, 1000), (688, 1180), (400, 200), (300, 220)])
@pytest.mark.parametrize("shape", [(90, 160), (120, 160), (160, 90)])
def test_all_parts_stay_inside_and_apart(overlay, make_view, room, shape):
    overlay.arrange(QRect(16, 16, *room), style.scale_for(*room))
    show(overlay, make_view(preview=np.zeros((*shape, 3), np.uint8)))
    assert QRect(15, 15, room[0] + 2, room[1] + 2).contains(overlay.geometry())
    parts = [overlay.status, overlay.preview, overlay.bars, overlay.curve]
    parts = [part for part in parts if not part.isHidden()]
    assert {overlay.status, overlay.bars} <= set(parts)
    for part in parts:
        assert overlay.rect().contains(part.geometry())
        assert part.height() > 0
        others = [other for other in parts if other is not part]
        assert not any(part.geometry().intersects(other.geometry()) for other in others)
    overlay.grab()


def test_a_landscape_window_has_a_column_at_the_right_and_a_portrait_one_a_band_at_the_top(overlay):
    overlay.arrange(QRect(16, 16, 1248, 654), 1.0)
    assert overlay.geometry().right() == 16 + 1248 - 1
    assert overlay.width() == style.OVERLAY_WIDTH
    overlay.arrange(QRect(16, 16, 688, 1180), 1.0)
    assert overlay.width() == 688
    assert overlay.geometry().top() == 16


def test_with_less_room_parts_go_and_the_text_keeps_its_size(overlay, make_reading, make_view):
    shown = []
    for height in (654, 420, 330):
        overlay.arrange(QRect(0, 0, 1248, height), 1.0)
        shown.append((overlay.preview.isHidden(), overlay.curve.isHidden()))
        assert overlay.bars.height() == round(overlay.bars.natural_height())
        assert overlay.height() <= height
    assert shown == [(False, False), (False, True), (True, True)]
    overlay.arrange(QRect(0, 0, 1248, 654), 1.0)
    assert not overlay.preview.isHidden()
    assert not overlay.curve.isHidden()


def test_visible_it_draws_the_newest_view_by_itself_and_hidden_it_rests(
    overlay, qtbot, make_reading, make_view
):
    timer = overlay.findChild(QTimer)
    assert not timer.isActive()
    overlay.show()
    for viewer in (1, 2, 3):
        overlay.show_view(make_view(make_reading(viewer)))
    qtbot.waitUntil(lambda: overlay.bars.title == "Viewer 3", timeout=300_000)
    assert overlay.preview.labels == ("3  happy 70%",)
    overlay.hide()
    assert not timer.isActive()


def test_the_curve_goes_on_while_hidden(overlay, clock, make_reading, make_view):
    for step in range(20):
        clock[0] = step * SECOND_NS // 5
        overlay.show_view(make_view(make_reading("1", "happy", 1.0), at_ns=clock[0]))
    (points,) = overlay.curve.history.segments(clock[0])
    assert len(points) == 20


def test_other_words_in_german(qtbot, make_reading, make_view):
    overlay = Overlay(texts_for("de"))
    qtbot.addWidget(overlay)
    overlay.arrange(QRect(0, 0, 1248, 654), 1.0)
    show(overlay, make_view(make_reading(1, "surprise", 0.6)))
    assert overlay.preview.labels == ("1  überrascht 60\N{NO-BREAK SPACE}%",)
    assert overlay.status.text == "1 Person · 1 aufmerksam"


def test_a_viewer_without_an_emotion_counts_and_says_why(overlay, make_reading, make_view):
    show(
        overlay,
        make_view(make_reading(4, withheld="too small"), preview=np.zeros((90, 160, 3), np.uint8)),
    )
    assert overlay.status.text == "1 viewer · 1 looking"
    assert overlay.preview.labels == ("4  too small",)
    assert overlay.bars.title == "4: too small"
    assert overlay.bars.subtitle == ""
    assert {value for _, value in overlay.bars.rows} == {0.0}
    assert overlay.curve.value_text == NO_VALUE
    overlay.grab()


def test_pictures_are_neither_counted_nor_chosen_nor_averaged(overlay, make_reading, make_view):
    poster = make_reading(1, "happy", 1.0, box=Box(0.5, 0.2, 0.4, 0.6), static=True)
    person = make_reading(2, "sad", 1.0, attentive=False)
    show(overlay, make_view(poster, person, preview=np.zeros((90, 160, 3), np.uint8)))
    assert overlay.status.text == "1 viewer · 0 looking"
    assert overlay.preview.labels == ("picture", "2  sad 100%")
    assert overlay.bars.title == "Viewer 2"
    assert overlay.curve.value_text == MINUS + "1.00"
    show(overlay, make_view(poster, at_ns=SECOND_NS))
    assert overlay.status.text == "nobody in view"
    assert overlay.bars.title == "No viewer"
    assert overlay.curve.value_text == NO_VALUE
    overlay.grab()


# --- preview --------------------------------------------------------------------------------------


def test_the_preview_is_a_mirror_with_its_boxes_in_place(qtbot, make_reading):
    preview = Preview(ENGLISH)
    qtbot.addWidget(preview)
    preview.resize(320, 180)
    picture = np.zeros((180, 320, 3), np.uint8)
    picture[60:120, 20:80] = (0, 0, 255)  # on the camera's left side
    preview.show_frame(picture)
    plain = preview.grab().toImage()
    assert QColor(plain.pixel(320 - 50, 90)).blue() > 200
    assert QColor(plain.pixel(50, 90)).blue() < 20

    reading = make_reading(1, "happy", box=Box(20 / 320, 60 / 180, 60 / 320, 60 / 180))
    preview.show_frame(picture, [reading])
    yellow = differs(preview.grab().toImage(), EMOTION_COLOURS["happy"])
    columns = np.flatnonzero(yellow[90])
    assert columns.min() == pytest.approx(240, abs=3)
    assert columns.max() == pytest.approx(300, abs=3)
    rows = np.flatnonzero(yellow[58:, 270]) + 58
    assert rows.max() == pytest.approx(120, abs=3)
    # The label lies above the box and is not mirrored away from it.
    assert yellow[42:58, 240:300].mean() > 0.3


def test_a_viewer_who_looks_away_has_a_dashed_box(qtbot, make_reading):
    preview = Preview(ENGLISH)
    qtbot.addWidget(preview)
    preview.resize(320, 180)
    lengths = []
    for attentive in (True, False):
        reading = make_reading(1, "happy", box=Box(0.3, 0.3, 0.4, 0.5), attentive=attentive)
        preview.show_frame(np.zeros((180, 320, 3), np.uint8), [reading])
        yellow = differs(preview.grab().toImage(), EMOTION_COLOURS["happy"])
        lengths.append(yellow[100:130, 90:102].any(axis=1).mean())
    assert lengths[0] > 0.95
    assert lengths[1] < 0.9


def test_faces_beyond_the_edge_and_a_crowd_are_drawn(qtbot, make_reading):
    preview = Preview(ENGLISH)
    qtbot.addWidget(preview)
    preview.resize(300, 170)
    readings = [
        make_reading(n, box=Box(-0.2 + n * 0.07, -0.1 + (n % 4) * 0.3, 0.3, 0.4))
        for n in range(1, 20)
    ]
    preview.show_frame(np.zeros((90, 160, 3), np.uint8), readings)
    assert differs(preview.grab().toImage(), EMOTION_COLOURS["happy"]).any()
    assert len(preview.labels) == 19


def test_faces_without_an_emotion_are_grey_and_pictures_are_dimmed(qtbot, make_reading):
    preview = Preview(ENGLISH)
    qtbot.addWidget(preview)
    preview.resize(320, 180)

    def drawn(**kind):
        preview.show_frame(
            np.zeros((180, 320, 3), np.uint8),
            [make_reading(1, "happy", box=Box(0.3, 0.3, 0.4, 0.5), **kind)],
        )
        image = preview.grab().toImage()
        assert differs(image, EMOTION_COLOURS["happy"]).any() == (not kind)
        grey = differs(image, style.UNREAD)
        return QColor(image.pixel(96, 100)).lightness(), grey[34:53, 96:].sum()

    drawn()
    box, label = drawn(withheld="too dark")
    assert label > 400
    for kind in ({"static": True}, {"static": True, "withheld": "too dark"}):
        dimmed, words = drawn(**kind)
        assert 20 < dimmed < 0.6 * box
        assert 20 < words < 0.3 * label


def test_a_viewer_hides_a_picture_and_takes_its_room_for_the_label(qtbot, make_reading):
    preview = Preview(ENGLISH)
    qtbot.addWidget(preview)
    preview.resize(320, 180)
    box = Box(0.3, 0.3, 0.4, 0.5)
    poster, person = make_reading(1, box=box, static=True), make_reading(2, "happy", box=box)
    images = []
    for readings in ([poster, person], [person, poster]):
        preview.show_frame(np.zeros((180, 320, 3), np.uint8), readings)
        images.append(preview.grab().toImage())
    assert images[0] == images[1]
    yellow = differs(images[0], EMOTION_COLOURS["happy"])
    assert yellow[35:52, 100:160].mean() > 0.3
    assert yellow[100, 94:99].any()


def test_an_old_picture_is_darkened_and_has_no_boxes(qtbot, make_reading):
    preview = Preview(ENGLISH)
    qtbot.addWidget(preview)
    preview.resize(320, 180)
    white = np.full((180, 320, 3), 255, np.uint8)
    preview.show_frame(white, [make_reading()])
    assert QColor(preview.grab().toImage().pixel(10, 170)).lightness() > 240
    preview.show_frame(white, [make_reading()], "camera lost, retrying")
    image = preview.grab().toImage()
    assert QColor(image.pixel(10, 170)).lightness() < 120
    assert not differs(image, EMOTION_COLOURS["happy"]).any()


# --- bars -----------------------------------------------------------------------------------------


def test_bars_are_as_long_as_their_probabilities(overlay, make_reading):
    bars = overlay.bars
    lengths = []
    for probability in (0.4, 0.8, 1.0):
        bars.show_reading(make_reading(1, "happy", probability))
        lengths.append(differs(bars.grab().toImage(), EMOTION_COLOURS["happy"]).sum(axis=1).max())
    assert lengths[2] > 0.4 * bars.width()
    assert lengths[1] == pytest.approx(0.8 * lengths[2], abs=3)
    assert lengths[0] == pytest.approx(0.4 * lengths[2], abs=3)


def test_bars_say_when_a_reading_is_not_sure(overlay, make_reading):
    overlay.bars.show_reading(make_reading(uncertain=True))
    assert overlay.bars.subtitle == "unsure"
    overlay.bars.show_reading(make_reading(attentive=False))
    assert overlay.bars.subtitle == "looks away"


@pytest.mark.parametrize("language", languages())
def test_title_of_empty_bars_leaves_room_for_the_eye(qtbot, overlay, make_reading, language):
    bars = ProbabilityBars(texts_for(language))
    qtbot.addWidget(bars)
    for reason in WITHHELD_REASONS:
        bars.show_reading(make_reading(99_999, withheld=reason))
        used = text_width(bars.title, style.MIN_TEXT, bold=True) + EYE_GAP + EYE_WIDTH
        assert used < overlay.bars.width(), bars.title


def test_the_eye_of_empty_bars_says_who_looks(overlay, make_reading):
    seen = []
    for attentive in (True, False):
        overlay.bars.show_reading(make_reading(withheld="cut off", attentive=attentive))
        seen.append(
            differs(overlay.bars.grab().toImage(), style.GOOD.name())[: round(TITLE_HEIGHT)].any()
        )
    assert seen == [True, False]


def test_empty_bars_have_no_colour(overlay, make_reading):
    overlay.bars.show_reading(make_reading(withheld="cut off"))
    image = overlay.bars.grab().toImage()
    assert not any(
        differs(image, EMOTION_COLOURS[name], 20).any() for name in ("happy", "angry", "disgust")
    )


@pytest.fixture
def calibrated(qtbot, clock):
    calibration = read_card(shipped_default()).prevalence
    overlay = Overlay(ENGLISH, calibration=calibration, clock=lambda: clock[0])
    qtbot.addWidget(overlay)
    overlay.arrange(QRect(0, 0, 1248, 654), 1.0)
    yield overlay
    overlay.hide()


def test_bars_of_several_viewers_are_the_shares_of_the_audience(
    calibrated, make_view, make_reading
):
    smiling, calm = make_reading(1, "happy", 0.95), make_reading(2, "neutral", 0.9)
    show(calibrated, make_view(smiling, calm, make_reading(3, "happy", static=True)))
    assert calibrated.bars.title == "Audience of 2"
    assert calibrated.bars.subtitle == ""
    names, values = zip(*calibrated.bars.rows, strict=True)
    assert names == ("happy", "surprise", "negative", "neutral")
    scores = group_scores([smiling.probabilities, calm.probabilities], calibrated._calibration)
    assert values == pytest.approx(shares(scores.mean(axis=0)).tolist())
    assert differs(calibrated.bars.grab().toImage(), EMOTION_COLOURS["happy"]).any()
    # One viewer keeps the seven.
    show(calibrated, make_view(smiling, make_reading(2, withheld="too dark")))
    assert [name for name, _ in calibrated.bars.rows] == list(EMOTIONS)
    show(calibrated, make_view())
    assert calibrated.bars.title == "No viewer"


def test_without_a_calibration_bars_stay_those_of_one_viewer(overlay, make_view, make_reading):
    show(overlay, make_view(make_reading(1, "happy"), make_reading(2)))
    assert len(overlay.bars.rows) == len(EMOTIONS)


def test_the_calibrated_curve_of_neutral_faces_is_zero(calibrated, make_reading):
    faces = [make_reading(n, "neutral", 0.9) for n in range(5)]
    calibrated.curve.history.add(AnalysedFrame(0, 0, 640, 480, tuple(faces)))
    scores = group_scores(faces[0].probabilities, calibrated._calibration)
    assert calibrated.curve.history.newest[1] == pytest.approx(float(corrected_valence(scores)))
    assert abs(calibrated.curve.history.newest[1]) < 0.1


@pytest.mark.parametrize("language", languages())
def test_names_of_groups_leave_room_for_bars(qtbot, calibrated, language):
    bars = ProbabilityBars(texts_for(language))
    qtbot.addWidget(bars)
    bars.show_audience(99, (0.25,) * 4)
    widest = max(text_width(name, style.MIN_TEXT, bold=True) for name, _ in bars.rows)
    assert widest < calibrated.bars.width() / 2
    assert text_width(bars.title, style.MIN_TEXT, bold=True) < calibrated.bars.width()


# --- valence curve --------------------------------------------------------------------------------


def frame_at(at_s, *readings):
    return AnalysedFrame(0, round(at_s * SECOND_NS), 640, 360, tuple(readings))


def test_the_curve_is_the_mean_over_viewers(make_reading):
    history = ValenceHistory()
    history.add(
        frame_at(
            1,
            make_reading(1, "happy", 1.0),
            make_reading(2, "sad", 1.0),
            make_reading(3, "happy", 1.0),
        )
    )
    assert list(history.segments(2 * SECOND_NS)) == [[(-1.0, pytest.approx(1 / 3))]]


def test_the_curve_leaves_out_who_has_no_emotion(make_reading):
    history = ValenceHistory()
    happy, sad = make_reading(1, "happy", 1.0), make_reading(2, "sad", 1.0)
    hidden, poster = make_reading(3, withheld="too small"), make_reading(4, "sad", 1.0, static=True)
    for at_s, readings in (
        (1.0, (happy, sad, hidden, poster)),
        (1.2, (happy, hidden)),
        (1.4, (hidden, poster)),
    ):
        history.add(frame_at(at_s, *readings))
    assert [value for run in history.segments(2 * SECOND_NS) for _, value in run] == [0.0, 1.0]
    assert math.isnan(history.newest[1])


def test_gaps_stay_gaps(make_reading):
    history = ValenceHistory()
    happy = make_reading(1, "happy", 1.0)
    for at_s in (1.0, 1.2, 1.4):
        history.add(frame_at(at_s, happy))
    history.add(frame_at(1.5))  # nobody
    history.add(frame_at(1.6, happy))
    history.add(frame_at(1.8, happy))
    history.add(frame_at(1.8 + GAP_S + 0.1, happy))  # nothing was measured in between
    assert [len(run) for run in history.segments(3 * SECOND_NS)] == [3, 2, 1]


def test_old_points_are_forgotten_and_late_ones_left_out(make_reading):
    history = ValenceHistory()
    for at_s in np.arange(0, 100, 0.5):
        history.add(frame_at(at_s, make_reading()))
    history.add(frame_at(50, make_reading()))
    (points,) = history.segments(round(99.5 * SECOND_NS))
    assert points[0][0] == -WINDOW_S
    assert points[-1][0] == 0
    assert len(points) == 2 * WINDOW_S + 1


@given(st.lists(st.tuples(st.floats(0.001, 2), st.integers(0, 2)), max_size=200))
def test_points_are_in_order_in_bounds_and_not_too_many(steps):
    from detector.types import FaceReading, HeadPose

    history = ValenceHistory()
    at_ns = 0
    face = FaceReading(
        1,
        0,
        Box(0, 0, 1, 1),
        (1.0, 0, 0, 0, 0, 0, 0),
        -1.0,
        1.0,
        False,
        HeadPose(0, 0, 0),
        True,
        1.0,
    )
    for step_s, viewers in steps:
        at_ns += round(step_s * SECOND_NS)
        history.add(AnalysedFrame(0, at_ns, 1, 1, (face,) * viewers))
    runs = list(history.segments(at_ns))
    times = [seconds for run in runs for seconds, _ in run]
    assert times == sorted(times)
    assert all(-WINDOW_S <= seconds <= 0 for seconds in times)
    assert all(run and all(value == -1.0 for _, value in run) for run in runs)
    assert all(
        after - before <= GAP_S + 1e-9 for run in runs for (before, _), (after, _) in pairwise(run)
    )


def test_the_curve_moves_on_when_nothing_arrives(qtbot, clock, make_reading):
    curve = ValenceCurve(ENGLISH, clock=lambda: clock[0])
    qtbot.addWidget(curve)
    curve.resize(300, 140)
    clock[0] = 10 * SECOND_NS
    curve.history.add(frame_at(10, make_reading(1, "happy", 1.0)))
    assert curve.value_text == "+1.00"
    clock[0] = 11 * SECOND_NS
    assert curve.value_text == NO_VALUE
    ((point,),) = curve.history.segments(clock[0])
    assert point[0] == -1.0
    clock[0] = 60 * SECOND_NS
    assert list(curve.history.segments(clock[0])) == []
    curve.grab()


def test_a_pleasant_stretch_is_drawn_above_the_zero_line(qtbot, clock, make_reading):
    curve = ValenceCurve(ENGLISH, clock=lambda: clock[0])
    qtbot.addWidget(curve)
    curve.resize(300, 142)
    rows = []
    for emotion in ("happy", "sad"):
        curve.history = ValenceHistory()
        for at_s in np.arange(0, 30, 0.2):
            curve.history.add(frame_at(at_s, make_reading(1, emotion, 0.9)))
        clock[0] = 30 * SECOND_NS
        curve.refresh()
        bright = differs(on_black(curve), style.TEXT.name(), 90)[36:142, 200:280]
        rows.append(36 + np.flatnonzero(bright.any(axis=1)).mean())
    zero = 34 + (142 - 34) / 2
    assert rows[0] < zero - 30
    assert rows[1] > zero + 30


def test_a_negative_value_has_a_true_minus_sign(qtbot, clock, make_reading):
    curve = ValenceCurve(ENGLISH, clock=lambda: clock[0])
    qtbot.addWidget(curve)
    curve.history.add(frame_at(0, make_reading(1, "sad", 1.0)))
    assert curve.value_text == MINUS + "1.00"
    curve.history.add(frame_at(0.3))
    assert math.isnan(curve.history.newest[1])
    assert curve.value_text == NO_VALUE


@pytest.mark.parametrize("room", [QRect(0, 0, 1248, 654), QRect(0, 0, 700, 1200)])
@pytest.mark.parametrize("labels", [("happy", "sad"), ("engaged", "bored", "smiling")])
def test_a_model_of_other_labels_has_its_own_bars(qtbot, make_reading, make_view, labels, room):
    overlay = Overlay(ENGLISH, labels=labels)
    qtbot.addWidget(overlay)
    overlay.arrange(room, 1.0)
    p = (0.7, *[0.3 / (len(labels) - 1)] * (len(labels) - 1))
    has_valence = "happy" in labels
    valence = 0.4 if has_valence else None
    reading = replace(make_reading(), probabilities=p, valence=valence, expressiveness=None)
    show(overlay, make_view(reading))
    assert overlay.bars.rows == tuple(zip(labels, p, strict=True))
    assert overlay.preview.labels == (f"1  {labels[0]} 70%",)
    assert overlay.curve.isHidden() == (not has_valence)
    assert overlay.preview.height() >= 80
    parts = [overlay.status, overlay.preview, overlay.bars, *[overlay.curve] * has_valence]
    for one, other in pairwise(parts):
        assert not one.geometry().intersects(other.geometry())
    drawn = overlay.bars.grab().toImage()
    assert differs(drawn, EMOTION_COLOURS[colour_names(labels)[labels[0]]]).any()


@pytest.mark.parametrize("room", [QRect(16, 16, 688, 1180), QRect(0, 0, 1248, 654)])
def test_many_labels_stay_within_the_window(qtbot, room):
    overlay = Overlay(ENGLISH, labels=tuple(f"label {number}" for number in range(80)))
    qtbot.addWidget(overlay)
    overlay.arrange(room, 1.0)
    assert room.contains(overlay.geometry())
    if room.height() > room.width():
        assert overlay.height() <= room.height() / 2 + 1
    assert overlay.rect().contains(overlay.bars.geometry())


def test_a_long_name_leaves_its_bar_and_figure(qtbot, monkeypatch):
    drawn = {}
    bars = ProbabilityBars(ENGLISH, labels=("x" * 300, "sad"))
    qtbot.addWidget(bars)
    bars.resize(300, 100)
    monkeypatch.setattr(
        "monitor.ui.overlay.bars.draw_text",
        lambda _painter, rect, text, *_, **__: drawn.setdefault(text, rect),
    )
    on_black(bars)
    assert drawn["x" * 300].right() <= 300 - 60


def test_boxes_are_those_of_the_picture_under_them(overlay, make_reading, make_view):
    first, second = (np.full((90, 160, 3), level, np.uint8) for level in (40, 80))
    for picture, happy, expected in (
        (first, 0.7, "1  happy 70%"),
        (first, 0.8, "1  happy 70%"),  # of a later frame that came without a picture
        (second, 0.8, "1  happy 80%"),
    ):
        overlay.show_view(make_view(make_reading(1, "happy", happy), preview=picture))
        overlay.refresh_view()
        assert overlay.preview.labels == (expected,)
    overlay.show_view(make_view(state="reconnecting", preview=second))
    overlay.refresh_view()
    assert overlay.preview.message
