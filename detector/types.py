"""The values passed from stage to stage, each validated once, where it is made.

Frame -> FaceDetection -> TrackedFace -> FaceReading. Boxes are fractions of the frame, valid for a
preview of any size. Times are nanoseconds of the monotonic clock that all processes of the machine
share (for a recording: since its first frame).
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from numpy.typing import NDArray

    from detector.emotion.labels import LabelSet

KEYPOINTS = ("right_eye", "left_eye", "nose_tip", "mouth_centre", "right_ear", "left_ear")
"""The six points of a detected face, named from the person's own point of view."""


class ShadowCell(NamedTuple):
    """Faces to which two models gave one pair of labels; see `detector.emotion.shadow`.

    Sums over these faces: of valence (-1 to 1 each; `None` where the model's labels do not give
    it), of the highest probability (0 to 1 each), and of milliseconds of processor time.
    """

    label: str
    shadow_label: str
    faces: int = 0
    sum_valence: float | None = 0.0
    sum_shadow_valence: float | None = 0.0
    sum_confidence: float = 0.0
    sum_shadow_confidence: float = 0.0
    cpu_ms: float = 0.0
    shadow_cpu_ms: float = 0.0

    def plus(self, other: ShadowCell) -> ShadowCell:
        """Return the sums of two cells of the same labels."""
        sums = (
            None if one is None or more is None else one + more
            for one, more in zip(self[2:], other[2:], strict=True)
        )
        return ShadowCell(self.label, self.shadow_label, *sums)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class ShadowCounts:
    """What two models said of the same faces during a stretch of the source's clock.

    Attributes:
        since_ns, until_ns: When the first and the last face were captured.
        model, sha256: Name and checksum of the candidate.
        cells: One for each pair of labels.
    """

    since_ns: int
    until_ns: int
    model: str
    sha256: str
    cells: tuple[ShadowCell, ...]


class Box(NamedTuple):
    """Left, top, width and height in fractions of the frame; may reach beyond it."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    def shared_area(self, other: Box) -> float:
        """Return the area of the intersection with another box."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return width * height if width > 0 and height > 0 else 0.0

    def overlap(self, other: Box) -> float:
        """Return the intersection over union with another box, 0 to 1."""
        shared = self.shared_area(other)
        if shared == 0:
            return 0.0
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a source: `(height, width, 3)` BGR, uint8, never modified after capture.

    `sequence` numbers the frames of the source from 0, dropped ones included.
    """

    image: NDArray[np.uint8]
    captured_ns: int
    sequence: int

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                "Invalid frame: expected a uint8 image of shape (height, width, 3), "
                f"received {self.image.dtype} of shape {self.image.shape}."
            )


@dataclass(frozen=True, slots=True, eq=False)
class FaceDetection:
    """One face found in one frame, with `(6, 2)` keypoints in fractions of the frame.

    A `predicted` one was not searched for: it is taken over from the frame before, because its
    place looks the same.
    """

    box: Box
    confidence: float
    keypoints: NDArray[np.float64]
    predicted: bool = False

    def __post_init__(self) -> None:
        if self.keypoints.shape != (len(KEYPOINTS), 2):
            raise ValueError(
                f"Invalid keypoints: expected shape ({len(KEYPOINTS)}, 2), received "
                f"{self.keypoints.shape}."
            )

    @property
    def sure(self) -> bool:
        """Whether the face needs no confirmation: false alarms in our videos stay below 0.76."""
        return self.confidence >= 0.8


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """A detected face with its viewer's number, from 1, valid while in view, never reused."""

    viewer: int
    detection: FaceDetection


class HeadPose(NamedTuple):
    """Where a head points, in degrees; 0, 0, 0 looks into the camera.

    Yaw is positive when the person turns to their own left, pitch is positive when they look up,
    and roll is positive when the head leans towards their own left shoulder.
    """

    yaw: float
    pitch: float
    roll: float


WITHHELD_REASONS = ("too small", "too blurred", "too dark", "turned away", "cut off", "count only")
"""Why a face counts for presence and attention only; `count only` is a zone's choice."""


