"""Paint the ad: undistorted, on black or a backdrop, as sharp as the screen allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PyQt5.QtCore import QRectF, Qt, QTimer, pyqtSignal, pyqtSlot
from PyQt5.QtGui import QHideEvent, QImage, QPainter, QPaintEvent, QRegion, QShowEvent
from PyQt5.QtWidgets import QWidget

from monitor.ui import style
from monitor.ui.busy import STEP_MS, draw_busy
from monitor.ui.painting import (
    CENTRE,
    broken_into_lines,
    draw_text,
    fit_centred,
    painter_on,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ads.player.player import Picture
    from ads.player.transition import Blend

    _Image = tuple[NDArray[np.uint8], QImage]


def borrowed_image(rgb: NDArray[np.uint8]) -> QImage:
    """Return an image in the memory of a C-contiguous uint8 array `(height, width, 3)`.

    Keep the array as long as the image.

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
    image: QImage = QImage(rgb.data, width, height, 3 * width, kind)  # type: ignore[call-overload]
    return image


def image_from_rgb(rgb: NDArray[np.uint8]) -> QImage:
    """Copy a C-contiguous uint8 array `(height, width, 3)` into a 32-bit image.

    Raises `ValueError` like `borrowed_image`.
    """
    # The conversion copies, so the image does not refer to the array's memory.
    return borrowed_image(rgb).convertToFormat(QImage.Format.Format_RGB32)


def rgb_from_image(image: QImage) -> NDArray[np.uint8]:
    """Copy an image into a uint8 array `(height, width, 3)`."""
    plain = image.convertToFormat(QImage.Format.Format_RGB888)
    height, width, line = plain.height(), plain.width(), plain.bytesPerLine()
    bits = plain.constBits()
    content = b"" if bits is None else bits.asstring(height * line)
    rows = np.frombuffer(content, np.uint8).reshape(height, line)
    return np.ascontiguousarray(rows[:, : 3 * width]).reshape(height, width, 3)


