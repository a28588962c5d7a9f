"""An address as a QR code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import segno
from PyQt5.QtCore import QRectF, Qt
from PyQt5.QtGui import QPainter

from monitor.ui.notice.web_address import web_address

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUIET_DOTS = 4
"""Width of the bright edge without which readers do not find the code (ISO/IEC 18004)."""

MAX_LENGTH = 150
"""Longer addresses need codes too fine to be read from some distance."""


def qr_dots(address: str) -> NDArray[np.bool_] | None:
    """Return the QR code of a web address, with `https://` if there is no scheme.

    It is `(side, side)`, True where dark, with its bright edge; `None` for an address that is
    empty or longer than `MAX_LENGTH`.
    """
    address = address.strip()
    if not address or len(address) > MAX_LENGTH:
        return None
    # Not Latin-1, the code's default: phones take bytes for UTF-8.
    code = segno.make_qr(web_address(address), error="l", encoding="utf-8")
    return np.array(tuple(code.matrix_iter(border=QUIET_DOTS)), dtype=bool)


def draw_code(painter: QPainter, place: QRectF, dots: NDArray[np.bool_]) -> None:
    """Draw the dots of `qr_dots`, bright edge included, in a square."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.fillRect(place, Qt.GlobalColor.white)
    side = dots.shape[0]
    # Whole pixels, so no bright line is left between two dark dots.
    edges = [round(index * place.width() / side) for index in range(side + 1)]
    left, top = round(place.x()), round(place.y())
    for row, column in zip(*dots.nonzero(), strict=True):
        width, height = edges[column + 1] - edges[column], edges[row + 1] - edges[row]
        dot = QRectF(left + edges[column], top + edges[row], width, height)
        painter.fillRect(dot, Qt.GlobalColor.black)
    painter.restore()
