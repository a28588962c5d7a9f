"""Rendered viewers look where they are said to, and attention follows them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.attention import (
    BESIDE,
    ON,
    Film,
    Look,
    Observer,
    Viewer,
    filmed_shares,
    films,
    is_turned,
    look_at,
    report,
    shot,
    targets,
    trials,
    viewers_of,
)
from benchmarks.head_pose import Pose, faces_of, rotation
from detector.faces.attention import ViewerGaze

AHEAD = np.array([0.0, 0.0, -100.0])


@pytest.fixture(scope="module")
def viewer() -> Viewer:
    return viewers_of(None)[0]


@pytest.fixture(scope="module")
def observer() -> Observer:
    return Observer()


def looking(yaw: float, pitch: float) -> Look:
    """Eyes that turn while the head does not, 1 m away on the camera's axis."""
    target = AHEAD + 100 * rotation(Pose(yaw, pitch))[:, 2]
    return Look(AHEAD, target, np.eye(3), np.array([0.3, 0.5, 1.0]))


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (20, 0), (-20, 0), (0, 12), (0, -18)])
def test_eyes_are_read_where_they_look(
    viewer: Viewer, observer: Observer, yaw: float, pitch: float
) -> None:
    shown = shot(viewer, looking(yaw, pitch), (1280, 720), np.random.default_rng(1))
    seen = observer.observe(shown, ViewerGaze())
    assert seen is not None
    assert seen.eyes is not None
    assert seen.eyes == pytest.approx((yaw, pitch), abs=9)


def test_targets_and_looks_are_as_said() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        made = targets(random)
        assert abs(made[ON][0]) <= 50
        assert abs(made[BESIDE][0]) == 100
        assert look_at(made[BESIDE], 100, 0.0, random) is None  # no eyes turn that far
        look = look_at(made[ON], 400, 0.0, random)
        assert look is not None
        assert look.place[2] == -400


@pytest.mark.slow
def test_most_looks_are_told_apart() -> None:
    """Some of the pinned figures; see `python -m benchmarks.attention`."""
    viewers = viewers_of(None)[:3]
    document = report(list(trials(viewers)), {ON: films(viewers[1:2], seconds=1.0)})
    shares = document["attentive"]["all"]
    assert shares[ON]["attentive"] >= 0.85
    assert shares[BESIDE]["attentive"] <= 0.25
    assert shares[BESIDE]["in_cone"] > shares[BESIDE]["attentive"] + 0.2
    assert document["not_found"] == 0
    filmed = document["films"][ON]
    assert filmed["changes"] <= 2
    assert set(filmed["attentive"]) == {"1 m", "2 m", "4 m"}


def test_films_count_from_half_a_second_on() -> None:
    late, never = [False] * 8 + [True] * 12, [False] * 20
    found = filmed_shares([Film(100, late), Film(400, late), Film(400, never), Film(200, [True])])
    assert found["attentive"] == {"1 m": 1.0, "4 m": 0.5}  # the film at 2 m is too short
    assert (found["films"], found["changes"]) == (4, 2)


def test_photographs_of_turned_faces_make_no_heads() -> None:
    points = faces_of(None)[0][1]
    assert not is_turned(points)
    side = rotation(Pose(25, 0))
    assert is_turned(points @ side.T)
