from __future__ import annotations

import pytest
from PyQt5.QtCore import QRectF, QSize, Qt, QTimer
from PyQt5.QtGui import QFontMetricsF

from monitor.ui.operator import panel as operator_panel
from monitor.ui.operator.facts import Row, Section
from monitor.ui.operator.panel import LABEL_WIDTH, OperatorPanel
from monitor.ui.painting import broken_into_lines, text_font, text_width
from monitor.ui.style import PANEL_TEXT, scale_for
from monitor.ui.texts import languages, texts_for

LONG = (
    "The picture /srv/ads/summer.png has 20,000 x 20,000 pixels: expected fewer; make it smaller. "
    * 4
)


def everything(text="text"):
    tones = ("plain", "good", "warning", "fault")
    rows = tuple(Row(f"Label {tone}", f"{text} {tone}", tone) for tone in tones)
    return [
        Section("Measuring", rows),
        Section("System", rows),
        Section("Ads", (Row("Now", text, share=0.4), *rows)),
        Section("Last problems", (Row("09:14:00", LONG, "warning"),)),
    ]


@pytest.fixture
def asked():
    return []


@pytest.fixture
def make_panel(qtbot, asked):
    def build(size=(1248, 580), text="text"):
        def ask():
            asked.append(1)
            return everything(f"{text} {len(asked)}")

        panel = OperatorPanel(texts_for("en"), ask)
        qtbot.addWidget(panel)
        panel.resize(*size)
        return panel

    return build


def record_texts(monkeypatch):
    """A list that gets the place and the text of everything that the panel writes."""
    drawn = []
    real = operator_panel.draw_text

    def recorded(painter, rect, text, *rest, **more):
        drawn.append((QRectF(rect), text))
        real(painter, rect, text, *rest, **more)

    monkeypatch.setattr(operator_panel, "draw_text", recorded)
    return drawn


def timers(panel):
    return [timer for timer in panel.findChildren(QTimer) if timer.isActive()]


def test_hidden_it_asks_nothing_and_runs_no_timer(make_panel, qtbot, asked):
    panel = make_panel()
    qtbot.wait(50)
    assert asked == []
    assert timers(panel) == []
    panel.toggle()
    assert len(asked) == 1
    panel.toggle()
    assert timers(panel) == []
    panel.toggle()
    panel.hide()
    assert timers(panel) == []
    assert len(asked) == 2


def test_visible_it_asks_once_a_second(make_panel, qtbot, asked):
    panel = make_panel()
    panel.toggle()
    intervals = sorted(timer.interval() for timer in timers(panel))
    assert intervals == [1000, operator_panel.LEFT_ALONE_MS]
    qtbot.waitUntil(lambda: len(asked) == 2, timeout=300_000)
    assert panel.sections[0].rows[0].text == "text 2 plain"
    assert "Label fault: text 2 fault" in panel.accessibleDescription()


def test_left_open_it_closes_by_itself_and_a_key_puts_that_off(make_panel, qtbot, monkeypatch):
    monkeypatch.setattr(operator_panel, "LEFT_ALONE_MS", 3_600_000)
    panel = make_panel()
    panel.touched()
    assert timers(panel) == []
    panel.toggle()
    [left_alone] = [timer for timer in timers(panel) if timer.interval() == 3_600_000]
    left_alone.setTimerType(Qt.TimerType.PreciseTimer)
    left_alone.start()
    qtbot.waitUntil(lambda: left_alone.remainingTime() < 3_600_000 - 50, timeout=300_000)
    before = left_alone.remainingTime()
    panel.touched()
    assert left_alone.remainingTime() > before
    left_alone.setInterval(20)
    qtbot.waitUntil(lambda: not panel.isVisible(), timeout=300_000)
    assert timers(panel) == []


@pytest.mark.parametrize("size", [(1248, 580), (1888, 900), (688, 1100), (600, 400), (200, 100)])
def test_it_is_drawn_in_every_shape(make_panel, size):
    panel = make_panel(size, text=LONG)
    panel.set_scale(scale_for(*size))
    panel.toggle()
    assert panel.natural_size(QSize(*size)).width() <= size[0]
    image = panel.grab().toImage()
    colours = {image.pixel(x, y) for x in range(0, size[0], 3) for y in range(0, size[1], 3)}
    assert len(colours) > 3


def test_on_a_very_wide_screen_it_stays_as_wide_as_the_eye_follows(make_panel):
    assert make_panel().natural_size(QSize(5000, 700)) == QSize(
        round(operator_panel.MAX_WIDTH), 700
    )


def test_two_columns_where_there_is_room_for_them(make_panel, monkeypatch):
    drawn = record_texts(monkeypatch)
    titles = ["Measuring", "System", "Ads", "Last problems"]
    for size, columns in (
        ((1248, 580), [titles[:2], titles[2:]]),
        ((688, 1100), [titles]),
    ):
        panel = make_panel(size)
        panel.toggle()
        drawn.clear()
        panel.grab()
        lefts = {text: rect.x() for rect, text in drawn if text in titles}
        found = [
            [title for title in titles if lefts[title] == left]
            for left in sorted({*lefts.values()})
        ]
        assert found == columns


@pytest.mark.parametrize("language", languages())
def test_every_label_and_the_hint_fit(qapp, language):
    texts = texts_for(language)
    labels = (
        "sensor", "rate", "latency", "dropped", "faces", "now", "why", "next", "late", "playlist",
        "session", "uptime", "source", "database", "disk", "saver", "version",
    )  # fmt: skip
    for label in labels:
        assert text_width(texts[f"panel_{label}"], PANEL_TEXT) <= LABEL_WIDTH - 6, label
    assert text_width(texts["panel_hint"], PANEL_TEXT) <= 1248 - 2 * operator_panel.PADDING