class _Layer(NamedTuple):
    """A picture to paint, whole or filling the view, and its backdrop, if any."""

    front: _Image
    back: _Image | None
    fills: bool


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
        self._images: list[_Image] = []
        self._layers: list[_Layer] = []
        self._message = self._hint = ""
        self._bar = QRectF()
        self._mover = QTimer(self)
        self._mover.setInterval(STEP_MS)
        self._mover.timeout.connect(self._on_move)
        self._is_busy = False
        self._scale = 1.0
        self._free = QRectF()
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    @property
    def has_picture(self) -> bool:
        return self._picture is not None

    def show_picture(self, picture: Picture) -> None:
        """Show a picture instead of the previous one, at once if the view is visible."""
        self._layers = [self._layer_of(picture)]
        if picture.blend is not None:
            self._layers.append(self._layer_of(picture.blend))
        self._images = [
            pair for layer in self._layers for pair in (layer.front, layer.back) if pair is not None
        ]
        self._picture = self._unseen = picture
        self._message = ""
        self._move(is_busy=False)
        # Not update(), which waits for the event loop: the picture is due now.
        self.repaint()

    def show_message(self, text: str, hint: str = "", *, is_busy: bool = False) -> None:
        """Show a text on black instead of the picture, with what to do or expect below it.

        Below both, something moves while it `is_busy`.
        """
        if text == self._message and not self._layers:
            return
        self._images = []
        self._layers = []
        self._picture = self._unseen = None
        self._message, self._hint = text, hint
        self._move(is_busy=is_busy)
        self.update()

    def _move(self, *, is_busy: bool) -> None:
        self._is_busy = is_busy
        if is_busy and self.isVisible():
            self._mover.start()
        else:
            self._mover.stop()

    @pyqtSlot()
    def _on_move(self) -> None:
        self.update(self._bar.toAlignedRect())

    def snapshot(self, max_side_px: int = 1280) -> NDArray[np.uint8]:
        """Return the ad as this view paints it, `(height, width, 3)`, scaled to fit a square.

        It is painted anew from the pictures of the ads alone. What lies over the view, such as the
        overlay with the camera's preview, cannot be in it.
        """
        ratio = self.devicePixelRatioF()
        scale = min(ratio, max_side_px / max(1, self.width(), self.height()))
        width, height = (max(1, round(side * scale)) for side in (self.width(), self.height()))
        image = QImage(width, height, QImage.Format.Format_RGB32)
        with painter_on(image) as painter:
            painter.scale(width / max(1, self.width()), height / max(1, self.height()))
            self._paint(painter)
        return rgb_from_image(image)

    def set_scale(self, scale: float, free: QRectF) -> None:
        """Set the size of messages, and the part of the view that nothing covers."""
        self._scale, self._free = scale, free
        self.update()

    def picture_rect(self) -> QRectF:
        """Return where the picture is painted, in the widget's coordinates; empty without one."""
        return self._place(self._layers[0]) if self._layers else QRectF()

    def _layer_of(self, shown: Picture | Blend) -> _Layer:
        fills = shown.fit == "cover"
        back = None if shown.backdrop is None else self._image_of(shown.backdrop, fills=True)
        return _Layer(self._image_of(shown.rgb, fills=fills), back, fills)

    def _image_of(self, rgb: NDArray[np.uint8], *, fills: bool) -> _Image:
        kept = next((image for image in self._images if image[0] is rgb), None)
        if kept is not None:
            return kept
        image = borrowed_image(rgb)
        if not self._is_exact(image, self._place_of(image, fills=fills)):
            # Qt scales 32-bit images in half the time.
            image = image_from_rgb(rgb)
        return rgb, image

    def _place(self, layer: _Layer) -> QRectF:
        return self._place_of(layer.front[1], fills=layer.fills)

    def _place_of(self, image: QImage, *, fills: bool) -> QRectF:
        ratio = self.devicePixelRatioF()
        # Whole pixels of the device, so a picture of the right size is not resampled.
        device = QRectF(0, 0, self.width() * ratio, self.height() * ratio)
        place = fit_centred(image.width(), image.height(), device, fills=fills)
        edges = (place.x(), place.y(), place.width(), place.height())
        return QRectF(*(round(edge) / ratio for edge in edges))

    def _is_exact(self, image: QImage, place: QRectF) -> bool:
        """Return whether an image is painted pixel by pixel."""
        return bool((place.size() * self.devicePixelRatioF()).toSize() == image.size())

    def _draw(self, painter: QPainter, layer: _Layer) -> None:
        whole, place, image = QRectF(self.rect()), self._place(layer), layer.front[1]
        if layer.back is not None:
            self._draw_backdrop(painter, layer.back[1], place)
        for bar in (
            QRectF(0, 0, whole.width(), place.top()),
            QRectF(0, place.bottom(), whole.width(), whole.height() - place.bottom()),
            QRectF(0, place.top(), place.left(), place.height()),
            QRectF(place.right(), place.top(), whole.width() - place.right(), place.height()),
        ):
            if layer.back is None and not bar.isEmpty():
                painter.fillRect(bar, Qt.GlobalColor.black)
        smooth = not self._is_exact(image, place)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawImage(place, image, QRectF(image.rect()))

    def _draw_backdrop(self, painter: QPainter, image: QImage, hole: QRectF) -> None:
        """Fill the view around a picture with its small, greatly enlarged backdrop."""
        whole = QRectF(self.rect())
        place = fit_centred(image.width(), image.height(), whole, fills=True)
        around = QRegion(self.rect()).subtracted(
            QRegion(hole.toAlignedRect().adjusted(1, 1, -1, -1))
        )
        painter.save()
        painter.setClipRegion(around)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(place, image, QRectF(image.rect()))
        painter.restore()

    def _paint(self, painter: QPainter) -> None:
        blend = None if self._picture is None else self._picture.blend
        if self._layers:
            self._draw(painter, self._layers[0])
        else:
            painter.fillRect(self.rect(), Qt.GlobalColor.black)
        if blend is not None:
            painter.setOpacity(blend.opacity)
            self._draw(painter, self._layers[1])
        if self._message:
            self._draw_message(painter)

    def _draw_message(self, painter: QPainter) -> None:
        size = style.MIN_TEXT * self._scale
        rows = [(self._message, 1.4 * size, style.TEXT, True)]
        rows += [(self._hint, size, style.TEXT_SOFT, False)] if self._hint else []
        free = QRectF(self.rect()) if self._free.isEmpty() else self._free
        width = min(0.9 * free.width(), 36 * size)
        lines = [
            (line, letters, colour, bold)
            for text, letters, colour, bold in rows
            for line in broken_into_lines(text, letters, width, 4, bold=bold)
        ]
        y = free.center().y() - sum(0.75 * letters for _, letters, _, _ in lines)
        for line, letters, colour, bold in lines:
            place = QRectF(free.left(), y, free.width(), 1.5 * letters)
            draw_text(painter, place, line, letters, colour, align=CENTRE, bold=bold)
            y += 1.5 * letters
        self._bar = QRectF(free.center().x() - 5 * size, y + 0.7 * size, 10 * size, 0.3 * size)
        if self._is_busy:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            draw_busy(painter, self._bar)

    def showEvent(self, event: QShowEvent | None) -> None:
        self._move(is_busy=self._is_busy)
        super().showEvent(event)

    def hideEvent(self, event: QHideEvent | None) -> None:
        self._mover.stop()
        super().hideEvent(event)

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        with painter_on(self) as painter:
            self._paint(painter)
        self.drawn.emit()
        if self._unseen is not None:
            picture, self._unseen = self._unseen, None
            self.painted.emit(picture)
