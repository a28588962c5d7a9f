"""Parts of the picture: which points they hold, which of them wins, and what a file of them may
say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detector.errors import ZonesError
from detector.faces.zones import KINDS, MAX_POINTS, MIN_AREA, Zone, Zones
from detector.types import Box
from monitor.settings.zones_file import read_zones

Write = Callable[[str], Path]

ARROW = ((0.25, 0.25), (0.75, 0.5), (0.25, 0.75), (0.375, 0.5))
"""A polygon with a notch on its left."""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_zones(text: str) -> Path:
        path = tmp_path / "zones.yaml"
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write_zones


def star(
    centre: tuple[float, float], radii: list[float], turn: float
) -> tuple[tuple[float, float], ...]:
    """Corners around a centre at the given distances, evenly spread: never crosses itself."""
    angles = [turn + 2 * math.pi * number / len(radii) for number in range(len(radii))]
    return tuple(
        (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
        for radius, angle in zip(radii, angles, strict=True)
    )


kinds = st.sampled_from(KINDS)
box_zones = st.builds(
    lambda kind, x, y, width, height: Zone(
        kind=kind, box=(x, y, width * (1 - x), height * (1 - y))
    ),
    kinds,
    st.floats(0, 0.9),
    st.floats(0, 0.9),
    st.floats(0.2, 1),
    st.floats(0.2, 1),
)
polygon_zones = st.builds(
    lambda kind, x, y, radii, turn: Zone(kind=kind, points=star((x, y), radii, turn)),
    kinds,
    st.floats(0.3, 0.7),
    st.floats(0.3, 0.7),
    st.lists(st.floats(0.05, 0.3), min_size=3, max_size=9),
    st.floats(0, 7),
)
any_zones = st.lists(box_zones | polygon_zones, max_size=5)
fractions = st.floats(0, 1)


def test_without_zones_everything_is_measured() -> None:
    assert Zones().kind_at((0.3, 0.9)) == "measure"
    assert Zones().kind_of(Box(-0.1, 0.2, 0.1, 0.1)) == "measure"
    assert Zones().mask(7, 5).all()


@pytest.mark.parametrize("kind", ["ignore", "count"])
def test_outside_of_exceptions_is_measured(kind: str) -> None:
    zones = Zones([Zone(kind=kind, box=(0.0, 0.0, 0.5, 1.0))])
    assert zones.kind_at((0.4, 0.4)) == kind
    assert zones.kind_at((0.6, 0.4)) == "measure"


def test_with_a_zone_to_measure_the_rest_is_left_out() -> None:
    zones = Zones(
        [
            Zone(kind="measure", box=(0.2, 0.2, 0.3, 0.3)),
            Zone(kind="count", box=(0.6, 0.2, 0.3, 0.3)),
        ]
    )
    assert [zones.kind_at((x, 0.3)) for x in (0.1, 0.3, 0.55, 0.7)] == [
        "ignore",
        "measure",
        "ignore",
        "count",
    ]


def test_a_face_belongs_where_its_centre_lies() -> None:
    zones = Zones([Zone(kind="ignore", box=(0.0, 0.0, 0.5, 1.0))])
    assert zones.kind_of(Box(0.35, 0.4, 0.28, 0.2)) == "ignore"
    assert zones.kind_of(Box(0.37, 0.4, 0.28, 0.2)) == "measure"


def test_beyond_the_picture_the_nearest_point_counts() -> None:
    zones = Zones(
        [
            Zone(kind="ignore", box=(0.0, 0.0, 0.2, 1.0)),
            Zone(kind="count", box=(0.7, 0.0, 0.3, 1.0)),
        ]
    )
    assert zones.kind_of(Box(-0.3, 0.95, 0.2, 0.3)) == "ignore"
    assert zones.kind_at((1.4, -0.2)) == "count"


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        ((0.5, 0.5), True),
        ((0.4, 0.5), True),
        ((0.35, 0.5), False),  # in the notch
        ((0.3, 0.3), True),
        ((0.3, 0.7), True),
        ((0.1, 0.5), False),
        ((0.9, 0.5), False),
        ((0.75, 0.5), True),  # a corner, at the height of another one
        ((0.25, 0.25), True),
        ((0.3125, 0.375), True),  # on a side
        ((0.1, 0.25), False),  # at the height of a corner
        ((0.1, 0.75), False),
    ],
)
def test_a_polygon_holds_what_it_encloses_and_its_border(
    point: tuple[float, float], inside: bool
) -> None:
    for points in (ARROW, ARROW[::-1], ARROW[2:] + ARROW[:2]):
        assert Zone(kind="count", points=points).holds(*point) is inside


@settings(deadline=None)
@given(any_zones, box_zones, fractions, fractions)
def test_the_last_zone_decides_inside_its_box(
    zones: list[Zone], last: Zone, across: float, down: float
) -> None:
    assert last.box is not None
    x, y, width, height = last.box
    point = (min(x + across * width, x + width), min(y + down * height, y + height))
    assert Zones([*zones, last]).kind_at(point) == last.kind


@settings(deadline=None)
@given(any_zones, box_zones | polygon_zones, fractions, fractions)
def test_outside_the_last_zone_the_others_decide(
    zones: list[Zone], last: Zone, x: float, y: float
) -> None:
    assume(not last.holds(x, y))
    assume(last.kind != "measure" or any(zone.kind == "measure" for zone in zones))
    assert Zones([*zones, last]).kind_at((x, y)) == Zones(zones).kind_at((x, y))


@settings(deadline=None)
@given(
    fractions,
    fractions,
    st.lists(st.floats(0.05, 0.3), min_size=3, max_size=9),
    st.floats(0, 7),
    fractions,
    fractions,
)
def test_a_star_holds_what_lies_nearer_to_its_centre_than_its_border(
    x: float, y: float, radii: list[float], turn: float, along: float, depth: float
) -> None:
    centre = (0.3 + 0.4 * x, 0.3 + 0.4 * y)
    corners = star(centre, radii, turn)
    zone = Zone(kind="count", points=corners)
    # A point of the border, and one on the line from the centre through it.
    side, share = divmod(along * len(corners), 1)
    first, second = corners[int(side) % len(corners)], corners[(int(side) + 1) % len(corners)]
    border = [first[axis] + share * (second[axis] - first[axis]) for axis in (0, 1)]
    inner = [centre[axis] + 0.98 * depth * (border[axis] - centre[axis]) for axis in (0, 1)]
    outer = [centre[axis] + (1.02 + depth) * (border[axis] - centre[axis]) for axis in (0, 1)]
    assert zone.holds(inner[0], inner[1])
    assert not zone.holds(outer[0], outer[1])


@settings(deadline=None)
@given(any_zones, st.integers(5, 40), st.integers(5, 40))
@example([Zone(kind="ignore", box=(0.0, 0.0, 0.5, 1.0))], 16, 16)
def test_the_mask_agrees_away_from_the_borders(zones: list[Zone], width: int, height: int) -> None:
    asked = Zones(zones)
    mask = asked.mask(width, height)
    assert mask.shape == (height, width)
    assert mask.dtype == np.bool_
    kept = np.array(
        [
            [
                asked.kind_at(((x + 0.5) / width, (y + 0.5) / height)) != "ignore"
                for x in range(width)
            ]
            for y in range(height)
        ]
    )
    assert all(near_a_border(zones, x, y, width, height) for y, x in np.argwhere(mask != kept))


def near_a_border(zones: list[Zone], x: int, y: int, width: int, height: int) -> bool:
    """Whether a side of a zone comes within a pixel of a pixel's centre."""
    point = np.array([x + 0.5, y + 0.5])
    for zone in zones:
        corners = np.array(zone.corners) * (width, height)
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            way = end - start
            share = np.clip((point - start) @ way / max(float(way @ way), 1e-12), 0, 1)
            if np.abs(start + share * way - point).max() <= 1.0:
                return True
    return False


