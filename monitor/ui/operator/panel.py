"""The operator's panel: how everything is doing, over the ad, for a person who stands before the keyboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PyQt5.QtCore import QPointF, QRectF, QSize, Qt, QTimer, pyqtSlot
from PyQt5.QtGui import QColor, QFontMetricsF, QPainter, QPen, QTextLayout, QTextOption

from monitor.ui import style
from monitor.ui.painting import LEFT, PaintedWidget, draw_text, text_font, text_width

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PyQt5.QtGui import QHideEvent, QShowEvent
    from PyQt5.QtWidgets import QWidget

    from monitor.ui.operator.facts import Row, Section, Tone

REFRESH_MS = 1000
"""As often as a clock ticks."""

LEFT_ALONE_MS = 5 * 60_000
"""A panel that somebody has left open hides the ad, which counts as shown: it closes by itself."""

TONE_COLOURS: Mapping[Tone, QColor] = {
    "plain": style.TEXT,
    "good": style.TEXT,
    "warning": style.WARNING,
    "fault": style.FAULT,
}
SIGNS: Mapping[Tone, str] = {"plain": "", "good": "", "warning": "! ", "fault": "!! "}
"""Before what is urgent, so that the colour is not all that says it."""

WIDEST = 1500.0
COLUMN = 580.0
PADDING = 28.0
TITLE = 24.0
LINE = 25.0
LABEL_WIDTH = 172.0
BAR_HEIGHT = 6.0
BAR_ROOM = 9.0
TITLE_LINES = 1.2
"""Height of a section's title in lines."""
GAP_LINES = 0.6
"""Distance between two sections in lines."""
KEY_GAP = " " * 5
"""Between two keys of the hint, also in the texts."""
MOST_LINES = 3
"""A text longer than that is cut off; one line less each until the column is not too low for all rows."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row whose text is broken into lines."""

    row: Row
    lines: tuple[str, ...]


