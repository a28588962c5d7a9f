"""Parts of the picture that are measured, only counted, or left out, and the YAML file that names them.

A face belongs to the zone in which the centre of its box lies. Later zones override earlier ones where they overlap, so
that a general rule comes first and its exceptions follow.
"""

from __future__ import annotations

import difflib
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from detector.errors import ZonesError
from yamlfiles import YamlFileError, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydantic_core import ErrorDetails

    from detector.types import Box

ZoneKind = Literal["measure", "count", "ignore"]
"""What happens to the faces of a zone: their emotions are read, they only count as viewers, or they are left out."""

KINDS: tuple[ZoneKind, ...] = get_args(ZoneKind)

LEAST_AREA = 1e-4
"""Smallest zone, as a share of the picture: a square of 13 x 7 pixels in 1280 x 720, smaller than any face that is read."""

MOST_POINTS = 100
"""Most corners of a polygon: whoever draws one by hand needs a tenth of them."""

_ROUNDING = 1e-9
_SUBPIXEL_BITS = 8

Point = tuple[float, float]
_Fraction = Annotated[float, Field(strict=True, ge=0, le=1)]


class Zone(BaseModel):
    """One part of the picture and what happens to the faces in it; has either `points` or a `box`.

    Attributes:
        kind: "measure", "count" (presence and attention, no emotions) or "ignore".
        points: Corners of a polygon in order, x and y in fractions of the picture; the last is joined to the first.
        box: Left, top, width and height in fractions of the picture.
        name: For people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ZoneKind
    points: tuple[tuple[_Fraction, _Fraction], ...] | None = Field(None, min_length=3, max_length=MOST_POINTS)
    box: tuple[_Fraction, _Fraction, _Fraction, _Fraction] | None = None
    name: str | None = Field(None, min_length=1, max_length=80)

    @model_validator(mode="after")
    def _is_a_part_of_the_picture(self) -> Zone:
        if (self.points is None) == (self.box is None):
            found = "neither" if self.box is None else "both"
            raise ValueError(f"needs either 'points' or a 'box', got {found}")
        if self.box is not None:
            x, y, width, height = self.box
            if x + width > 1 + _ROUNDING or y + height > 1 + _ROUNDING:
                raise ValueError(
                    "has a 'box' that reaches beyond the picture: expected left, top, width and height with left + width "
                    f"and top + height of at most 1, got {list(self.box)}"
                )
            if width * height < LEAST_AREA:
                raise ValueError(f"has a 'box' without area: expected at least {LEAST_AREA:g}, got {list(self.box)}")
        if self.points is not None:
            _refuse_crossings(self.points)
            if _area(self.points) < LEAST_AREA:
                raise ValueError(
                    f"has 'points' that enclose no area: expected a polygon of at least {LEAST_AREA:g} of the picture"
                )
        return self

    @property
    def corners(self) -> tuple[Point, ...]:
        """The corners in order, of a box too."""
        if self.points is not None:
            return self.points
        assert self.box is not None  # noqa: S101 (one of the two is there, see the validator)
        x, y, width, height = self.box
        return (x, y), (x + width, y), (x + width, y + height), (x, y + height)

    def holds(self, x: float, y: float) -> bool:
        """Whether a point, in fractions of the picture, lies in the zone or on its border."""
        if self.box is not None:
            left, top, width, height = self.box
            return left <= x <= left + width and top <= y <= top + height
        inside = False
        for (x0, y0), (x1, y1) in _edges(self.corners):
            across = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
            if across == 0 and min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1):
                return True
            # The ray to the left crosses every edge that spans this height and lies to the left of the point.
            if (y0 > y) != (y1 > y) and (across > 0) == (y1 < y0):
                inside = not inside
        return inside


class Zones:
    """The zones of a picture.

    With a zone of the kind "measure", what lies outside all zones is left out; else it is measured.

    Args:
        zones: Later ones override earlier ones. Defaults to none: everything is measured.
    """

    def __init__(self, zones: Sequence[Zone] = ()) -> None:
        self._zones = tuple(zones)
        self._outside: ZoneKind = "ignore" if any(zone.kind == "measure" for zone in zones) else "measure"

    def kind_at(self, point: Point) -> ZoneKind:
        """What happens at a point.

        Args:
            point: x and y in fractions of the picture; beyond the picture, its nearest point counts.
        """
        x, y = (min(max(value, 0.0), 1.0) for value in point)
        for zone in reversed(self._zones):
            if zone.holds(x, y):
                return zone.kind
        return self._outside

    def kind_of(self, box: Box) -> ZoneKind:
        """What happens to a face, by the centre of its box."""
        return self.kind_at(box.centre) if self._zones else self._outside

    def mask(self, width: int, height: int) -> NDArray[np.bool_]:
        """Where faces are to be looked for.

        Args:
            width: Of the mask in pixels, at least 1.
            height: Of the mask in pixels, at least 1.

        Returns:
            `(height, width)`, false where the picture is left out; a pixel on a border may fall to either side.

        Raises:
            ValueError: A side is below 1.
        """
        if width < 1 or height < 1:
            raise ValueError(f"Invalid mask: expected sides of at least 1 pixel, received {width} x {height}.")
        kept = np.full((height, width), self._outside != "ignore", dtype=np.uint8)
        for zone in self._zones:
            # From fractions to OpenCV's pixels, whose centres have whole numbers.
            corners = np.rint((np.array(zone.corners) * (width, height) - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)
            cv2.fillPoly(kept, [corners], (int(zone.kind != "ignore"),), shift=_SUBPIXEL_BITS)
        return kept.astype(np.bool_)


def read_zones(path: Path) -> tuple[Zone, ...]:
    """Read zones from a YAML file.

    The file has one key, `zones`, with a list; each entry has a `kind`, either `points` or a `box`, and may have a
    `name`, as in `Zone`.

    Args:
        path: The file.

    Returns:
        At least one zone, in the order of the file.

    Raises:
        ZonesError: The file cannot be read, breaks the format, or leaves nothing of the picture.
    """
    zones = tuple(_checked(path, number, raw) for number, raw in enumerate(_entries(path, _document(path)), start=1))
    if not Zones(zones).mask(160, 90).any():
        raise ZonesError(
            f"The zones of {path} leave nothing of the picture to measure or count; make the ignored zones smaller."
        )
    return zones


def _document(path: Path) -> object:
    try:
        return read_yaml(path, "zones file", "a YAML file with the key 'zones'")
    except YamlFileError as error:
        raise ZonesError(str(error)) from None


def _entries(path: Path, document: object) -> list[object]:
    empty = f"The zones file {path} is empty; expected the key 'zones' with a list of at least one zone."
    if document is None or document == {}:
        raise ZonesError(empty)
    if not isinstance(document, dict):
        raise ZonesError(
            f"The zones file {path} has the wrong form: expected the key 'zones' with a list, got {_described(document)}."
        )
    for key in document:
        if key != "zones":
            raise ZonesError(
                f"The zones file {path} has the unknown key {key!r} at its top; expected only 'zones'"
                f"{_nearest(str(key), ('zones',)) or '.'}"
            )
    zones = document["zones"]
    if zones is None or zones == []:
        raise ZonesError(empty)
    if not isinstance(zones, list):
        raise ZonesError(f"'zones' in {path} must be a list of zones, got {_described(zones)}.")
    return zones


_KEYS = tuple(Zone.model_fields)

_EXPECTED = {
    "kind": f"expected one of {', '.join(KINDS)}",
    "points": f"expected a list of 3 to {MOST_POINTS} corners [x, y], in fractions of the picture from 0 to 1",
    "box": "expected [left, top, width, height], in fractions of the picture from 0 to 1",
    "name": "expected text of 1 to 80 characters (in quotes if it is a number)",
}


def _checked(path: Path, number: int, raw: object) -> Zone:
    if not isinstance(raw, dict):
        raise ZonesError(
            f"Zone {number} in the zones file {path} must be a mapping with the key 'kind', got {_described(raw)}."
        )
    name = raw.get("name")
    where = f"Zone {number}{f' ({name})' if name else ''} in the zones file {path}"
    for key in raw:
        if key not in _KEYS:
            hint = _nearest(str(key), _KEYS) or f"; expected one of: {', '.join(_KEYS)}."
            raise ZonesError(f"{where} has the unknown key {key!r}{hint}")
    try:
        return Zone.model_validate(raw)
    except ValidationError as error:
        raise ZonesError(f"{where} {_problem(error.errors()[0], raw)}") from None


def _problem(problem: ErrorDetails, raw: dict[Any, Any]) -> str:
    if not problem["loc"]:
        return f"{problem['ctx']['error']}."
    key = str(problem["loc"][0])
    if problem["type"] == "missing" and len(problem["loc"]) == 1:
        return f"lacks the key {key!r}; {_EXPECTED[key]}."
    hint = _nearest(str(raw[key]), KINDS) if key == "kind" else ""
    return f"has an invalid {key!r}: {_EXPECTED[key]}, got {raw[key]!r}{hint or '.'}"


def _nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word that is written most like this one; empty if none is like it."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _described(value: object) -> str:
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "yes or no", int: "a number", float: "a number"}
    return "nothing" if value is None else kinds.get(type(value), type(value).__name__)


def _edges(corners: Sequence[Point]) -> list[tuple[Point, Point]]:
    return [*pairwise(corners), (corners[-1], corners[0])]


def _area(corners: Sequence[Point]) -> float:
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in _edges(corners))) / 2


def _refuse_crossings(points: Sequence[Point]) -> None:
    if len(set(points)) < len(points):
        twice = next(point for point in points if points.count(point) > 1)
        raise ValueError(
            f"has the corner {list(twice)} twice in its 'points': expected each once (the last is joined to the first)"
        )
    edges = _edges(points)
    for (i, first), (j, second) in combinations(enumerate(edges), 2):
        neighbours = j - i in (1, len(edges) - 1)
        if _fold_back(first, second) if neighbours else _meet(first, second):
            raise ValueError(
                f"has 'points' whose sides {i + 1} and {j + 1} cross or touch: expected the corners in the order in which "
                "one walks around the zone"
            )


def _turn(a: Point, b: Point, c: Point) -> float:
    """Above 0 if a, b, c turn one way, below 0 for the other, 0 on one line."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _meet(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    (a, b), (c, d) = first, second
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    on_line = zip(turns, (c, d, a, b), (first, first, second, second), strict=True)
    return any(turn == 0 and _within(point, edge) for turn, point, edge in on_line)


def _within(point: Point, edge: tuple[Point, Point]) -> bool:
    (x0, y0), (x1, y1) = edge
    return min(x0, x1) <= point[0] <= max(x0, x1) and min(y0, y1) <= point[1] <= max(y0, y1)


def _fold_back(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    """Whether two sides that share a corner lie on each other."""
    [shared] = set(first) & set(second)
    a = first[0] if first[1] == shared else first[1]
    b = second[0] if second[1] == shared else second[1]
    forward = (a[0] - shared[0]) * (b[0] - shared[0]) + (a[1] - shared[1]) * (b[1] - shared[1])
    return _turn(shared, a, b) == 0 and forward > 0