def test_a_mask_of_half_the_picture() -> None:
    mask = Zones([Zone(kind="ignore", box=(0.0, 0.0, 0.5, 1.0))]).mask(40, 10)
    assert not mask[:, :19].any()
    assert mask[:, 21:].all()


def test_counted_parts_are_looked_at() -> None:
    assert Zones([Zone(kind="count", box=(0.0, 0.0, 1.0, 1.0))]).mask(9, 9).all()


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (-1, 5)])
def test_a_mask_needs_a_size(width: int, height: int) -> None:
    with pytest.raises(
        ValueError, match=rf"expected sides of at least 1 pixel, received {width} x {height}"
    ):
        Zones().mask(width, height)


@settings(deadline=None)
@given(box_zones | polygon_zones, st.none() | st.text(min_size=1, max_size=80))
def test_a_zone_survives_json(zone: Zone, name: str | None) -> None:
    zone = zone.model_copy(update={"name": name})
    assert Zone.model_validate_json(zone.model_dump_json()) == zone
    assert Zone.model_validate(json.loads(zone.model_dump_json())) == zone


def test_a_zone_cannot_be_changed() -> None:
    zone = Zone(kind="count", box=(0.0, 0.0, 0.5, 0.5))
    with pytest.raises(ValidationError, match="frozen"):
        zone.kind = "ignore"  # type: ignore[misc]