@dataclass(frozen=True, slots=True)
class FaceReading:
    """One viewer at one instant.

    A new field goes here and, to be stored, into the table `readings` under the same name. The
    pipe, the outbox and the row take it from these two.

    Attributes:
        viewer: Number of the track.
        captured_ns: When the frame was captured.
        box: Where the face is.
        probabilities: Calibrated and smoothed, in the order of the model's label set; they sum to
            1. `None`, like valence and expressiveness, where the emotion is withheld.
        valence: -1 to 1; `None` also where the labels do not give it.
        expressiveness: 0 to 1; `None` also where the labels do not give it.
        uncertain: The highest of these probabilities is below the model card's threshold, or there
            are none.
        pose: Where the head points, seen from the screen.
        attentive: Whether the viewer looks at the screen.
        quality: How well the face can be read, 0 to 1.
        withheld: Why there is no emotion, one of `WITHHELD_REASONS`; `None` where there is one.
        static: Whether it is taken for a poster or a still picture, and no viewer.
    """

    viewer: int
    captured_ns: int
    box: Box
    probabilities: tuple[float, ...] | None
    valence: float | None
    expressiveness: float | None
    uncertain: bool
    pose: HeadPose
    attentive: bool
    quality: float
    withheld: str | None = None
    static: bool = False

    def __post_init__(self) -> None:
        """Check that there is an emotion, or a reason why all of it is withheld."""
        if self.probabilities is not None and len(self.probabilities) < 2:
            raise ValueError(
                "Invalid probabilities: expected one for each label of the model, at least 2, "
                f"received {len(self.probabilities)}."
            )
        if self.withheld is not None and self.withheld not in WITHHELD_REASONS:
            raise ValueError(
                "Invalid reason why the emotion is withheld: expected one of "
                f"{', '.join(WITHHELD_REASONS)}, received {self.withheld!r}."
            )
        is_read = self.probabilities is not None
        derived = self.valence is not None or self.expressiveness is not None
        if is_read == (self.withheld is not None) or (derived and not is_read):
            raise ValueError(
                "Invalid reading: expected probabilities with what follows from them, or a reason "
                f"why all are withheld, received {self.probabilities!r}, {self.valence!r}, "
                f"{self.expressiveness!r} and {self.withheld!r}."
            )

    def values(self) -> tuple[Any, ...]:
        """Return all fields in their order, for JSON; `from_values` reverses it."""
        values: tuple[Any, ...] = _getter(type(self))(self)  # type: ignore[arg-type]
        return values

    @classmethod
    def from_values(cls, values: Sequence[Any]) -> Self:
        """Build a reading from the JSON of `values`, or raise `ValueError` or `TypeError`."""
        if len(values) != len(cls.__dataclass_fields__):
            raise ValueError(f"Invalid reading: received {len(values)} values.")
        restored = list(values)
        for place, restore in _RESTORED:
            if restored[place] is not None:
                restored[place] = restore(restored[place])
        return cls(*restored)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Build a reading from fields by name, as JSON gives them; missing ones get their default.

        Raises:
            ValueError, TypeError, KeyError: It is not a reading.
        """
        if unknown := fields.keys() - cls.__dataclass_fields__:
            raise ValueError(f"Invalid reading: received the unknown {', '.join(sorted(unknown))}.")
        known = cls.__dataclass_fields__.items()
        return cls.from_values(
            [fields[n] if n in fields or f.default is MISSING else f.default for n, f in known]
        )

    def label(self, labels: LabelSet) -> str | None:
        """Return the most probable label of the model's set; `None` where it is withheld."""
        if self.probabilities is None:
            return None
        return labels[max(range(len(labels)), key=self.probabilities.__getitem__)]


@dataclass(frozen=True, slots=True)
class AnalysedFrame:
    """What was measured in one frame; no readings if it showed nobody."""

    sequence: int
    captured_ns: int
    width: int
    height: int
    readings: tuple[FaceReading, ...]


_RESTORED = tuple(
    (tuple(FaceReading.__dataclass_fields__).index(name), restore)
    for name, restore in (("box", Box._make), ("probabilities", tuple), ("pose", HeadPose._make))
)
"""Fields that are tuples, by their places: JSON gives lists."""


@cache
def _getter(kind: type[Any]) -> Callable[[Any], Any]:
    return attrgetter(*kind.__dataclass_fields__)
