"""Small cards over the ad: the help with the keys, and the mark that the show is paused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QRectF, QSize, Qt, QTimer, pyqtSlot
from PyQt5.QtGui import QPainter, QPen

from monitor.ui import style
from monitor.ui.painting import CENTRE, LEFT, PaintedWidget, draw_text, text_width

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PyQt5.QtWidgets import QWidget

HELP_SHOWN_MS = 8000
"""Long enough to read seven lines; a kiosk that is left alone shows the ad again."""

HELP_TOPICS = ("next", "pause", "overlay", "fullscreen", "operator", "help", "quit")


class HelpCard(PaintedWidget):
    """Lists the keys for some seconds."""

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts = texts
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(HELP_SHOWN_MS)
        self._timer.timeout.connect(self.hide)
        self.hide()

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Key and what it does."""
        return tuple(
            (self._texts[f"key_{topic}"], self._texts[f"help_{topic}"]) for topic in HELP_TOPICS
        )

    @pyqtSlot()
    def toggle(self) -> None:
        """Shows the help for some seconds, or takes it away."""
        if self.isVisible():
            self.stop()
        else:
            self.show()
            self.raise_()
            self._timer.start()

    def stop(self) -> None:
        """Takes the help away at once."""
        self._timer.stop()
        self.hide()

    def natural_size(self) -> QSize:
        """The size that the texts need."""
        scale = self.scale
        keys = self._keys_width()
        words = max(text_width(word, 16 * scale) for _, word in self.rows)
        return QSize(round(keys + words + 92 * scale), round((len(self.rows) * 36 + 74) * scale))

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale = self.scale
        painter.setPen(QPen(style.PANEL_EDGE, 1))
        painter.setBrush(style.PANEL)
        painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), 16 * scale, 16 * scale)
        pad = 28 * scale
        title = QRectF(pad, 16 * scale, rect.width() - 2 * pad, 32 * scale)
        draw_text(painter, title, self._texts["help_title"], 20 * scale, style.TEXT, bold=True)
        keys = self._keys_width()
        y = 56 * scale
        for key, word in self.rows:
            cap = QRectF(pad, y + 3 * scale, keys, 28 * scale)
            painter.setPen(QPen(style.LINE, 1))
            painter.setBrush(style.TRACK)
            painter.drawRoundedRect(cap, 6 * scale, 6 * scale)
            draw_text(painter, cap, key, 15 * scale, style.TEXT, align=CENTRE, bold=True)
            where = QRectF(
                pad + keys + 18 * scale, y, rect.width() - 2 * pad - keys - 18 * scale, 34 * scale
            )
            draw_text(painter, where, word, 16 * scale, style.TEXT, align=LEFT)
            y += 36 * scale

    def _keys_width(self) -> float:
        return (
            max(text_width(key, 15 * self.scale, bold=True) for key, _ in self.rows)
            + 24 * self.scale
        )


class PausedBadge(PaintedWidget):
    """Says that the show is paused; otherwise a paused video looks like a broken one."""

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = texts["paused"]
        self.hide()

    def natural_size(self) -> QSize:
        """The size that the text needs."""
        return QSize(
            round(
                text_width(self._text, style.SMALLEST_TEXT * self.scale, bold=True)
                + 66 * self.scale
            ),
            round(48 * self.scale),
        )

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale = self.scale
        painter.setPen(QPen(style.PANEL_EDGE, 1))
        painter.setBrush(style.PANEL)
        painter.drawRoundedRect(
            rect.adjusted(0.5, 0.5, -0.5, -0.5), rect.height() / 2, rect.height() / 2
        )
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.TEXT)
        for x in (20, 28):
            painter.drawRoundedRect(
                QRectF(x * scale, rect.center().y() - 8 * scale, 5 * scale, 16 * scale), 1, 1
            )
        words = rect.adjusted(42 * scale, 0, 0, 0)
        draw_text(
            painter,
            words,
            self._text,
            style.SMALLEST_TEXT * scale,
            style.TEXT,
            align=LEFT,
            bold=True,
        )
