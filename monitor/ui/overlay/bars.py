"""The probabilities of a lone viewer, or the shares of an audience, as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QRectF
from PyQt5.QtGui import QColor, QPainter

from detector.emotion.labels import EMOTIONS, colour_names
from detector.emotion.prevalence import GROUPS
from monitor.ui import style
from monitor.ui.painting import (
    NO_VALUE,
    RIGHT,
    PaintedWidget,
    draw_eye,
    draw_rounded,
    draw_text,
    text_width,
)
from monitor.ui.texts import emotion_text, percent_text, withheld_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PyQt5.QtWidgets import QWidget

    from detector.emotion.labels import LabelSet
    from detector.types import FaceReading

TITLE_HEIGHT = 34.0
EYE_WIDTH = 28.0
EYE_GAP = 8.0
LEAD = 1.3
"""How much larger another face must be to take over, so two people do not alternate."""


class ProbabilityBars(PaintedWidget):
    """A bar for each label of one viewer, in the model's order, or for each group of several.

    The bars of a viewer whose emotion is withheld are empty, and the title says why.
    """

    def __init__(
        self,
        texts: Mapping[str, str],
        parent: QWidget | None = None,
        *,
        labels: LabelSet = EMOTIONS,
    ) -> None:
        super().__init__(parent)
        self._texts = texts
        self._labels = labels
        self._reading: FaceReading | None = None
        self._audience: tuple[int, tuple[float, ...]] | None = None
        self._measured = False

    @property
    def title(self) -> str:
        if self._audience is not None:
            return self._texts["bars_audience"].format(count=self._audience[0])
        if self._reading is None:
            return self._texts["bars_nobody" if self._measured else "bars_unknown"]
        if self._reading.withheld is not None:
            reason = withheld_text(self._texts, self._reading.withheld)
            return self._texts["bars_withheld"].format(viewer=self._reading.viewer, reason=reason)
        return self._texts["bars_viewer"].format(viewer=self._reading.viewer)

    @property
    def subtitle(self) -> str:
        """Whether that viewer looks, or that the reading is uncertain; empty without an emotion.

        A title with a reason leaves room only for the eye, which also says who looks.
        """
        if self._reading is None or self._reading.withheld is not None:
            return ""
        if self._reading.uncertain:
            return self._texts["uncertain"]
        return self._texts["bars_attentive" if self._reading.attentive else "bars_inattentive"]

    @property
    def rows(self) -> tuple[tuple[str, float], ...]:
        """Name and value of each bar; 0 without a viewer or an emotion."""
        if self._audience is not None:
            names = [self._texts[f"emotion_{name}"] for name in GROUPS]
            return tuple(zip(names, self._audience[1], strict=True))
        known = None if self._reading is None else self._reading.probabilities
        values = known or (0.0,) * len(self._labels)
        names = [emotion_text(self._texts, name) for name in self._labels]
        return tuple(zip(names, values, strict=True))

    def natural_height(self) -> float:
        return (TITLE_HEIGHT + 30 * len(self._labels)) * self.scale

    def show_reading(self, reading: FaceReading | None, *, measured: bool = True) -> None:
        """Show a viewer's probabilities; `None` means nobody, or unknown if not measured."""
        self._reading, self._audience = reading, None
        self._measured = measured
        self.refresh()

    def show_audience(self, viewers: int, shares: Sequence[float]) -> None:
        """Show the shares, 0 to 1, of `GROUPS` in an audience of so many viewers."""
        self._reading, self._audience = None, (viewers, tuple(shares))
        self.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        scale, rows = self.scale, self.rows
        title_height = TITLE_HEIGHT * scale
        self._draw_title(painter, QRectF(0, 0, rect.width(), title_height - 4 * scale))
        row_height = (rect.height() - title_height) / len(rows)
        size = min(style.MIN_TEXT * scale, row_height * 0.82)
        name_width = max(text_width(name, size, bold=True) for name, _ in rows) + 10 * scale
        percent_width = text_width(percent_text(self._texts, 1.0), size, bold=True) + 4 * scale
        # A long name is cut off, so that its bar and its figure stay.
        name_width = min(name_width, rect.width() - percent_width - 60 * scale)
        track_width = max(0.0, rect.width() - name_width - percent_width - 4 * scale)
        thickness = min(16 * scale, row_height * 0.5)
        known = self._audience is not None or (
            self._reading is not None and self._reading.probabilities is not None
        )
        colours = [style.EMOTION_COLOURS[name] for name in colour_names(self._labels).values()]
        if self._audience is not None:
            colours = [style.GROUP_COLOURS[name] for name in GROUPS]
        highest = max(rows, key=lambda row: row[1]) if known else None
        for index, (name, value) in enumerate(rows):
            row = QRectF(0, title_height + index * row_height, rect.width(), row_height)
            bold = rows[index] is highest
            colour = style.TEXT if bold else style.TEXT_SOFT
            label = QRectF(0, row.y(), name_width, row_height)
            draw_text(painter, label, name, size, colour, bold=bold)
            top = row.center().y() - thickness / 2
            track = QRectF(name_width, top, track_width, thickness)
            draw_rounded(painter, track, thickness / 2, style.TRACK)
            filled = track_width * min(1.0, max(0.0, value))
            if filled >= 0.5:
                # The full bar, clipped: a short rounded bar would look like a lens.
                painter.save()
                painter.setClipRect(QRectF(track.x(), track.y(), filled, thickness))
                draw_rounded(painter, track, thickness / 2, QColor(colours[index]))
                painter.restore()
            percent = percent_text(self._texts, value) if known else NO_VALUE
            draw_text(painter, row, percent, size, colour, align=RIGHT, bold=bold)

    def _draw_title(self, painter: QPainter, rect: QRectF) -> None:
        size = style.MIN_TEXT * self.scale
        draw_text(painter, rect, self.title, size, style.TEXT, bold=True)
        draw_text(painter, rect, self.subtitle, size, style.TEXT_SOFT, align=RIGHT)
        reading = self._reading
        if reading is None or not reading.attentive:
            return
        if reading.withheld is not None or not reading.uncertain:
            eye = QRectF(0, 0, EYE_WIDTH * self.scale, EYE_WIDTH * 0.6 * self.scale)
            eye.moveCenter(rect.center())
            eye.moveRight(rect.right() - text_width(self.subtitle, size) - EYE_GAP * self.scale)
            draw_eye(painter, eye, style.GOOD)


def most_prominent(
    readings: Sequence[FaceReading], former: int | None = None
) -> FaceReading | None:
    """Return the reading of the largest face that looks at the screen, or of the largest face.

    Viewers without an emotion come last, static faces do not count, and the `former` viewer stays
    chosen while nobody is clearly larger.
    """
    viewers = [reading for reading in readings if not reading.static]
    readable = [reading for reading in viewers if reading.withheld is None] or viewers
    candidates = [reading for reading in readable if reading.attentive] or readable
    if not candidates:
        return None
    areas = [reading.box.width * reading.box.height for reading in candidates]
    for reading, area in zip(candidates, areas, strict=True):
        if reading.viewer == former and max(areas) < LEAD * area:
            return reading
    return candidates[areas.index(max(areas))]
