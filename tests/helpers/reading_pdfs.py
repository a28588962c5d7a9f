"""What a PDF says, and what it looks like."""

from __future__ import annotations

import numpy as np
import pypdfium2


def texts(pdf: bytes) -> list[str]:
    """The text of each page, with single spaces."""
    document = pypdfium2.PdfDocument(pdf)
    return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


def picture(pdf: bytes, page: int = 0, dots_per_mm: float = 6.0) -> np.ndarray:
    """A page as grey pixels."""
    document = pypdfium2.PdfDocument(pdf)
    return np.array(
        document[page].render(scale=dots_per_mm * 25.4 / 72, grayscale=True).to_numpy()
    ).squeeze()


def size_mm(pdf: bytes, page: int = 0) -> tuple[int, int]:
    """Width and height of a page."""
    width, height = pypdfium2.PdfDocument(pdf)[page].get_size()
    return round(width / 72 * 25.4), round(height / 72 * 25.4)