def test_a_file_is_read(write: Write) -> None:
    zones = read_zones(
        write("""
            zones:
              - name: staff
                kind: ignore
                box: [0.0, 0.0, 0.2, 1.0]
              - kind: count
                points: [[0.7, 0], [1, 0], [1, 0.5]]
        """)
    )
    assert zones == (
        Zone(kind="ignore", box=(0.0, 0.0, 0.2, 1.0), name="staff"),
        Zone(kind="count", points=((0.7, 0.0), (1.0, 0.0), (1.0, 0.5))),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected the key 'zones' with a list of at least one zone"),
        ("zones:", "is empty"),
        ("zones: []", "is empty"),
        ("{}", "is empty"),
        ("- kind: count", "wrong form: expected the key 'zones' with a list, got a list"),
        (
            "zone: []",
            r"unknown key 'zone'; expected one of: zones; did you mean 'zones'\?",
        ),
        (
            "zones: [{kind: count, box: [0, 0, 1, 1]}]\nx: 1",
            "unknown key 'x'; expected one of: zones",
        ),
        ("zones: {kind: count}", "'zones' in .* must be a list of zones, got a mapping"),
        ("zones: [count]", "Zone 1 in .* must be a mapping with the key 'kind', got text"),
        ("zones: [{kind: count", "not valid YAML: .* in line"),
        ("zones: [{kind: count, kind: ignore}]", "the key 'kind' is written twice in line 1"),
        (
            "zones: [{box: [0, 0, 1, 1]}]",
            "Zone 1 in .* lacks the key 'kind'; expected one of measure, count, ignore",
        ),
        (
            "zones: [{kind: count, box: [0, 0, 1, 1]}, {kind: count, name: till, pionts: []}]",
            r"Zone 2 \(till\) in .*zones.yaml has the unknown key 'pionts'; "
            r"expected one of: kind, points, box, name; did you mean 'points'\?",
        ),
        (
            "zones: [{kind: count, colour: red}]",
            "unknown key 'colour'; expected one of: kind, points, box, name",
        ),
        (
            "zones: [{kind: ignored, box: [0, 0, 1, 1]}]",
            r"invalid 'kind': .*, got 'ignored'; did you mean 'ignore'\?",
        ),
        (
            "zones: [{kind: 7, box: [0, 0, 1, 1]}]",
            "invalid 'kind': expected one of measure, count, ignore, got 7",
        ),
        ("zones: [{kind: count}]", "Zone 1 .* needs either 'points' or a 'box', got neither"),
        (
            "zones: [{kind: count, box: [0, 0, 1, 1], points: [[0, 0], [1, 0], [1, 1]]}]",
            "needs either 'points' or a 'box', got both",
        ),
        (
            "zones: [{kind: count, box: [0, 0, 1]}]",
            r"invalid 'box': expected \[left, top, .*, got \[0, 0, 1\]",
        ),
        (
            "zones: [{kind: count, box: [0, 0, 640, 480]}]",
            "invalid 'box': .* in fractions of the picture from 0 to 1",
        ),
        ("zones: [{kind: count, box: [0, -0.1, 1, 1]}]", "invalid 'box': .*-0.1"),
        ("zones: [{kind: count, box: [0, .nan, 1, 1]}]", "invalid 'box'"),
        ("zones: [{kind: count, box: [0, '0', 1, 1]}]", "invalid 'box'"),
        ("zones: [{kind: count, box: [0, yes, 1, 1]}]", "invalid 'box'"),
        (
            "zones: [{kind: count, box: [0.6, 0, 0.5, 1]}]",
            "'box' that reaches beyond the picture: .* at most 1, got",
        ),
        ("zones: [{kind: count, box: [0, 0.6, 1, 0.5]}]", "'box' that reaches beyond the picture"),
        (
            "zones: [{kind: count, box: [0, 0, 1, 0]}]",
            "'box' without area: expected at least 0.0001",
        ),
        (
            "zones: [{kind: count, points: [[0, 0], [1, 1]]}]",
            "invalid 'points': expected a list of 3 to 100 corners",
        ),
        (
            "zones: [{kind: count, points: [[0, 0], [1, 0], [1]]}]",
            r"invalid 'points': .* corners \[x, y\]",
        ),
        (
            "zones: [{kind: count, points: [[0, 0], [1, 0], [1, 2]]}]",
            "invalid 'points': .* from 0 to 1, got",
        ),
        (
            "zones: [{kind: count, points: [[0, 0], [1, 0], [1, 1], [0, 0]]}]",
            r"corner \[0.0, 0.0\] twice",
        ),
        (
            "zones: [{kind: count, points: [[0, 0], [1, 1], [1, 0], [0, 1]]}]",
            "sides 1 and 3 cross or touch",
        ),
        ("zones: [{kind: count, points: [[0, 0], [1, 0], [0.5, 0]]}]", "cross or touch|no area"),
        (
            "zones: [{kind: count, points: [[0, 0], [1, 0], [0.5, 0.0001]]}]",
            "'points' that enclose no area",
        ),
        (
            "zones: [{kind: count, name: '', box: [0, 0, 1, 1]}]",
            "invalid 'name': expected text of 1 to 80",
        ),
        (
            "zones: [{kind: count, name: 7, box: [0, 0, 1, 1]}]",
            r"Zone 1 \(7\) .* invalid 'name': .* got 7",
        ),
        ("zones: [{kind: ignore, box: [0, 0, 1, 1]}]", "leave nothing of the picture"),
    ],
)
def test_mistakes_are_named(write: Write, text: str, message: str) -> None:
    path = write(text)
    with pytest.raises(ZonesError, match=message) as caught:
        read_zones(path)
    assert str(path) in str(caught.value)


