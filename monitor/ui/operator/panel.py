"""The operator's panel over the ad, for a person at the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PyQt5.QtCore import QPointF, QRectF, QSize, QTimer, pyqtSlot
from PyQt5.QtGui import QColor, QHideEvent, QPainter, QPen, QShowEvent

from monitor.ui import style
from monitor.ui.painting import (
    PaintedWidget,
    broken_into_lines,
    draw_panel,
    draw_rounded,
    draw_text,
    text_width,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PyQt5.QtWidgets import QWidget

    from monitor.ui.operator.facts import Row, Section, Tone

LEFT_ALONE_MS = 5 * 60_000
"""A panel left open hides the ad, which counts as shown; after this time it closes by itself."""

TONE_COLOURS: Mapping[Tone, QColor] = {
    "plain": style.TEXT,
    "good": style.TEXT,
    "warning": style.WARNING,
    "fault": style.FAULT,
}

MAX_WIDTH = 1500.0
PADDING = 28.0
LINE = 25.0
LABEL_WIDTH = 172.0
TITLE_LINES = 1.2
GAP_LINES = 0.6
KEY_GAP = " " * 5
"""Between two keys of the hint, also in the language files."""


class _Placed(NamedTuple):
    row: Row
    lines: tuple[str, ...]  # the row's text, broken


class OperatorPanel(PaintedWidget):
    """Sections of rows, in one or two columns; `ask` returns them every second while visible."""

    def __init__(
        self,
        texts: Mapping[str, str],
        ask: Callable[[], Sequence[Section]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._texts = texts
        self._ask = ask
        self.sections: tuple[Section, ...] = ()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_tick)
        self._left_alone = QTimer(self)
        self._left_alone.setSingleShot(True)
        self._left_alone.timeout.connect(self.hide)
        self.setAccessibleName(texts["panel_title"])
        self.hide()

    def toggle(self) -> None:
        if self.isHidden():
            self._on_tick()
            self.show()
            self.raise_()
        else:
            self.hide()

    def touched(self) -> None:
        """Restart the time after which the panel closes by itself, because a key was pressed."""
        if self._left_alone.isActive():
            self._left_alone.start()

    def natural_size(self, room: QSize) -> QSize:
        # As high as the room: rows come and go, and a panel that changes its size every second
        # cannot be read.
        return QSize(min(room.width(), round(MAX_WIDTH * self.scale)), room.height())

    @pyqtSlot()
    def _on_tick(self) -> None:
        self.sections = tuple(self._ask())
        rows = [f"{row.label}: {row.text}" for section in self.sections for row in section.rows]
        self.setAccessibleDescription("\n".join(rows))
        self.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale = self.scale
        pad, line = PADDING * scale, LINE * scale
        draw_panel(painter, rect, 16 * scale, style.INK)
        inner = rect.adjusted(pad, 0.5 * pad, -pad, -0.5 * pad)
        title = QRectF(inner.x(), inner.y(), inner.width(), 36 * scale)
        draw_text(painter, title, self._texts["panel_title"], 24 * scale, style.TEXT, bold=True)
        lines = self.hint_lines(inner.width())
        hint_top = inner.bottom() - len(lines) * line
        painter.setPen(QPen(style.LINE, 1))
        rule = hint_top - 0.3 * pad
        painter.drawLine(QPointF(inner.left(), rule), QPointF(inner.right(), rule))
        for number, text in enumerate(lines):
            place = QRectF(inner.x(), hint_top + number * line, inner.width(), line)
            draw_text(painter, place, text, style.PANEL_TEXT * scale, style.TEXT_SOFT)
        body = QRectF(inner)
        body.setTop(title.bottom() + 0.3 * pad)
        body.setBottom(hint_top - 0.5 * pad)
        for column, sections in self._columns(body):
            self._draw_column(painter, column, sections)

    def _columns(self, body: QRectF) -> list[tuple[QRectF, Sequence[Section]]]:
        if body.width() < 814 * self.scale or len(self.sections) < 2:
            return [(body, self.sections)]
        half = (body.width() - 1.5 * PADDING * self.scale) / 2
        middle = (len(self.sections) + 1) // 2
        left = QRectF(body.left(), body.top(), half, body.height())
        right = QRectF(body.right() - half, body.top(), half, body.height())
        return [(left, self.sections[:middle]), (right, self.sections[middle:])]

    def hint_lines(self, width: float) -> list[str]:
        """Break the keys into lines of a width in pixels; a key stays beside its action."""
        size = style.PANEL_TEXT * self.scale
        lines: list[str] = []
        for key in self._texts["panel_hint"].split(KEY_GAP):
            longer = f"{lines[-1]}{KEY_GAP}{key}" if lines else key
            if lines and text_width(longer, size) <= width:
                lines[-1] = longer
            else:
                lines.append(key)
        return lines

    def _draw_column(self, painter: QPainter, column: QRectF, sections: Sequence[Section]) -> None:
        size, line = style.PANEL_TEXT * self.scale, LINE * self.scale
        y = column.top()
        for section, rows in self._fitted(sections, column):
            if y + line > column.bottom() + 1:
                break
            title = QRectF(column.left(), y, column.width(), line)
            draw_text(painter, title, section.title, size, style.GOOD, bold=True)
            y += TITLE_LINES * line
            for placed in rows:
                height = self._height(placed)
                if y + height > column.bottom() + 1:
                    # The rest is older or matters less.
                    break
                self._draw_row(painter, QRectF(column.left(), y, column.width(), line), placed)
                y += height
            y += GAP_LINES * line

    def _fitted(
        self, sections: Sequence[Section], column: QRectF
    ) -> list[tuple[Section, list[_Placed]]]:
        fitted = [
            (section, [self._placed(row, 1, column) for row in section.rows])
            for section in sections
        ]
        titles = len(sections) * (TITLE_LINES + GAP_LINES) - GAP_LINES
        height = titles * LINE * self.scale
        height += sum(self._height(placed) for _, rows in fitted for placed in rows)
        # What is wrong, and what to do about it, gets the room for further lines first.
        for is_urgent, most in ((True, 4), (False, 3)):
            for lines in range(2, most + 1):
                for _, rows in fitted:
                    for number, before in enumerate(rows):
                        if (before.row.tone in {"warning", "fault"}) != is_urgent:
                            continue
                        longer = self._placed(before.row, lines, column)
                        more = self._height(longer) - self._height(before)
                        if 0 < more <= column.height() - height:
                            rows[number] = longer
                            height += more
        return fitted

    def _placed(self, row: Row, lines: int, column: QRectF) -> _Placed:
        # A sign, so urgency does not depend on colour alone.
        text = {"warning": "! ", "fault": "!! "}.get(row.tone, "") + row.text
        width = column.width() - LABEL_WIDTH * self.scale
        return _Placed(row, broken_into_lines(text, style.PANEL_TEXT * self.scale, width, lines))

    def _height(self, placed: _Placed) -> float:
        bar = 9.0 if placed.row.share is not None else 0.0
        return (len(placed.lines) * LINE + bar) * self.scale

    def _draw_row(self, painter: QPainter, first: QRectF, placed: _Placed) -> None:
        size, row = style.PANEL_TEXT * self.scale, placed.row
        text = first.adjusted(LABEL_WIDTH * self.scale, 0, 0, 0)
        label = QRectF(first.x(), first.y(), LABEL_WIDTH * self.scale, first.height())
        draw_text(painter, label, row.label, size, style.TEXT_SOFT)
        for line in placed.lines:
            draw_text(painter, text, line, size, TONE_COLOURS[row.tone])
            text.translate(0, first.height())
        if row.share is not None:
            for colour, share in ((style.TRACK, 1.0), (style.GOOD, row.share)):
                bar = QRectF(text.x(), text.y(), text.width() * share, 6 * self.scale)
                draw_rounded(painter, bar, 3 * self.scale, colour)

    def showEvent(self, event: QShowEvent | None) -> None:
        self._timer.start(1000)
        self._left_alone.start(LEFT_ALONE_MS)
        super().showEvent(event)

    def hideEvent(self, event: QHideEvent | None) -> None:
        self._timer.stop()
        self._left_alone.stop()
        super().hideEvent(event)
