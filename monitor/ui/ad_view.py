"""Paints the present picture of the ad: undistorted, on black, as sharp as the screen allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QRectF, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QImage, QPainter
from PyQt5.QtWidgets import QWidget

from monitor.ui import style
from monitor.ui.geometry import Rect, fit_centred
from monitor.ui.painting import CENTRE, draw_text, painter_on

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PyQt5.QtGui import QPaintEvent

    from ads.player.player import Picture

BACKGROUND = QColor(0, 0, 0)


def image_from_rgb(rgb: NDArray[np.uint8]) -> QImage:
    """Copies an array into an image of Qt's own.

    Args:
        rgb: `(height, width, 3)`, uint8, C-contiguous.

    Returns:
        A 32-bit image, the kind that is painted fastest. It shares no memory with the array, which
        may go away.

    Raises:
        ValueError: The array has another shape or type.
    """
    if (
        rgb.ndim != 3
        or rgb.shape[2] != 3
        or rgb.dtype.name != "uint8"
        or not rgb.flags.c_contiguous
    ):
        raise ValueError(
            "Invalid picture: expected a C-contiguous uint8 array of shape (height, width, 3), "
            f"received {rgb.dtype} of shape {rgb.shape}."
        )
    height, width = rgb.shape[:2]
    borrowed: QImage = QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888)  # type: ignore[call-overload]
    # The conversion copies, so nothing refers to the array's memory afterwards.
    return borrowed.convertToFormat(QImage.Format.Format_RGB32)


class AdView(QWidget):
    """Shows the newest picture it was given, until there is a newer one.

    Signals:
        painted: The `Picture` that was given last was painted for the first time, in the present
            call; one that is replaced before its turn is never announced.
        drawn: Whatever there is to see was painted, be it new or not.
    """

    painted = pyqtSignal(object)
    drawn = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture: Picture | None = None
        self._unseen: Picture | None = None
        # The arrays on the screen and their images: in a cross-fade, most steps bring no new array.
        self._images: list[tuple[NDArray[np.uint8], QImage]] = []
        self._message = ""
        self._scale = 1.0
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    @property
    def has_picture(self) -> bool:
        """Whether a picture is shown."""
        return self._picture is not None

    def show_picture(self, picture: Picture) -> None:
        """Shows a picture in the place of the one before, at once if the view is visible."""
        shown = [picture.rgb] if picture.blend is None else [picture.rgb, picture.blend.rgb]
        self._images = [(rgb, self._image_of(rgb)) for rgb in shown]
        self._picture = self._unseen = picture
        self._message = ""
        # Not update(): that waits for whatever else the event loop has to do first, and the picture
        # is due now.
        self.repaint()

    def show_message(self, text: str) -> None:
        """Shows one line of text on black, in the place of the picture."""
        self._images = []
        self._picture = self._unseen = None
        self._message = text
        self.update()

    def set_scale(self, scale: float) -> None:
        """Sets how large the message is written."""
        self._scale = scale
        self.update()

    def picture_rect(self) -> QRectF:
        """Where the picture is painted, in the widget's own coordinates; without area if there is no picture.

        The edges lie on whole pixels of the device, so that a picture of the right size is copied
        and not resampled.
        """
        return self._place(self._images[0][1]) if self._images else QRectF()

    def _image_of(self, rgb: NDArray[np.uint8]) -> QImage:
        kept = next((image for array, image in self._images if array is rgb), None)
        return image_from_rgb(rgb) if kept is None else kept

    def _place(self, image: QImage) -> QRectF:
        ratio = self.devicePixelRatioF()
        into = Rect(0, 0, self.width() * ratio, self.height() * ratio)
        place = fit_centred(image.width(), image.height(), into)
        left, top = round(place.x), round(place.y)
        width, height = round(place.width), round(place.height)
        return QRectF(left / ratio, top / ratio, width / ratio, height / ratio)

    def _draw(self, painter: QPainter, image: QImage) -> None:
        """Draws a picture and, where it does not reach, black."""
        whole, place = QRectF(self.rect()), self._place(image)
        if not place.contains(whole):
            for bar in (
                QRectF(0, 0, whole.width(), place.top()),
                QRectF(0, place.bottom(), whole.width(), whole.height() - place.bottom()),
                QRectF(0, place.top(), place.left(), place.height()),
                QRectF(place.right(), place.top(), whole.width() - place.right(), place.height()),
            ):
                painter.fillRect(bar, BACKGROUND)
        ratio = self.devicePixelRatioF()
        exact = (round(place.width() * ratio), round(place.height() * ratio)) == (
            image.width(),
            image.height(),
        )
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not exact)
        painter.drawImage(place, image, QRectF(image.rect()))

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        blend = None if self._picture is None else self._picture.blend
        with painter_on(self) as painter:
            if self._images:
                self._draw(painter, self._images[0][1])
            else:
                painter.fillRect(self.rect(), BACKGROUND)
            if blend is not None:
                painter.setOpacity(blend.opacity)
                self._draw(painter, self._images[1][1])
            if self._message:
                draw_text(
                    painter,
                    QRectF(self.rect()),
                    self._message,
                    22 * self._scale,
                    style.TEXT_SOFT,
                    align=CENTRE,
                )
        self.drawn.emit()
        if self._unseen is not None:
            picture, self._unseen = self._unseen, None
            self.painted.emit(picture)
