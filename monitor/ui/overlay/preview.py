"""What the camera sees, as in a mirror, with a box and a label for each viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QRectF, Qt
from PyQt5.QtGui import QColor, QImage, QPainter, QPainterPath, QPen

from monitor.ui import style
from monitor.ui.ad_view import image_from_rgb
from monitor.ui.geometry import Rect, fit_centred, mirrored, place_label
from monitor.ui.painting import (
    CENTRE,
    LEFT,
    PaintedWidget,
    draw_eye,
    draw_text,
    text_font,
    text_width,
)
from monitor.ui.texts import withheld_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from PyQt5.QtWidgets import QWidget

    from detector.types import FaceReading

DEFAULT_ASPECT = 16 / 9
LABEL_HEIGHT = 30.0
STATIC_OPACITY = 0.45
"""How dimmed the boxes of posters and pictures are."""


def label_text(reading: FaceReading, texts: Mapping[str, str]) -> str:
    """The label of a viewer: number, emotion, probability; an emotion that is not sure carries a question mark.

    In place of an emotion that is withheld stands the reason. A static face is only called a
    picture.
    """
    if reading.static:
        return texts["static"]
    if reading.probabilities is None:
        return f"{reading.viewer}  {withheld_text(texts, str(reading.withheld))}"
    emotion = texts[f"emotion_{reading.label}"]
    percent = texts["percent"].format(percent=round(100 * max(reading.probabilities)))
    return f"{reading.viewer}  {emotion}{'?' if reading.uncertain else ''} {percent}"


class Preview(PaintedWidget):
    """The camera's picture, mirrored: people expect a screen that shows them to be a mirror.

    Boxes are mirrored with the picture, labels are not. The box of a viewer who looks at the screen
    is a full line and its label has an eye; the box of one who looks away is dashed. Faces without
    an emotion are grey, and posters and pictures are dimmed too. Where a label would cover another
    face, it is the number only, and where labels would cover each other, the smaller face has none.
    """

    def __init__(self, texts: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._texts = texts
        self._image: QImage | None = None
        self._readings: tuple[FaceReading, ...] = ()
        self._message = ""

    @property
    def aspect(self) -> float:
        """Width of the camera's picture by its height; 16:9 before the first one."""
        if self._image is None:
            return DEFAULT_ASPECT
        return self._image.width() / self._image.height()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the faces shown."""
        return tuple(label_text(reading, self._texts) for reading in self._readings)

    @property
    def message(self) -> str:
        """What is written over the picture; empty while all is well."""
        return self._message

    def show_frame(
        self,
        picture: NDArray[np.uint8] | None,
        readings: Sequence[FaceReading] = (),
        message: str = "",
    ) -> None:
        """Shows a frame.

        Args:
            picture: `(height, width, 3)` RGB, uint8; `None` leaves the box empty.
            readings: The faces in that picture.
            message: Written over the darkened picture, without boxes: the picture is then an old
                one.
        """
        self._image = None if picture is None else image_from_rgb(picture).mirrored(True, False)
        self._readings = () if message else tuple(readings)
        self._message = message
        self.refresh()

    def draw(self, painter: QPainter, rect: QRectF) -> None:
        radius = 10 * self.scale
        outline = QPainterPath()
        outline.addRoundedRect(rect, radius, radius)
        painter.setClipPath(outline)
        painter.fillRect(rect, QColor(0, 0, 0, 170))
        place = fit_centred(self.aspect, 1.0, Rect(0, 0, rect.width(), rect.height()))
        if self._image is not None:
            painter.drawImage(QRectF(*place), self._image, QRectF(self._image.rect()))
        if self._message:
            painter.fillRect(rect, QColor(0, 0, 0, 165))
            painter.setFont(text_font(style.SMALLEST_TEXT * self.scale, bold=True))
            painter.setPen(style.TEXT)
            painter.drawText(
                rect.adjusted(radius, 0, -radius, 0),
                CENTRE | int(Qt.TextFlag.TextWordWrap),
                self._message,
            )
        else:
            self._draw_faces(painter, place)
        painter.setClipping(False)

    def _draw_faces(self, painter: QPainter, place: Rect) -> None:
        boxes = [
            Rect(
                place.x + mirrored(reading.box.x, reading.box.width) * place.width,
                place.y + reading.box.y * place.height,
                reading.box.width * place.width,
                reading.box.height * place.height,
            )
            for reading in self._readings
        ]
        order = sorted(range(len(boxes)), key=lambda index: boxes[index].width, reverse=True)
        # Pictures lie under the viewers, and take only the room for labels that viewers leave.
        for index in sorted(order, key=lambda index: not self._readings[index].static):
            self._draw_box(painter, boxes[index], self._readings[index])
        taken: list[Rect] = []
        for index in sorted(order, key=lambda index: self._readings[index].static):
            others = [box for other, box in enumerate(boxes) if other != index]
            found = self._find_label(boxes[index], self._readings[index], place, taken, others)
            if found is not None:
                text, label = found
                self._draw_label(painter, label, text, self._readings[index])
                taken.append(label)

    def _draw_box(self, painter: QPainter, box: Rect, reading: FaceReading) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setOpacity(STATIC_OPACITY if reading.static else 1.0)
        radius = 4 * self.scale
        # A dark line under the coloured one keeps it visible on a bright picture.
        painter.setPen(QPen(QColor(0, 0, 0, 150), 4.5 * self.scale))
        painter.drawRoundedRect(QRectF(*box), radius, radius)
        pen = QPen(_colour(reading), 2.5 * self.scale)
        if not reading.attentive:
            pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.drawRoundedRect(QRectF(*box), radius, radius)
        painter.setOpacity(1.0)

    def _find_label(
        self,
        box: Rect,
        reading: FaceReading,
        bounds: Rect,
        taken: Sequence[Rect],
        others: Sequence[Rect],
    ) -> tuple[str, Rect] | None:
        # In a crowd a long label would hide the next face, so there only the number is left, then
        # nothing.
        choices = [(label_text(reading, self._texts), [*taken, *others])]
        if not reading.static:
            choices.append((str(reading.viewer), list(taken)))
        for text, avoided in choices:
            words = text_width(text, style.SMALLEST_TEXT * self.scale, bold=True)
            width = words + 2 * self._label_pad + self._eye_room(reading)
            place = place_label(width, LABEL_HEIGHT * self.scale, box, bounds, avoided)
            if place is not None:
                return text, place
        return None

    def _draw_label(self, painter: QPainter, place: Rect, text: str, reading: FaceReading) -> None:
        size, pad, eye = style.SMALLEST_TEXT * self.scale, self._label_pad, self._eye_room(reading)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.PANEL if reading.static else _colour(reading))
        painter.drawRoundedRect(QRectF(*place), 4 * self.scale, 4 * self.scale)
        if eye:
            height = size * 0.75
            draw_eye(
                painter,
                QRectF(place.x + pad, place.y + (place.height - height) / 2, size * 1.25, height),
                style.INK,
            )
        words = QRectF(place.x + pad + eye, place.y, place.width - 2 * pad - eye, place.height)
        colour = style.UNREAD if reading.static else style.INK
        draw_text(painter, words, text, size, colour, align=LEFT, bold=not reading.static)

    @property
    def _label_pad(self) -> float:
        return 6 * self.scale

    def _eye_room(self, reading: FaceReading) -> float:
        return (
            (style.SMALLEST_TEXT * 1.25 + 5) * self.scale
            if reading.attentive and not reading.static
            else 0.0
        )


def _colour(reading: FaceReading) -> QColor:
    return (
        style.UNREAD
        if reading.label is None or reading.static
        else style.emotion_colour(reading.label)
    )
