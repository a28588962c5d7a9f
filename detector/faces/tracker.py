"""Give each face an anonymous number that lives as long as the face stays in view.

Every detection is assigned to the track whose predicted box it fits best (Hungarian assignment). A
missed track continues at constant velocity until the lost-track buffer ends. Numbers are never
reused: a person who leaves and returns is a new viewer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from detector.faces.detector import nested
from detector.types import Box, FaceDetection, TrackedFace

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

LOST_TRACK_BUFFER_S = 0.8
"""How long a track outlives its last detection: longer than a blink, a turn or a passer-by."""

MINIMUM_CONSECUTIVE_FRAMES = 5
"""Frames in a row before a face counts as a viewer: false alarms rarely last that long."""


UNSEARCHED_NS = 110_000_000
"""Longest time for which a steady face is not searched for: a little more than the time between two
classifications, for which it is searched for anyway."""

STEADY = 0.1
"""Share of its side by which a steady face may move or grow from one search to the next; a face at
rest varies by half of it."""


@dataclass(slots=True)
class _Track:
    """A face followed: `side` is the width of its box when last sure, if ever, `part_ns` the time
    when an unsure detection last showed only a part of it."""

    face: FaceDetection
    seen_ns: int
    hits: int = 1
    steady: bool = False
    number: int | None = None
    velocity: tuple[float, float] = (0.0, 0.0)
    sure: bool = False
    side: float = 0.0
    part_ns: int = 0
    confirm_ns: int = 0
    confirm_pause_ns: int = 200_000_000

    def __post_init__(self) -> None:
        self.side = self.box.width

    @property
    def box(self) -> Box:
        """Where it was last found."""
        return self.face.box

    @property
    def doubtful(self) -> bool:
        """Whether every confirmation so far has failed."""
        return self.number is None and self.confirm_ns > 0

    def predicted(self, now_ns: int) -> Box:
        elapsed_s = (now_ns - self.seen_ns) / 1e9
        return self.box._replace(
            x=self.box.x + self.velocity[0] * elapsed_s, y=self.box.y + self.velocity[1] * elapsed_s
        )

    def lives_until_ns(self, buffer_ns: int) -> int:
        """Return when it ends; a part of the face extends it once, by at most the buffer."""
        return max(self.seen_ns, min(self.part_ns, self.seen_ns + buffer_ns)) + buffer_ns

    def follow(self, face: FaceDetection, now_ns: int) -> None:
        if face.predicted:
            return
        box = face.box
        if face.sure and not self.sure:
            self.sure, self.confirm_ns = True, 0
        self.steady = _alike(self.box, box)
        elapsed_s = (now_ns - self.seen_ns) / 1e9
        if elapsed_s > 0:
            (x, y), (old_x, old_y) = box.centre, self.box.centre
            step = ((x - old_x) / elapsed_s, (y - old_y) / elapsed_s)
            # The box of an unsure face jumps between parts of the face.
            weight = 0.4 if face.sure else 0.1
            self.velocity = (
                self.velocity[0] + weight * (step[0] - self.velocity[0]),
                self.velocity[1] + weight * (step[1] - self.velocity[1]),
            )
        if face.sure or not self.sure:
            self.side = box.width
        self.face, self.seen_ns = face, now_ns
        self.hits += 1


def _alike(before: Box, now: Box) -> bool:
    """Return whether a face hardly moved, grew or shrank."""
    (x, y), (x_before, y_before) = now.centre, before.centre
    across = max(abs(x - x_before), abs(now.width - before.width))
    down = max(abs(y - y_before), abs(now.height - before.height))
    return across <= STEADY * before.width and down <= STEADY * before.height


class FaceTracker:
    """Assigns the faces of successive frames to tracks, numbered from `first_number`.

    A track outlives its last detection by `lost_track_buffer_s`, is a viewer after
    `minimum_consecutive_frames`, and jumps by at most `max_distance` box sides.
    """

    MAX_CONFIRM_PAUSE_NS = 5_000_000_000
    """The pause of 0.2 s after a failed confirmation is doubled each time up to this. Meanwhile the
    place is remembered but not searched, so letters on a poster cost next to nothing."""

    _IMPOSSIBLE = 1e6

    def __init__(
        self,
        lost_track_buffer_s: float = LOST_TRACK_BUFFER_S,
        minimum_consecutive_frames: int = MINIMUM_CONSECUTIVE_FRAMES,
        max_distance: float = 0.75,
        first_number: int = 1,
    ) -> None:
        if lost_track_buffer_s < 0 or minimum_consecutive_frames < 1 or max_distance <= 0:
            raise ValueError(
                "Invalid tracker: expected lost_track_buffer_s of at least 0, "
                "minimum_consecutive_frames of at least 1 and max_distance above 0, received "
                f"{lost_track_buffer_s}, {minimum_consecutive_frames} and {max_distance}."
            )
        # The window's process never tracks, and SciPy would slow its start.
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 (half a second)

        self._cheapest_pairs = linear_sum_assignment
        self._buffer_ns = int(lost_track_buffer_s * 1e9)
        self._minimum_frames = minimum_consecutive_frames
        self._max_distance = max_distance
        self._tracks: list[_Track] = []
        self._viewers = first_number - 1

    def expected(self, captured_ns: int, due: Container[int] = ()) -> list[Box]:
        """Return where to search for known faces, oldest first, future viewers included.

        `steady` ones are left out.
        """
        return [
            track.predicted(captured_ns)
            for track in self._tracks
            if captured_ns <= track.lives_until_ns(self._buffer_ns)
            and not track.doubtful
            and not self._is_steady(track, captured_ns, due)
        ]

    def steady(self, captured_ns: int, due: Container[int] = ()) -> list[FaceDetection]:
        """Return the last found faces of viewers who need no search unless their place changes.

        They hardly moved, were found less than `UNSEARCHED_NS` ago, and are not `due` to be
        classified.
        """
        return [
            replace(track.face, predicted=True)
            for track in self._tracks
            if self._is_steady(track, captured_ns, due)
        ]

    @staticmethod
    def _is_steady(track: _Track, captured_ns: int, due: Container[int]) -> bool:
        recent = captured_ns - track.seen_ns < UNSEARCHED_NS
        return track.number is not None and track.steady and recent and track.number not in due

    def update(
        self,
        detections: Sequence[FaceDetection],
        captured_ns: int,
        confirm: Callable[[FaceDetection], bool] = lambda _: True,
    ) -> list[TrackedFace]:
        """Assign the faces of the next frame, and return those of viewers, by viewer number.

        `confirm` checks a face before it becomes a viewer; by default all pass.
        """
        self._tracks = [
            track
            for track in self._tracks
            if captured_ns <= track.lives_until_ns(self._buffer_ns)
            # A doubtful face is found by chance only, so its track waits longer for it.
            or (track.doubtful and captured_ns - track.seen_ns <= 2 * self.MAX_CONFIRM_PAUSE_NS)
        ]
        columns = self._assign(detections, captured_ns)
        found = [(self._tracks[row], detections[column]) for row, column in columns.items()]
        for track, detection in found:
            track.follow(detection, captured_ns)
        missed = [track for row, track in enumerate(self._tracks) if row not in columns]
        for track in missed:
            track.steady = False  # it is not where it was
        # A face missed before it became a viewer starts over: it needs consecutive frames.
        self._tracks = [
            track
            for row, track in enumerate(self._tracks)
            if row in columns or track.number is not None or track.doubtful
        ]
        for column in sorted(set(range(len(detections))) - set(columns.values())):
            detection = detections[column]
            if detection.predicted:
                continue
            if not detection.sure and self._shows_part(detection, missed, captured_ns):
                continue
            track = _Track(detection, captured_ns, sure=detection.sure)
            self._tracks.append(track)
            found.append((track, detection))
        for track, detection in found:
            self._admit(track, detection, captured_ns, confirm)
        viewers = [TrackedFace(track.number, face) for track, face in found if track.number]
        return sorted(viewers, key=lambda face: face.viewer)

    @staticmethod
    def _shows_part(face: FaceDetection, missed: Sequence[_Track], captured_ns: int) -> bool:
        """Return whether a face is part of a missed viewer's; the viewer then lives on."""
        for track in missed:
            place = track.predicted(captured_ns)
            if track.number and face.box.width < place.width and nested(face.box, place):
                track.part_ns = captured_ns
                return True
        return False

    def _admit(
        self,
        track: _Track,
        detection: FaceDetection,
        now_ns: int,
        confirm: Callable[[FaceDetection], bool],
    ) -> None:
        """Give a track its number once it has lasted long enough and is confirmed to be a face."""
        if track.number is not None or track.hits < self._minimum_frames:
            return
        if now_ns < track.confirm_ns:
            return
        if not confirm(detection):
            track.confirm_ns = now_ns + track.confirm_pause_ns
            track.confirm_pause_ns = min(2 * track.confirm_pause_ns, self.MAX_CONFIRM_PAUSE_NS)
            return
        self._viewers += 1
        track.number = self._viewers

    def _assign(self, detections: Sequence[FaceDetection], captured_ns: int) -> dict[int, int]:
        """Return the column of the detection for the row of each track that has one.

        Faces that were not searched for go to their own tracks. Viewers choose before others: a
        doubtful track at the place of a viewer must not take the face and its number.
        """
        own = {track.box: row for row, track in enumerate(self._tracks) if track.number is not None}
        columns = {
            own[face.box]: column
            for column, face in enumerate(detections)
            if face.predicted and face.box in own
        }
        free = [column for column, face in enumerate(detections) if not face.predicted]
        for viewers in (True, False):
            rows = [
                row
                for row, track in enumerate(self._tracks)
                if (track.number is not None) is viewers and row not in columns
            ]
            columns |= self._cheapest(rows, free, detections, captured_ns)
            free = [column for column in free if column not in columns.values()]
        return columns

    def _cheapest(
        self,
        rows: Sequence[int],
        columns: Sequence[int],
        detections: Sequence[FaceDetection],
        captured_ns: int,
    ) -> dict[int, int]:
        if not rows or not columns:
            return {}
        cost = np.array(
            [
                [
                    self._cost(self._tracks[row], detections[column].box, captured_ns)
                    for column in columns
                ]
                for row in rows
            ]
        )
        return {
            rows[one]: columns[other]
            for one, other in zip(*self._cheapest_pairs(cost), strict=True)
            if cost[one, other] < self._IMPOSSIBLE
        }

    def _cost(self, track: _Track, found: Box, captured_ns: int) -> float:
        tiny = 1e-6
        expected = track.predicted(captured_ns)
        growths = (
            max(found.width, tiny) / max(side, tiny) for side in (expected.width, track.side)
        )
        if not any(1 / 1.8 <= growth <= 1.8 for growth in growths):
            return self._IMPOSSIBLE  # a box that grows faster is of something else
        # Distances in box sides: the same settings serve any face size and picture shape.
        width = max((expected.width + found.width) / 2, tiny)
        height = max((expected.height + found.height) / 2, tiny)
        dx = (expected.centre[0] - found.centre[0]) / width
        dy = (expected.centre[1] - found.centre[1]) / height
        distance = float(np.hypot(dx, dy))
        overlap = expected.overlap(found)
        if distance > self._max_distance and overlap == 0.0:
            return self._IMPOSSIBLE
        return distance + (1.0 - overlap)
