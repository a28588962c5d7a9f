"""The camera's picture, as in a mirror, with a box and a label for each viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QRectF, Qt
from PyQt5.QtGui import QColor, QImage, QPainter, QPainterPath, QPen

from detector.emotion.labels import EMOTIONS, colour_names
from monitor.ui import style
from monitor.ui.ad_view import image_from_rgb
from monitor.ui.painting import (
    PaintedWidget,
    draw_eye,
    draw_rounded,
    draw_text,
    fit_centred,
    text_font,
    text_width,
)
from monitor.ui.texts import emotion_text, percent_text, withheld_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PyQt5.QtWidgets import QWidget

    from detector.emotion.labels import LabelSet
    from detector.types import FaceReading


def label_text(reading: FaceReading, texts: Mapping[str, str], labels: LabelSet = EMOTIONS) -> str:
    """Return a viewer's label: number, and emotion with probability, or why it is withheld."""
    if reading.static:
        return texts["static"]
    name = reading.label(labels)
    if reading.probabilities is None or name is None:
        return f"{reading.viewer}  {withheld_text(texts, str(reading.withheld))}"
    emotion = emotion_text(texts, name)
    percent = percent_text(texts, max(reading.probabilities))
    return f"{reading.viewer}  {emotion}{'?' if reading.uncertain else ''} {percent}"


def place_label(
    width: float, height: float, box: QRectF, bounds: QRectF, taken: Sequence[QRectF]
) -> QRectF | None:
    """Return room for the label of a box: above, below, or inside at its top.

    It lies within `bounds` and covers nothing of `taken`; `None` if there is no room.
    """
    if width > bounds.width() or height > bounds.height():
        return None
    left = box.x() + (box.width() - width) / 2
    left = min(max(left, bounds.x()), bounds.right() - width)
    for top in (box.y() - height - 1, box.bottom() + 1, box.y() + 1):
        place = QRectF(left, top, width, height)
        inside = top >= bounds.y() and place.bottom() <= bounds.bottom()
        if inside and not any(place.intersects(other) for other in taken):
            return place
    return None


class Preview(PaintedWidget):
    """The camera's picture, mirrored: people expect a screen that shows them to be a mirror.

    The box of a viewer who looks at the screen is a full line and its label has an eye; otherwise
    the box is dashed. Faces without an emotion are grey; posters and pictures are also dimmed.
    Where a label would cover another face, only the number is shown, and where labels would cover
    each other, the smaller face has none. `labels` are those of the readings.
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
        self._image: QImage | None = None
        self._readings: tuple[FaceReading, ...] = ()
        self.message = ""

    @property
    def aspect(self) -> float:
        """Ratio of the picture's width to its height; 16:9 before the first one."""
        return 16 / 9 if self._image is None else self._image.width() / self._image.height()

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label_text(reading, self._texts, self._labels) for reading in self._readings)

    def show_frame(
        self,
        picture: NDArray[np.uint8] | None,
        readings: Sequence[FaceReading] = (),
        message: str = "",
    ) -> None:
        """Show a frame: `(height, width, 3)` RGB, uint8, and its faces.

        A message is written over the darkened picture, without boxes: the picture is then old.
        """
        self._image = None if picture is None else image_from_rgb(picture).mirrored(True, False)
        self._readings = () if message else tuple(readings)
        self.message = message
        self.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        radius = 10 * self.scale
        outline = QPainterPath()
        outline.addRoundedRect(rect, radius, radius)
        painter.setClipPath(outline)
        painter.fillRect(rect, QColor(0, 0, 0, 170))
        place = fit_centred(self.aspect, 1.0, rect)
        if self._image is not None:
            painter.drawImage(place, self._image, QRectF(self._image.rect()))
        if self.message:
            painter.fillRect(rect, QColor(0, 0, 0, 165))
            painter.setFont(text_font(style.MIN_TEXT * self.scale, bold=True))
            painter.setPen(style.TEXT)
            inner = rect.adjusted(radius, 0, -radius, 0)
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(inner, flags, self.message)
        else:
            self._draw_faces(painter, place)
        painter.setClipping(False)

    def _draw_faces(self, painter: QPainter, place: QRectF) -> None:
        faces = []
        for reading in self._readings:
            box = reading.box
            x, y = (1 - box.x - box.width) * place.width(), box.y * place.height()
            size = box.width * place.width(), box.height * place.height()
            faces.append((QRectF(place.x() + x, place.y() + y, *size), reading))
        faces.sort(key=lambda face: face[0].width(), reverse=True)
        # Pictures lie under the viewers, and their labels take only the room that viewers leave.
        for box, reading in sorted(faces, key=lambda face: not face[1].static):
            self._draw_box(painter, box, reading)
        taken: list[QRectF] = []
        for box, reading in sorted(faces, key=lambda face: face[1].static):
            others = [other for other, _ in faces if other is not box]
            choices = [(label_text(reading, self._texts, self._labels), taken + others)]
            if not reading.static:
                # In a crowd a long label would hide the next face; then the number remains.
                choices.append((str(reading.viewer), taken))
            for text, avoided in choices:
                words = text_width(text, style.MIN_TEXT * self.scale, bold=True)
                width = words + 12 * self.scale + self._eye_room(reading)
                label = place_label(width, 30 * self.scale, box, place, avoided)
                if label is not None:
                    self._draw_label(painter, label, text, reading)
                    taken.append(label)
                    break

    def _draw_box(self, painter: QPainter, box: QRectF, reading: FaceReading) -> None:
        radius = 4 * self.scale
        pen = QPen(_colour(reading, self._labels), 2.5 * self.scale)
        if not reading.attentive:
            pen.setStyle(Qt.PenStyle.DashLine)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setOpacity(0.45 if reading.static else 1.0)
        # A dark line under the coloured one keeps it visible on a bright picture.
        for line in (QPen(QColor(0, 0, 0, 150), 4.5 * self.scale), pen):
            painter.setPen(line)
            painter.drawRoundedRect(box, radius, radius)
        painter.setOpacity(1.0)

    def _draw_label(
        self, painter: QPainter, place: QRectF, text: str, reading: FaceReading
    ) -> None:
        size, pad, eye = style.MIN_TEXT * self.scale, 6 * self.scale, self._eye_room(reading)
        fill = style.PANEL if reading.static else _colour(reading, self._labels)
        draw_rounded(painter, place, 4 * self.scale, fill)
        if eye:
            height = size * 0.75
            top = place.y() + (place.height() - height) / 2
            draw_eye(painter, QRectF(place.x() + pad, top, size * 1.25, height), style.INK)
        words = place.adjusted(pad + eye, 0, -pad, 0)
        colour = style.UNREAD if reading.static else style.INK
        draw_text(painter, words, text, size, colour, bold=not reading.static)

    def _eye_room(self, reading: FaceReading) -> float:
        has_eye = reading.attentive and not reading.static
        return (style.MIN_TEXT * 1.25 + 5) * self.scale if has_eye else 0.0


def _colour(reading: FaceReading, labels: LabelSet) -> QColor:
    name = reading.label(labels)
    if name is None or reading.static:
        return style.UNREAD
    return QColor(style.EMOTION_COLOURS[colour_names(labels)[name]])
