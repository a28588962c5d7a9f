"""Parts of the picture that are measured, only counted, or ignored.

A face belongs to the zone that contains the centre of its box. Where zones overlap, later ones
override earlier ones: a general rule comes first, its exceptions follow.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from detector.types import Box

ZoneKind = Literal["measure", "count", "ignore"]
"""The faces of a zone have their emotions read, only count as viewers, or are ignored."""

KINDS: tuple[ZoneKind, ...] = get_args(ZoneKind)

MIN_AREA = 1e-4
"""Smallest zone, as a share of the picture: 13 x 7 pixels of 1280 x 720."""

MAX_POINTS = 100
"""Maximum corners of a polygon: ten times what a hand-drawn one needs."""

Point = tuple[float, float]
_Fraction = Annotated[float, Field(strict=True, ge=0, le=1)]


class Zone(BaseModel):
    """One part of the picture and what happens to the faces in it.

    Attributes:
        kind: "measure", "count" (presence and attention, no emotions) or "ignore".
        points: Corners of a polygon in order, in fractions of the picture; or else:
        box: Left, top, width and height in fractions of the picture.
        name: For display.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ZoneKind
    points: tuple[tuple[_Fraction, _Fraction], ...] | None = Field(
        None, min_length=3, max_length=MAX_POINTS
    )
    box: tuple[_Fraction, _Fraction, _Fraction, _Fraction] | None = None
    name: str | None = Field(None, min_length=1, max_length=80)

    @model_validator(mode="after")
    def _is_a_part_of_the_picture(self) -> Zone:
        if (self.points is None) == (self.box is None):
            found = "neither" if self.box is None else "both"
            raise ValueError(f"needs either 'points' or a 'box', got {found}")
        if self.box is not None:
            x, y, width, height = self.box
            if max(x + width, y + height) > 1 + 1e-9:  # allow for rounding
                raise ValueError(
                    "has a 'box' that reaches beyond the picture: expected left, top, width and "
                    f"height with left + width and top + height of at most 1, got {list(self.box)}"
                )
            if width * height < MIN_AREA:
                raise ValueError(
                    f"has a 'box' without area: expected at least {MIN_AREA:g}, got "
                    f"{list(self.box)}"
                )
        if self.points is not None:
            _refuse_crossings(self.points)
            if _area(self.points) < MIN_AREA:
                raise ValueError(
                    "has 'points' that enclose no area: expected a polygon of at least "
                    f"{MIN_AREA:g} of the picture"
                )
        return self

    @property
    def corners(self) -> tuple[Point, ...]:
        """The corners in order; of a box too."""
        if self.points is not None:
            return self.points
        assert self.box is not None  # noqa: S101 (one of the two is there, see the validator)
        x, y, width, height = self.box
        return (x, y), (x + width, y), (x + width, y + height), (x, y + height)

    def holds(self, x: float, y: float) -> bool:
        """Return whether a point, in fractions, lies in the zone or on its border."""
        if self.box is not None:
            left, top, width, height = self.box
            return left <= x <= left + width and top <= y <= top + height
        inside = False
        for first, second in _edges(self.corners):
            across = _turn(first, second, (x, y))
            if across == 0 and _within((x, y), (first, second)):
                return True
            # A ray to the left crosses every edge that spans this height left of the point.
            if (first[1] > y) != (second[1] > y) and (across > 0) == (second[1] < first[1]):
                inside = not inside
        return inside


class Zones:
    """The zones of a picture; later ones override earlier ones, and without any all is measured.

    With a zone of kind "measure", the area outside all zones is ignored.
    """

    def __init__(self, zones: Sequence[Zone] = ()) -> None:
        self._zones = tuple(zones)
        self._outside: ZoneKind = (
            "ignore" if any(zone.kind == "measure" for zone in zones) else "measure"
        )

    def kind_at(self, point: Point) -> ZoneKind:
        """Return what happens at a point in fractions of the picture, clamped to it."""
        x, y = (min(max(value, 0.0), 1.0) for value in point)
        for zone in reversed(self._zones):
            if zone.holds(x, y):
                return zone.kind
        return self._outside

    def kind_of(self, box: Box) -> ZoneKind:
        """Return what happens to a face, by the centre of its box."""
        return self.kind_at(box.centre) if self._zones else self._outside

    def mask(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return a `(height, width)` mask of where to search for faces."""
        if width < 1 or height < 1:
            raise ValueError(
                f"Invalid mask: expected sides of at least 1 pixel, received {width} x {height}."
            )
        kept = np.full((height, width), self._outside != "ignore", dtype=np.uint8)
        for zone in self._zones:
            # OpenCV's pixels have their centres at whole numbers; 8 bits hold the fraction.
            corners = (np.array(zone.corners) * (width, height) - 0.5) * 2**8
            polygon = np.rint(corners).astype(np.int32)
            cv2.fillPoly(kept, [polygon], (int(zone.kind != "ignore"),), shift=8)
        return kept.astype(np.bool_)


def _edges(corners: Sequence[Point]) -> list[tuple[Point, Point]]:
    return [*pairwise(corners), (corners[-1], corners[0])]


def _area(corners: Sequence[Point]) -> float:
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in _edges(corners))) / 2


def _refuse_crossings(points: Sequence[Point]) -> None:
    if len(set(points)) < len(points):
        twice = next(point for point in points if points.count(point) > 1)
        raise ValueError(
            f"has the corner {list(twice)} twice in its 'points': expected each once (the last is "
            "joined to the first)"
        )
    for (i, (a, b)), (j, (c, d)) in combinations(enumerate(_edges(points)), 2):
        turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
        crossing = turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0
        places = zip(turns, (c, d, a, b), ((a, b), (a, b), (c, d), (c, d)), strict=True)
        touching = sum(turn == 0 and _within(point, edge) for turn, point, edge in places)
        # Neighbours share a corner, an end of both; another end on the other side folds back.
        if crossing or touching > (2 if j - i in (1, len(points) - 1) else 0):
            raise ValueError(
                f"has 'points' whose sides {i + 1} and {j + 1} cross or touch: expected the "
                "corners in the order in which one walks around the zone"
            )


def _turn(a: Point, b: Point, c: Point) -> float:
    """Return above 0 if a, b, c turn one way, below 0 for the other, 0 on one line."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _within(point: Point, edge: tuple[Point, Point]) -> bool:
    (x0, y0), (x1, y1) = edge
    return min(x0, x1) <= point[0] <= max(x0, x1) and min(y0, y1) <= point[1] <= max(y0, y1)
