"""An address as a square of dots that telephones read. Imports no Qt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUIET_DOTS = 4
"""Width of the bright edge without which readers do not find the code (ISO/IEC 18004)."""

MOST_DOTS = 41
"""Dots a side of version 6, which holds about 120 letters. Larger codes are too fine to be read from some distance, and
OpenCV draws them wrong: readers refuse all of its codes from version 7 on."""

LONGEST_ADDRESS = 150


def qr_dots(address: str) -> NDArray[np.bool_] | None:
    """The QR code of a web address.

    Args:
        address: With or without `https://`; a telephone opens only what has it, so it is put before
            where it lacks.

    Returns:
        `(side, side)`, True where the code is dark, with its bright edge; `None` for an address
        that is empty or too long for a code that can be read from some distance.
    """
    if not address.strip() or len(address) > LONGEST_ADDRESS:
        return None
    whole = address.strip()
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", whole):
        whole = f"https://{whole}"
    # As bytes of UTF-8: an address may have an umlaut, and the code's own default is Latin.
    picture = cv2.QRCodeEncoder.create().encode(whole)
    dark = np.asarray(picture) < 128
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    if not rows.size or rows[-1] - rows[0] + 1 > MOST_DOTS:
        return None
    code = dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.pad(code, QUIET_DOTS)
