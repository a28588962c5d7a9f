"""Paints the present picture of the ad: undistorted, on black, as sharp as the screen allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QRectF, Qt
from PyQt5.QtGui import QColor, QImage, QPainter
from PyQt5.QtWidgets import QWidget

from monitor.ui import style
from monitor.ui.geometry import Rect, fit_centred
from monitor.ui.painting import CENTRE, draw_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PyQt5.QtGui import QPaintEvent

    from ads.player import Picture

BACKGROUND = QColor(0, 0, 0)


def image_from_rgb(rgb: NDArray[np.uint8]) -> QImage:
    """Copies an array into an image of Qt's own.

    Args:
        rgb: `(height, width, 3)`, uint8, C-contiguous.

    Returns:
        A 32-bit image, the kind that is painted fastest. It shares no memory with the array, which may go away.

    Raises:
        ValueError: The array has another shape or type.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype.name != "uint8" or not rgb.flags.c_contiguous:
        raise ValueError(
            "Invalid picture: expected a C-contiguous uint8 array of shape (height, width, 3), "
            f"received {rgb.dtype} of shape {rgb.shape}."
        )
    height, width = rgb.shape[:2]
    borrowed: QImage = QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888)  # type: ignore[call-overload]
    # The conversion copies, so nothing refers to the array's memory afterwards.
    return borrowed.convertToFormat(QImage.Format.Format_RGB32)


class AdView(QWidget):
    """Shows the newest picture it was given, until there is a newer one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self._message = ""
        self._scale = 1.0
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    @property
    def has_picture(self) -> bool:
        """Whether a picture was ever shown."""
        return self._image is not None

    def show_picture(self, picture: Picture) -> None:
        """Shows a picture in the place of the one before."""
        self._image = image_from_rgb(picture.rgb)
        self._message = ""
        self.update()

    def show_message(self, text: str) -> None:
        """Shows one line of text on black, in the place of the picture."""
        self._image = None
        self._message = text
        self.update()

    def set_scale(self, scale: float) -> None:
        """Sets how large the message is written."""
        self._scale = scale
        self.update()

    def picture_rect(self) -> QRectF:
        """Where the picture is painted, in the widget's own coordinates; without area if there is no picture.

        The edges lie on whole pixels of the device, so that a picture of the right size is copied and not resampled.
        """
        if self._image is None:
            return QRectF()
        ratio = self.devicePixelRatioF()
        into = Rect(0, 0, self.width() * ratio, self.height() * ratio)
        place = fit_centred(self._image.width(), self._image.height(), into)
        left, top = round(place.x), round(place.y)
        width, height = round(place.width), round(place.height)
        return QRectF(left / ratio, top / ratio, width / ratio, height / ratio)

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        whole = QRectF(self.rect())
        place = self.picture_rect()
        if self._image is None or not place.contains(whole):
            painter.fillRect(whole, BACKGROUND)
        if self._image is not None:
            ratio = self.devicePixelRatioF()
            exact = (round(place.width() * ratio), round(place.height() * ratio)) == (
                self._image.width(),
                self._image.height(),
            )
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not exact)
            painter.drawImage(place, self._image, QRectF(self._image.rect()))
        elif self._message:
            draw_text(painter, whole, self._message, 22 * self._scale, style.TEXT_SOFT, align=CENTRE)
        painter.end()