def test_a_zone_that_overrides_an_ignored_picture_is_enough(write: Write) -> None:
    zones = read_zones(
        write("""
            zones:
              - {kind: ignore, box: [0, 0, 1, 1]}
              - {kind: count, box: [0.5, 0.5, 0.01, 0.011]}
        """)
    )
    assert [zone.kind for zone in zones] == ["ignore", "count"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        ZonesError, match=r"There is no zones file at .*gone.yaml; expected a YAML file"
    ):
        read_zones(tmp_path / "gone.yaml")
    with pytest.raises(
        ZonesError, match=r"cannot be read \(.*\); check the file and its permissions"
    ):
        read_zones(tmp_path)
    binary = tmp_path / "zones.yaml"
    binary.write_bytes(b"\xff\xfe\x80 zones")
    with pytest.raises(ZonesError, match="not text in UTF-8"):
        read_zones(binary)


@pytest.mark.parametrize(
    "points",
    [
        ((0.1, 0.1), (0.9, 0.1), (0.5, 0.1), (0.5, 0.9)),  # folds back on itself
        ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.5, 0.1)),  # a corner touches a side
        ((0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)),  # crosses itself
        (
            (0.1, 0.1),
            (0.9, 0.1),
            (0.9, 0.5),
            (0.3, 0.1),
            (0.2, 0.1),
            (0.1, 0.9),
        ),  # runs along a side
    ],
)
def test_polygons_that_meet_themselves_are_refused(points: tuple[tuple[float, float], ...]) -> None:
    for turned in (points, points[::-1], points[1:] + points[:1]):
        with pytest.raises(ValidationError, match="cross or touch"):
            Zone(kind="count", points=turned)


def test_corners_on_one_straight_side_are_fine() -> None:
    zone = Zone(kind="count", points=((0.1, 0.1), (0.5, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)))
    assert zone.holds(0.5, 0.5)


def test_the_limits_of_size() -> None:
    side = math.sqrt(MIN_AREA)
    Zone(kind="count", box=(0.0, 0.0, side * 1.01, side))
    with pytest.raises(ValidationError, match="without area"):
        Zone(kind="count", box=(0.0, 0.0, side * 0.99, side))
    Zone(kind="count", points=star((0.5, 0.5), [0.3] * MAX_POINTS, 0.0))
    with pytest.raises(ValidationError, match=f"at most {MAX_POINTS} items"):
        Zone(kind="count", points=star((0.5, 0.5), [0.3] * (MAX_POINTS + 1), 0.0))
