"""Giving each face an anonymous number that lives as long as the face stays in view.

Tracking by detection: every detection is assigned to the track whose predicted box it fits best
(Hungarian assignment on overlap and distance). A track moves on at constant velocity while its face
is missed, and is given up after the lost-track buffer. Numbers are never used again, and nothing
about a face is kept: a person who leaves and comes back is a new viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detector.types import Box, FaceDetection, TrackedFace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOST_TRACK_BUFFER_S = 0.8
"""How long a track outlives its last detection: longer than a blink, a turn or a passer-by."""

MINIMUM_CONSECUTIVE_FRAMES = 5
"""Frames in a row before a face counts as a viewer: false alarms of the detector rarely last that long."""

MAX_DISTANCE = 0.75
"""Furthest jump from the predicted place that is still the same face, in box sides."""

MAX_GROWTH = 1.8
"""Largest ratio of the sides of a face in two looks; a box that grows more at once is of something else."""

CONFIRM_AGAIN_NS = 200_000_000
LONGEST_CONFIRM_NS = 5_000_000_000
"""Pause after a confirmation that failed, doubled each time up to the second. What failed is not looked for meanwhile, only
remembered where it was found, so that a poster's letters cost next to nothing."""

VELOCITY_SHARE = 0.4
"""Weight of the newest step in the running velocity."""

_IMPOSSIBLE = 1e6
_LEAST_SIDE = 1e-6


@dataclass(slots=True)
class _Track:
    box: Box
    seen_ns: int
    hits: int = 1
    number: int | None = None
    velocity: tuple[float, float] = (0.0, 0.0)
    sure: bool = False
    confirm_ns: int = 0
    confirm_pause_ns: int = CONFIRM_AGAIN_NS

    @property
    def doubtful(self) -> bool:
        """Whether it was looked at closely and found to be no face, so far."""
        return self.number is None and self.confirm_ns > 0

    def predicted(self, now_ns: int) -> Box:
        elapsed_s = (now_ns - self.seen_ns) / 1e9
        return self.box._replace(
            x=self.box.x + self.velocity[0] * elapsed_s, y=self.box.y + self.velocity[1] * elapsed_s
        )

    def follow(self, face: FaceDetection, now_ns: int) -> None:
        box = face.box
        self.sure = self.sure or face.sure
        elapsed_s = (now_ns - self.seen_ns) / 1e9
        if elapsed_s > 0:
            (x, y), (old_x, old_y) = box.centre, self.box.centre
            step = ((x - old_x) / elapsed_s, (y - old_y) / elapsed_s)
            self.velocity = (
                self.velocity[0] + VELOCITY_SHARE * (step[0] - self.velocity[0]),
                self.velocity[1] + VELOCITY_SHARE * (step[1] - self.velocity[1]),
            )
        self.box, self.seen_ns = box, now_ns
        self.hits += 1