@pytest.mark.parametrize(("height", "lines"), [(900, 4), (460, 3), (370, 2)])
def test_with_less_room_long_texts_are_cut_before_rows_are(qtbot, monkeypatch, height, lines):
    drawn = record_texts(monkeypatch)
    problems = tuple(Row(f"09:14:0{number}", LONG, "warning") for number in range(4))
    panel = OperatorPanel(
        texts_for("en"),
        lambda: [Section("Ads", (Row("Now", "ad", share=0.5),)), Section("Last", problems)],
    )
    qtbot.addWidget(panel)
    panel.resize(700, height)
    panel.toggle()
    panel.grab()
    shown = [text for _, text in drawn]
    assert [row.label for row in problems if row.label in shown] == [row.label for row in problems]
    assert sum(text.startswith("! ") for text in shown) == 4
    first, second = shown.index("09:14:00"), shown.index("09:14:01")
    assert second - first - 1 == lines
    bottoms = {text: rect.bottom() for rect, text in drawn}
    lowest = max(rect.bottom() for rect, text in drawn if text not in panel.hint_lines(644))
    assert lowest <= bottoms[panel.hint_lines(644)[0]] - operator_panel.LINE


def test_in_a_very_low_window_whole_rows_are_left_out(make_panel, monkeypatch):
    panel = make_panel((700, 260))
    drawn = record_texts(monkeypatch)
    panel.toggle()
    panel.grab()
    hint = panel.hint_lines(700 - 2 * operator_panel.PADDING)
    bottoms = {text: rect.bottom() for rect, text in drawn if text not in hint}
    assert any(text.startswith("Label") for text in bottoms)
    assert "09:14:00" not in bottoms
    assert max(bottoms.values()) <= 260 - operator_panel.LINE


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("width", [300, 600, 1200])
def test_the_keys_are_all_there_and_stay_beside_what_they_do(qtbot, language, width):
    panel = OperatorPanel(texts_for(language), list)
    qtbot.addWidget(panel)
    keys = texts_for(language)["panel_hint"].split(operator_panel.KEY_GAP)
    assert len(keys) == 5
    lines = panel.hint_lines(width)
    assert operator_panel.KEY_GAP.join(lines).split(operator_panel.KEY_GAP) == keys
    assert all(text_width(line, PANEL_TEXT) <= width for line in lines)
    assert len(lines) == {300: len(lines), 600: 2, 1200: 1}[width]


def test_what_is_urgent_has_a_sign_and_not_only_a_colour(make_panel, monkeypatch):
    drawn = record_texts(monkeypatch)
    panel = make_panel()
    panel.toggle()
    panel.grab()
    number = panel.sections[0].rows[0].text.split()[1]
    expected = {
        f"text {number} plain",
        f"text {number} good",
        f"! text {number} warning",
        f"!! text {number} fault",
    }
    assert expected <= {text for _, text in drawn}


# --- lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 200, 500])
@pytest.mark.parametrize(
    "text", [LONG, "one", "x" * 400, "Größe \N{SMILING FACE WITH OPEN MOUTH} " * 30, ""]
)
def test_lines_fit_and_lose_nothing_but_the_end(qapp, text, width):
    lines = broken_into_lines(text, 17, width, 3)
    assert 1 <= len(lines) <= 3
    metrics = QFontMetricsF(text_font(17))
    assert all(metrics.horizontalAdvance(line) <= width + 1 for line in lines)
    joined = "".join(lines).replace(" ", "")
    whole = text.replace(" ", "")
    if joined != whole:
        assert joined.endswith("\N{HORIZONTAL ELLIPSIS}")
        assert whole.startswith(joined[:-1])


def test_a_short_text_stays_on_one_line(qapp):
    assert broken_into_lines("next in the playlist", 17, 400, 3) == ("next in the playlist",)


def test_where_room_is_short_what_is_wrong_keeps_its_lines(qtbot):
    said = "The database cannot be written: the disk is full; delete files, or connect another."
    rows = [Row("Camera", "/dev/v4l/by-id/a-camera-with-a-very-long-name" * 2)] * 6
    panel = OperatorPanel(texts_for("en"), tuple)
    qtbot.addWidget(panel)
    fitted = panel._fitted(
        [Section("System", (*rows, Row("", said, "warning")))], QRectF(0, 0, 560, 290)
    )
    lines = {row.row.tone: row.lines for row in fitted[0][1]}
    assert len(lines["plain"]) == 1
    assert " ".join(lines["warning"]) == f"! {said}"


def test_the_room_that_is_left_goes_to_what_is_wrong(qtbot, monkeypatch):
    drawn = record_texts(monkeypatch)
    sections = [Section("System", (Row("Camera", LONG), Row("Hub", LONG, "fault")))]
    panel = OperatorPanel(texts_for("en"), lambda: sections)
    qtbot.addWidget(panel)
    lines = {}
    for height in range(200, 420, 5):
        panel.resize(700, height)
        panel.toggle()
        drawn.clear()
        panel.grab()
        panel.toggle()
        shown = [text for _, text in drawn]
        if "Hub" in shown:
            calm = shown.index("Hub") - shown.index("Camera") - 1
            urgent = shown.index(panel.hint_lines(644)[0]) < shown.index("Camera")
            lines[height] = calm, len(shown) - shown.index("Hub") - 1 if urgent else 0
    found = list(dict.fromkeys(lines.values()))
    assert found == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 4), (3, 4)]
