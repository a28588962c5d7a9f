"""Paint the ad: undistorted, on black, as sharp as the screen allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QRectF, Qt, pyqtSignal
from PyQt5.QtGui import QImage, QPainter, QPaintEvent
from PyQt5.QtWidgets import QWidget

from monitor.ui import style
from monitor.ui.painting import CENTRE, draw_text, fit_centred, painter_on

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ads.player.player import Picture


def image_from_rgb(rgb: NDArray[np.uint8]) -> QImage:
    """Copy a C-contiguous uint8 array `(height, width, 3)` into a 32-bit image.

    Raises:
        ValueError: The array has another shape or type.
    """
    if rgb.shape[2:] != (3,) or rgb.dtype.name != "uint8" or not rgb.flags.c_contiguous:
        raise ValueError(
            "Invalid picture: expected a C-contiguous uint8 array of shape (height, width, 3), "
            f"received {rgb.dtype} of shape {rgb.shape}."
        )
    height, width = rgb.shape[:2]
    kind = QImage.Format.Format_RGB888
    borrowed: QImage = QImage(rgb.data, width, height, 3 * width, kind)  # type: ignore[call-overload]
    # The conversion copies, so the image does not refer to the array's memory.
    return borrowed.convertToFormat(QImage.Format.Format_RGB32)


class AdView(QWidget):
    """Show the newest picture until there is a newer one.

    `painted` announces each `Picture` that was painted, once; `drawn` every painting.
    """

    painted = pyqtSignal(object)
    drawn = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture: Picture | None = None
        self._unseen: Picture | None = None
        # Arrays with their images: most steps of a cross-fade bring no new array.
        self._images: list[tuple[NDArray[np.uint8], QImage]] = []
        self._message = ""
        self._scale = 1.0
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    @property
    def has_picture(self) -> bool:
        return self._picture is not None

    def show_picture(self, picture: Picture) -> None:
        """Show a picture instead of the previous one, at once if the view is visible."""
        shown = [picture.rgb] if picture.blend is None else [picture.rgb, picture.blend.rgb]
        self._images = [(rgb, self._image_of(rgb)) for rgb in shown]
        self._picture = self._unseen = picture
        self._message = ""
        # Not update(), which waits for the event loop: the picture is due now.
        self.repaint()

    def show_message(self, text: str) -> None:
        """Show one line of text on black instead of the picture."""
        self._images = []
        self._picture = self._unseen = None
        self._message = text
        self.update()

    def set_scale(self, scale: float) -> None:
        self._scale = scale
        self.update()

    def picture_rect(self) -> QRectF:
        """Return where the picture is painted, in the widget's coordinates; empty without one."""
        return self._place(self._images[0][1]) if self._images else QRectF()

    def _image_of(self, rgb: NDArray[np.uint8]) -> QImage:
        kept = next((image for array, image in self._images if array is rgb), None)
        return image_from_rgb(rgb) if kept is None else kept

    def _place(self, image: QImage) -> QRectF:
        ratio = self.devicePixelRatioF()
        # Whole pixels of the device, so a picture of the right size is not resampled.
        device = QRectF(0, 0, self.width() * ratio, self.height() * ratio)
        place = fit_centred(image.width(), image.height(), device)
        edges = (place.x(), place.y(), place.width(), place.height())
        return QRectF(*(round(edge) / ratio for edge in edges))

    def _draw(self, painter: QPainter, image: QImage) -> None:
        whole, place = QRectF(self.rect()), self._place(image)
        for bar in (
            QRectF(0, 0, whole.width(), place.top()),
            QRectF(0, place.bottom(), whole.width(), whole.height() - place.bottom()),
            QRectF(0, place.top(), place.left(), place.height()),
            QRectF(place.right(), place.top(), whole.width() - place.right(), place.height()),
        ):
            if not bar.isEmpty():
                painter.fillRect(bar, Qt.GlobalColor.black)
        exact = (place.size() * self.devicePixelRatioF()).toSize() == image.size()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not exact)
        painter.drawImage(place, image, QRectF(image.rect()))

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        blend = None if self._picture is None else self._picture.blend
        with painter_on(self) as painter:
            if self._images:
                self._draw(painter, self._images[0][1])
            else:
                painter.fillRect(self.rect(), Qt.GlobalColor.black)
            if blend is not None:
                painter.setOpacity(blend.opacity)
                self._draw(painter, self._images[1][1])
            if self._message:
                rect, size = QRectF(self.rect()), 22 * self._scale
                draw_text(painter, rect, self._message, size, style.TEXT_SOFT, align=CENTRE)
        self.drawn.emit()
        if self._unseen is not None:
            picture, self._unseen = self._unseen, None
            self.painted.emit(picture)