class OperatorPanel(PaintedWidget):
    """Sections of rows, in one column or two; asks for new ones every second while it is visible, and never otherwise.

    Args:
        texts: Of the window's language.
        ask: Gives the present sections.
        parent: The Qt owner.
    """

    def __init__(
        self,
        texts: Mapping[str, str],
        ask: Callable[[], Sequence[Section]],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._texts = texts
        self._ask = ask
        self._sections: tuple[Section, ...] = ()
        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._on_tick)
        self._left_alone = QTimer(self)
        self._left_alone.setSingleShot(True)
        self._left_alone.setInterval(LEFT_ALONE_MS)
        self._left_alone.timeout.connect(self.hide)
        self.hide()

    @property
    def sections(self) -> tuple[Section, ...]:
        """What is shown."""
        return self._sections

    def toggle(self) -> None:
        """Shows the panel, or takes it away."""
        if self.isHidden():
            self._sections = tuple(self._ask())
            self._describe()
            self.show()
            self.raise_()
            self.refresh()
        else:
            self.hide()

    def stop(self) -> None:
        """Takes the panel away and asks no more; called when the window closes."""
        self.hide()
        self._timer.stop()
        self._left_alone.stop()

    def touched(self) -> None:
        """Somebody is still there: the time after which the panel closes by itself begins anew."""
        if self._left_alone.isActive():
            self._left_alone.start()

    def natural_size(self, room: QSize) -> QSize:
        """The size that it takes.

        Args:
            room: What of the window may be covered.
        """
        # As high as the room: rows come and go, and a panel that changes its size each second
        # cannot be read.
        return QSize(min(room.width(), round(WIDEST * self.scale)), room.height())

    @pyqtSlot()
    def _on_tick(self) -> None:
        self._sections = tuple(self._ask())
        self._describe()
        self.refresh()

    def _describe(self) -> None:
        lines = [f"{row.label}: {row.text}" for section in self._sections for row in section.rows]
        self.setAccessibleName(self._texts["panel_title"])
        self.setAccessibleDescription("\n".join(lines))

    def _two_columns(self, width: float) -> bool:
        return width >= 1.5 * COLUMN * self.scale

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale = self.scale
        pad = PADDING * scale
        painter.setPen(QPen(style.PANEL_EDGE, 1))
        painter.setBrush(style.DENSE_PANEL)
        painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), 16 * scale, 16 * scale)
        title = QRectF(pad, 0.5 * pad, rect.width() - 2 * pad, 1.5 * TITLE * scale)
        draw_text(painter, title, self._texts["panel_title"], TITLE * scale, style.TEXT, bold=True)
        lines = self._hint_lines(rect.width() - 2 * pad)
        hint = QRectF(pad, rect.height() - 0.5 * pad, rect.width() - 2 * pad, 0)
        hint.setTop(hint.bottom() - len(lines) * LINE * scale)
        painter.setPen(QPen(style.LINE, 1))
        painter.drawLine(
            QPointF(pad, hint.top() - 0.3 * pad),
            QPointF(rect.width() - pad, hint.top() - 0.3 * pad),
        )
        for number, line in enumerate(lines):
            where = QRectF(hint.x(), hint.y() + number * LINE * scale, hint.width(), LINE * scale)
            draw_text(painter, where, line, style.PANEL_TEXT * scale, style.TEXT_SOFT)
        body = QRectF(pad, title.bottom() + 0.3 * pad, rect.width() - 2 * pad, 0)
        body.setBottom(hint.top() - 0.5 * pad)
        if self._two_columns(rect.width()) and len(self._sections) > 1:
            half = (body.width() - 1.5 * pad) / 2
            middle = (len(self._sections) + 1) // 2
            right = QRectF(body.right() - half, body.top(), half, body.height())
            self._draw_column(
                painter,
                QRectF(body.left(), body.top(), half, body.height()),
                self._sections[:middle],
            )
            self._draw_column(painter, right, self._sections[middle:])
        else:
            self._draw_column(painter, body, self._sections)

    def _hint_lines(self, width: float) -> list[str]:
        """The keys, on as many lines as they need; a key stays beside what it does."""
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
            title = QRectF(column.left(), y, column.width(), line)
            draw_text(painter, title, section.title, size, style.GOOD, bold=True)
            y += TITLE_LINES * line
            for placed in rows:
                if y + self._height(placed) > column.bottom() + 1:
                    # What is left out is older or matters less: the rows come in the order of their
                    # weight.
                    break
                y += self._draw_row(painter, QRectF(column.left(), y, column.width(), line), placed)
            y += GAP_LINES * line

    def _fitted(
        self, sections: Sequence[Section], column: QRectF
    ) -> list[tuple[Section, list[_Placed]]]:
        """The rows of each section, long texts cut to as few lines as the column asks for."""
        fitted: list[tuple[Section, list[_Placed]]] = []
        for most in range(MOST_LINES, 0, -1):
            fitted = [
                (section, self._placed(section, column.width(), most)) for section in sections
            ]
            lines = len(fitted) * TITLE_LINES + (len(fitted) - 1) * GAP_LINES
            height = lines * LINE * self.scale + sum(
                self._height(row) for _, rows in fitted for row in rows
            )
            if height <= column.height():
                break
        return fitted

    def _height(self, placed: _Placed) -> float:
        bar = BAR_ROOM if placed.row.share is not None else 0.0
        return (len(placed.lines) * LINE + bar) * self.scale

    def _draw_row(self, painter: QPainter, first: QRectF, placed: _Placed) -> float:
        """Draws a row from its first line on, and returns how high it is."""
        scale = self.scale
        size = style.PANEL_TEXT * scale
        label, colour = LABEL_WIDTH * scale, TONE_COLOURS[placed.row.tone]
        draw_text(
            painter,
            QRectF(first.x(), first.y(), label, first.height()),
            placed.row.label,
            size,
            style.TEXT_SOFT,
        )
        height = 0.0
        for text in placed.lines:
            where = QRectF(
                first.x() + label, first.y() + height, first.width() - label, first.height()
            )
            draw_text(painter, where, text, size, colour, align=LEFT)
            height += first.height()
        if placed.row.share is not None:
            track = QRectF(
                first.x() + label, first.y() + height, first.width() - label, BAR_HEIGHT * scale
            )
            painter.setPen(Qt.PenStyle.NoPen)
            for colour, width in (
                (style.TRACK, track.width()),
                (style.GOOD, track.width() * placed.row.share),
            ):
                painter.setBrush(colour)
                painter.drawRoundedRect(
                    QRectF(track.x(), track.y(), width, track.height()), 3 * scale, 3 * scale
                )
        return self._height(placed)

    def _placed(self, section: Section, width: float, most: int) -> list[_Placed]:
        room = width - LABEL_WIDTH * self.scale
        size = style.PANEL_TEXT * self.scale
        return [
            _Placed(row, broken_into_lines(f"{SIGNS[row.tone]}{row.text}", size, room, most))
            for row in section.rows
        ]

    def showEvent(self, event: QShowEvent | None) -> None:
        self._timer.start()
        self._left_alone.start()
        super().showEvent(event)

    def hideEvent(self, event: QHideEvent | None) -> None:
        self._timer.stop()
        self._left_alone.stop()
        super().hideEvent(event)


def broken_into_lines(text: str, size: float, width: float, most: int) -> tuple[str, ...]:
    """Breaks a text into lines of a width.

    Args:
        text: Of any length.
        size: In pixels.
        width: Of a line, in pixels.
        most: How many lines at most; the last one then ends with dots.
    """
    font = text_font(size)
    option = QTextOption(Qt.AlignmentFlag.AlignLeft)
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout = QTextLayout(text, font)
    layout.setTextOption(option)
    # Qt counts in units of UTF-16, of which one sign may take two.
    units = text.encode("utf-16-le")
    lines: list[str] = []
    layout.beginLayout()
    while (line := layout.createLine()).isValid():
        line.setLineWidth(max(1.0, width))
        start, end = line.textStart(), line.textStart() + line.textLength()
        if len(lines) == most - 1:
            # All that is left; what does not fit is elided.
            rest = units[2 * start :].decode("utf-16-le")
            lines.append(
                QFontMetricsF(font).elidedText(rest, Qt.TextElideMode.ElideRight, width + 0.5)
            )
            break
        lines.append(units[2 * start : 2 * end].decode("utf-16-le").rstrip())
    layout.endLayout()
    return tuple(lines) or ("",)
