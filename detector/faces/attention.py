"""Whether a viewer looks at the screen, from the head and, where they can be read, the eyes.

A tolerance for the errors of head and eyes widens the screen. Attention changes only with
hysteresis and after a delay (`Attention`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from detector.faces.screen import Direction
from detector.types import HeadPose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detector.faces.gaze import Look
    from detector.faces.screen import ScreenView

MAX_YAW_DEG = 30.0
MAX_PITCH_DEG = 20.0
HYSTERESIS_DEG = 2.0
"""An attentive viewer stays attentive until this far past the limits, against flicker."""

LOOKS_PER_SECOND = 4.0
"""How often the eyes of each viewer are read; six times a second cost half as much again."""

MAX_LOOKS_PER_SECOND = 8.0
"""How often eyes are read in all, so a crowd costs no more than two viewers."""

EYES_TOLERANCE = Direction(3.0, 7.0)
HEAD_TOLERANCE = Direction(3.0, 9.0)
"""Degrees by which the screen is widened on each side. With these, 95% of the time of looks at the
screen and 19% of that of looks half a width beside it count at 4 m, and 93 and 0% at 1 m (see
`docs/explanation/perception.md`)."""

HEAD_SHARE, MAX_EYE_SHARE_DEG = 0.65, 4.0
"""Share of a turn that the head makes, and the most degrees that eyes are taken to add.
Stiefelhagen and Zhu ("Head orientation and gaze direction in meetings", CHI 2002) measured a mean
share of 0.69; the limit keeps people whose heads turn all the way to the screen's edges."""


class ViewerGaze:
    """Where one viewer looks: the eyes as last read, without them the head.

    The face mesh gives the direction of the head better than the six points of the detection, but
    is too slow for every frame. Its latest correction applies until the next.
    """

    HOLD_NS = 1_500_000_000
    """How long a reading of the eyes decides; in a crowd of ten, each is read every 1.25 s."""

    BLINK_NS = 400_000_000
    """How long lids can be lowered before the viewer counts as looking away; a blink is shorter."""

    NEW_SHARE = 0.6
    """Weight of a new reading, 0 to 1, in the average with those before."""

    HEAD_NS = 200_000_000
    """Time constant of the average of the head's direction by the points, which move by 4 degrees
    from frame to frame on a small face."""

    def __init__(self) -> None:
        self.read_ns: int | None = None
        self._off = Direction(0.0, 0.0)
        self._eyes: Direction | None = None
        self._eyes_ns = 0
        self._lowered_ns: int | None = None
        self._head: Direction | None = None
        self._head_ns = 0

    def update(self, look: Look | None, seen: HeadPose, now_ns: int) -> None:
        """Add a look (`None` if unclear) and the pose by the detection's points in its frame."""
        first, self.read_ns = self.read_ns is None, now_ns
        points = self._steady(seen, now_ns)
        if look is None:
            self._lowered_ns = None
            return
        share = 1.0 if first else self.NEW_SHARE
        off = Direction(look.pose.yaw - points.yaw, look.pose.pitch - points.pitch)
        self._off = _towards(self._off, off, share)
        if look.lowered:
            self._lowered_ns = now_ns if self._lowered_ns is None else self._lowered_ns
            self._eyes_ns = now_ns
            return
        self._lowered_ns = None
        if look.eyes is not None:
            recent = self._recent(now_ns)
            self._eyes = look.eyes if recent is None else _towards(recent, look.eyes, share)
            self._eyes_ns = now_ns

    def pose(self, seen: HeadPose) -> HeadPose:
        """Correct a pose by the detection's points."""
        return HeadPose(seen.yaw + self._off.yaw, seen.pitch + self._off.pitch, seen.roll)

    def excess_deg(
        self, view: ScreenView, seen: HeadPose, now_ns: int, furthest: Direction
    ) -> float:
        """Return how many degrees past the screen the viewer looks; 0 or less is on it.

        `seen` is the pose by the detection's points, seen from the camera.
        """
        head = self.pose(HeadPose(*self._steady(seen, now_ns), 0.0))
        if self._lowered_ns is not None and now_ns - self._lowered_ns >= self.BLINK_NS:
            return 90.0
        eyes = self._recent(now_ns)
        if eyes is not None:
            return view.excess_deg(view.direction(eyes), EYES_TOLERANCE, furthest)
        turned = view.direction(Direction(head.yaw, head.pitch))
        looks = Direction(_with_eyes(turned.yaw), _with_eyes(turned.pitch))
        return view.excess_deg(looks, HEAD_TOLERANCE, furthest)

    def _steady(self, seen: HeadPose, now_ns: int) -> Direction:
        """Return where the head points by the detection's points, averaged over time."""
        points, waited_ns = Direction(seen.yaw, seen.pitch), now_ns - self._head_ns
        if self._head is not None and waited_ns < self.HOLD_NS:
            points = _towards(self._head, points, 1 - math.exp(-waited_ns / self.HEAD_NS))
        self._head, self._head_ns = points, now_ns
        return points

    def _recent(self, now_ns: int) -> Direction | None:
        return self._eyes if now_ns - self._eyes_ns <= self.HOLD_NS else None


