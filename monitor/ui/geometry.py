"""Plain arithmetic of the window: fitting, mirroring and placing. Imports no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Rect(NamedTuple):
    """A rectangle: left, top, width, height, in whatever unit the caller works in."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def meets(self, other: Rect) -> bool:
        """Whether the two share any area."""
        return (
            self.x < other.right
            and other.x < self.right
            and self.y < other.bottom
            and other.y < self.bottom
        )


def fit_centred(width: float, height: float, into: Rect) -> Rect:
    """The largest rectangle of a shape inside another one, in its middle.

    Args:
        width: Of the thing to be shown, above 0.
        height: Of the thing to be shown, above 0.
        into: Where it is shown.

    Returns:
        A rectangle with the same ratio of width to height, touching two sides of `into`; without
        area if `into` has none.
    """
    scale = max(0.0, min(into.width / width, into.height / height))
    shown_width, shown_height = width * scale, height * scale
    return Rect(
        into.x + (into.width - shown_width) / 2,
        into.y + (into.height - shown_height) / 2,
        shown_width,
        shown_height,
    )


def mirrored(x: float, width: float) -> float:
    """The left edge of a box after its picture was mirrored, both in fractions of the picture's width."""
    return 1.0 - x - width


def place_label(
    width: float, height: float, box: Rect, bounds: Rect, taken: Sequence[Rect]
) -> Rect | None:
    """Finds room for the label of a box: above it, below it, or inside at its top, in its middle where it can.

    Args:
        width: Of the label.
        height: Of the label.
        box: What the label belongs to.
        bounds: What the label must not leave.
        taken: Labels that are there already.

    Returns:
        The first place that lies within `bounds` and covers no other label; `None` if there is
        none.
    """
    if width > bounds.width or height > bounds.height:
        return None
    left = min(max(box.x + (box.width - width) / 2, bounds.x), bounds.right - width)
    for top in (box.y - height - 1, box.bottom + 1, box.y + 1):
        place = Rect(left, top, width, height)
        if top < bounds.y or place.bottom > bounds.bottom:
            continue
        if not any(place.meets(other) for other in taken):
            return place
    return None