class FaceTracker:
    """Assigns the faces of successive frames to tracks.

    Args:
        lost_track_buffer_s: Seconds a track outlives its last detection, at least 0. Defaults to
            0.8.
        minimum_consecutive_frames: Frames in a row before a track is a viewer, at least 1. Defaults
            to 5.
        max_distance: Furthest jump from the predicted place, in box sides, above 0. Defaults to
            0.75.
        first_number: Number of the first viewer. Defaults to 1.

    Raises:
        ValueError: A setting is out of its range.
    """

    def __init__(
        self,
        lost_track_buffer_s: float = LOST_TRACK_BUFFER_S,
        minimum_consecutive_frames: int = MINIMUM_CONSECUTIVE_FRAMES,
        max_distance: float = MAX_DISTANCE,
        first_number: int = 1,
    ) -> None:
        if lost_track_buffer_s < 0:
            raise ValueError(
                f"Invalid lost_track_buffer_s: expected at least 0, received {lost_track_buffer_s}."
            )
        if minimum_consecutive_frames < 1:
            raise ValueError(
                f"Invalid minimum_consecutive_frames: expected at least 1, received {minimum_consecutive_frames}."
            )
        if max_distance <= 0:
            raise ValueError(
                f"Invalid max_distance: expected a number above 0, received {max_distance}."
            )
        # The window's process takes settings from here and never tracks; SciPy would slow down its
        # start.
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 (half a second)

        self._cheapest_pairs = linear_sum_assignment
        self._buffer_ns = int(lost_track_buffer_s * 1e9)
        self._minimum_frames = minimum_consecutive_frames
        self._max_distance = max_distance
        self._tracks: list[_Track] = []
        self._viewers = first_number - 1

    def expected(self, captured_ns: int) -> list[Box]:
        """Where the faces seen so far should be in a frame, the oldest first; those that are not viewers yet too."""
        return [
            track.predicted(captured_ns)
            for track in self._tracks
            if captured_ns - track.seen_ns <= self._buffer_ns and not track.doubtful
        ]

    def update(
        self,
        detections: Sequence[FaceDetection],
        captured_ns: int,
        confirm: Callable[[FaceDetection], bool] = lambda _: True,
    ) -> list[TrackedFace]:
        """Assign the faces of the next frame.

        Args:
            detections: The faces of the frame, each once; may be empty.
            captured_ns: When the frame was captured; later than the frame before.
            confirm: Looks at a doubtful face once more before it becomes a viewer. Defaults to
                taking all.

        Returns:
            The faces that belong to a viewer, by viewer number.
        """
        self._tracks = [
            track
            for track in self._tracks
            if captured_ns - track.seen_ns <= self._patience_ns(track)
        ]
        tracked = []
        unmatched = set(range(len(detections)))
        missed = set(range(len(self._tracks)))
        for row, column in self._assign(detections, captured_ns):
            unmatched.discard(column)
            missed.discard(row)
            track, detection = self._tracks[row], detections[column]
            track.follow(detection, captured_ns)
            self._admit(track, detection, captured_ns, confirm)
            if track.number is not None:
                tracked.append(TrackedFace(track.number, detection))
        # A face that is missed before it became a viewer starts anew: it must be there in
        # consecutive frames.
        self._tracks = [
            track
            for row, track in enumerate(self._tracks)
            if row not in missed or track.number is not None or track.doubtful
        ]
        for column in sorted(unmatched):
            detection = detections[column]
            track = _Track(detection.box, captured_ns, sure=detection.sure)
            self._admit(track, detection, captured_ns, confirm)
            if track.number is not None:
                tracked.append(TrackedFace(track.number, detection))
            self._tracks.append(track)
        return sorted(tracked, key=lambda face: face.viewer)

    def _patience_ns(self, track: _Track) -> int:
        """How long a track outlives its last detection; nobody looks for a doubtful one, so it is met by chance only."""
        return 2 * LONGEST_CONFIRM_NS if track.doubtful else self._buffer_ns

    def _admit(
        self,
        track: _Track,
        detection: FaceDetection,
        now_ns: int,
        confirm: Callable[[FaceDetection], bool],
    ) -> None:
        """Give a face that is there for long enough, and is one, its number."""
        if track.number is not None or track.hits < self._minimum_frames:
            return
        if not track.sure:
            if now_ns < track.confirm_ns:
                return
            if not confirm(detection):
                track.confirm_ns = now_ns + track.confirm_pause_ns
                track.confirm_pause_ns = min(2 * track.confirm_pause_ns, LONGEST_CONFIRM_NS)
                return
        self._viewers += 1
        track.number = self._viewers

    def _assign(
        self, detections: Sequence[FaceDetection], captured_ns: int
    ) -> list[tuple[int, int]]:
        if not self._tracks or not detections:
            return []
        cost = np.empty((len(self._tracks), len(detections)))
        for row, track in enumerate(self._tracks):
            expected = track.predicted(captured_ns)
            for column, detection in enumerate(detections):
                cost[row, column] = self._cost(expected, detection.box)
        rows, columns = self._cheapest_pairs(cost)
        return [
            (int(row), int(column))
            for row, column in zip(rows, columns, strict=True)
            if cost[row, column] < _IMPOSSIBLE
        ]

    def _cost(self, expected: Box, found: Box) -> float:
        # Distances in box sides, so that the same settings serve faces of any size and pictures of
        # any shape.
        growth = max(found.width, _LEAST_SIDE) / max(expected.width, _LEAST_SIDE)
        if not 1 / MAX_GROWTH <= growth <= MAX_GROWTH:
            return _IMPOSSIBLE
        width = max((expected.width + found.width) / 2, _LEAST_SIDE)
        height = max((expected.height + found.height) / 2, _LEAST_SIDE)
        dx = (expected.centre[0] - found.centre[0]) / width
        dy = (expected.centre[1] - found.centre[1]) / height
        distance = float(np.hypot(dx, dy))
        overlap = expected.overlap(found)
        if distance > self._max_distance and overlap == 0.0:
            return _IMPOSSIBLE
        return distance + (1.0 - overlap)