def _with_eyes(head_deg: float) -> float:
    """Return where a person looks whose head is turned this far from the screen's centre."""
    eyes = head_deg * (1 / HEAD_SHARE - 1)
    return head_deg + max(-MAX_EYE_SHARE_DEG, min(MAX_EYE_SHARE_DEG, eyes))


def _towards(old: Direction, new: Direction, share: float) -> Direction:
    return Direction(
        old.yaw + share * (new.yaw - old.yaw), old.pitch + share * (new.pitch - old.pitch)
    )


class LookSchedule:
    """Chooses whose eyes to read in a frame: at most one viewer, the one who waited longest.

    Args:
        per_second: Readings per second and viewer.
        at_most: Readings per second of all viewers together.
    """

    def __init__(
        self, per_second: float = LOOKS_PER_SECOND, at_most: float = MAX_LOOKS_PER_SECOND
    ) -> None:
        self._each_ns = 1e9 / per_second
        self._any_ns = 1e9 / at_most
        self._last_ns: int | None = None

    def choose(self, gazes: Sequence[ViewerGaze], now_ns: int, effort: float = 1.0) -> int | None:
        """Return the viewer's index in the list; `None` if it is nobody's turn.

        `effort` is the share of the usual work, above 0 to 1.
        """
        if self._last_ns is not None and now_ns - self._last_ns < self._any_ns / effort:
            return None
        waiting = [
            (-1 if gaze.read_ns is None else gaze.read_ns, number)
            for number, gaze in enumerate(gazes)
            if gaze.read_ns is None or now_ns - gaze.read_ns >= self._each_ns / effort
        ]
        if not waiting:
            return None
        self._last_ns = now_ns
        return min(waiting)[1]


class Attention:
    """Whether one viewer looks at the screen, with hysteresis, and unaffected by single bad poses.

    The first look decides at once. Afterwards the result changes once looks have contradicted it
    for `delay_s`, longer than a blink and shorter than a glance.
    """

    def __init__(self, hysteresis_deg: float = HYSTERESIS_DEG, delay_s: float = 0.2) -> None:
        if not (hysteresis_deg >= 0 and delay_s >= 0):
            raise ValueError(
                "Invalid attention limits: expected hysteresis and delay of at least 0, "
                f"received {hysteresis_deg} and {delay_s}."
            )
        self._hysteresis = hysteresis_deg
        self._delay_ns = round(delay_s * 1e9)
        self._attentive: bool | None = None
        self._contradicted_ns: int | None = None

    def update(self, excess_deg: float, captured_ns: int) -> bool:
        """Return whether the viewer is attentive.

        `excess_deg` is how many degrees past the limits the next look goes; 0 or less is on the
        screen.
        """
        looks = excess_deg <= (self._hysteresis if self._attentive else 0.0)
        if self._attentive is None:
            self._attentive = looks
        if looks == self._attentive:
            self._contradicted_ns = None
        elif self._contradicted_ns is None and self._delay_ns > 0:
            self._contradicted_ns = captured_ns
        elif self._contradicted_ns is None or captured_ns - self._contradicted_ns >= self._delay_ns:
            self._attentive = looks
            self._contradicted_ns = None
        return self._attentive
