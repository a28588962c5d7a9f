"""The values that the program hands to the writer, and their form on disk.

Records are frozen and checked when they are made. They name a viewer, a play and an ad by the
numbers and ids of the program; `db.write.store` maps these to row ids. Times are aware datetimes,
stored as UTC with microseconds. `encode` and `decode` turn a record into JSON by its field names
and back, so a newer program reads older records.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

from detector.types import FaceReading

if TYPE_CHECKING:
    from collections.abc import Mapping

ROUNDING = 1e-6
"""Tolerance of a range: a weighted mean of ones can come out slightly above one."""

INTERRUPTED = "interrupted"
"""How a session and its last play end when the program was killed; only recovery writes it."""

_ANY = (-math.inf, math.inf)
_SHARE = (0.0, 1.0)
_SIGNED = (-1.0, 1.0)
_FROM_ZERO = (0.0, math.inf)


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The model that makes the readings.

    Attributes:
        name: Name from the model card.
        sha256: Checksum of the model file, 64 hexadecimal digits.
        card: The model card, JSON values.
    """

    name: str
    sha256: str
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_text("model name", self.name)
        _check_sha256("model checksum", self.sha256)
        _check_json("model card", self.card)


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """The start of a session.

    Attributes:
        kind: "run" or "replay".
        site: Name of the place.
        source: The camera, file or address that is watched.
        started_at: When it started; aware.
        program_version: Version of this program.
        settings: The settings in force, JSON values.
        model: The model in use; `None` if it is not known yet (submit a `ModelRecord` later).
    """

    kind: str
    site: str
    source: str
    started_at: datetime
    program_version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    model: ModelRecord | None = None

    def __post_init__(self) -> None:
        _check_word("session kind", self.kind, ("run", "replay"))
        _check_time("session start", self.started_at)
        _check_json("session settings", self.settings)


@dataclass(frozen=True, slots=True)
class AdRecord:
    """One version of an ad, submitted before its first play.

    Attributes:
        ad_id: The stable id of the playlist.
        name: Display name.
        file: Path or name of the media file.
        sha256: Checksum of the media file, 64 hexadecimal digits.
        kind: "image", "animation" or "video".
        duration_ms: Length of one showing, at least 1.
        brand_at_s: Moments at which the brand shows, in seconds from the start.
    """

    ad_id: str
    name: str
    file: str
    sha256: str
    kind: str
    duration_ms: int
    brand_at_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check_text("ad id", self.ad_id)
        _check_sha256("ad checksum", self.sha256)
        _check_word("ad kind", self.kind, ("image", "animation", "video"))
        _check_int("ad duration in ms", self.duration_ms, 1)
        for moment in self.brand_at_s:
            _check_range("brand moment in s", moment, _FROM_ZERO)


@dataclass(frozen=True, slots=True)
class PlayStarted:
    """An ad came on the screen.

    Attributes:
        number: Number of the play within the session, never used twice.
        ad_id: Id of an ad that was submitted before.
        started_at: When; aware.
        reason: Why the policy chose it.
        probability: With which probability, 0 to 1; `None` if the policy does not know.
        held_out: Whether the hold-out chose it, which ignores the audience.
        context: What the choice was based on, JSON values; empty if the policy does not say.
    """

    number: int
    ad_id: str
    started_at: datetime
    reason: str
    probability: float | None = None
    held_out: bool = False
    context: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_int("play number", self.number, 0)
        _check_time("play start", self.started_at)
        _check_range("play probability", self.probability, _SHARE)
        _check_json("play context", self.context)


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """An ad left the screen.

    Attributes:
        number: Number of a play that was started before.
        ended_at: When; aware.
        outcome: "finished", "skipped", "failed" or "stopped".
        shown_ms: How long it was shown, without pauses; `None` if unknown.
        error: Why it failed, else `None`.
    """

    number: int
    ended_at: datetime
    outcome: str
    shown_ms: float | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        _check_int("play number", self.number, 0)
        _check_time("play end", self.ended_at)
        _check_word("play outcome", self.outcome, ("finished", "skipped", "failed", "stopped"))
        _check_range("shown time in ms", self.shown_ms, _FROM_ZERO)


@dataclass(frozen=True, slots=True)
class PlayRewarded:
    """The reward of a play that a learning policy received; at most one per play.

    Attributes:
        number: Number of a play that was started before, whether or not it has ended.
        value: The reward, -1 to 1.
        viewer_s: Seconds of viewers in view behind it, above 0.
    """

    number: int
    value: float
    viewer_s: float

    def __post_init__(self) -> None:
        _check_int("play number", self.number, 0)
        _check_range("reward", self.value, _SIGNED)
        _check_range("viewer seconds", self.viewer_s, _FROM_ZERO)
        if self.viewer_s <= 0:
            raise ValueError(
                f"Invalid viewer seconds: expected a number above 0, received {self.viewer_s!r}."
            )


@dataclass(frozen=True, slots=True)
class ReadingRecord:
    """One viewer at one instant, with the time of day and the play on screen.

    Attributes:
        at: When the frame was captured; aware.
        face: What was measured; angles may be `None` where they are unknown.
        play_number: Number of the play that was on screen; `None` if there was none.
        position_ms: Position in that play, from 0; `None` without a play.
    """

    at: datetime
    face: FaceReading
    play_number: int | None = None
    position_ms: float | None = None

    def __post_init__(self) -> None:
        """Check what the table needs; the reading itself has checked that its emotion is whole."""
        _check_time("reading time", self.at)
        if (self.play_number is None) != (self.position_ms is None):
            raise ValueError(
                "Invalid reading: expected a play and a position, or neither, "
                f"received play {self.play_number!r} and position {self.position_ms!r}."
            )
        if self.play_number is not None:
            _check_int("play number", self.play_number, 0)
            _check_range("position in ms", self.position_ms, _FROM_ZERO)
        face = self.face
        _check_int("viewer number", face.viewer, 0)
        for probability in face.probabilities or ():
            _check_range("probability", probability, _SHARE)
        _check_range("valence", face.valence, _SIGNED)
        _check_range("expressiveness", face.expressiveness, _SHARE)
        _check_range("quality", face.quality, _SHARE)
        for angle in face.pose:
            _check_range("head angle in degrees", angle, (-360.0, 360.0))
        if len(face.box) != 4:
            raise ValueError(f"Invalid face box: expected 4 numbers, received {len(face.box)}.")
        left, top, width, height = face.box
        _check_range("left edge of the face box", left, _ANY)
        _check_range("top edge of the face box", top, _ANY)
        _check_range("width of the face box", width, _FROM_ZERO)
        _check_range("height of the face box", height, _FROM_ZERO)


@dataclass(frozen=True, slots=True)
class ViewerFlagged:
    """A track turned out to be a picture of a person; no measure counts any of its readings.

    A second flag for the same viewer changes nothing.

    Attributes:
        at: When this was noticed; aware.
        viewer_number: Number of the track within the session; it may have no reading.
    """

    at: datetime
    viewer_number: int

    def __post_init__(self) -> None:
        _check_time("moment of the flag", self.at)
        _check_int("viewer number", self.viewer_number, 0)


@dataclass(frozen=True, slots=True)
class GapStarted:
    """From here on nothing could be measured.

    A second start for a cause whose gap is still open changes nothing.

    Attributes:
        started_at: When; aware.
        cause: Short name of the cause, for example "camera lost".
        detail: More about it, for a person.
    """

    started_at: datetime
    cause: str
    detail: str = ""

    def __post_init__(self) -> None:
        _check_text("gap cause", self.cause)
        _check_time("gap start", self.started_at)


@dataclass(frozen=True, slots=True)
class GapEnded:
    """The gap with this cause is over.

    Attributes:
        ended_at: When; aware.
        cause: Cause of a gap that was started before.
    """

    ended_at: datetime
    cause: str

    def __post_init__(self) -> None:
        _check_text("gap cause", self.cause)
        _check_time("gap end", self.ended_at)


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The end of a session, handed to `SessionWriter.close`.

    Attributes:
        ended_at: When; aware.
        end_reason: Why, for example "finished", "stopped" or "failed".
        frames: Frames analysed; `None` if unknown, as for the next two.
        dropped: Frames that the source delivered and that were not analysed.
        fps: Frames analysed per second.
    """

    ended_at: datetime
    end_reason: str
    frames: int | None = None
    dropped: int | None = None
    fps: float | None = None

    def __post_init__(self) -> None:
        _check_time("session end", self.ended_at)
        _check_text("end reason", self.end_reason)
        if self.frames is not None:
            _check_int("frames", self.frames, 0)
        if self.dropped is not None:
            _check_int("dropped frames", self.dropped, 0)
        _check_range("frames per second", self.fps, _FROM_ZERO)


Record: TypeAlias = (
    ModelRecord
    | AdRecord
    | PlayStarted
    | PlayEnded
    | PlayRewarded
    | ReadingRecord
    | ViewerFlagged
    | GapStarted
    | GapEnded
)
"""What `SessionWriter.submit` takes."""

Stored: TypeAlias = Record | SessionRecord | SessionEnded
"""What `encode` takes."""

_TYPES: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Stored)}


def encode(record: Stored) -> str:
    """Return one line of JSON; `decode` gives an equal record back."""
    document = {"type": type(record).__name__, **_fields(record)}
    return json.dumps(document, separators=(",", ":"), allow_nan=False, default=_plain)


def decode(document: Any) -> Stored:
    """Return the record of `encode`, from the object that its JSON describes.

    Raises:
        ValueError: It is not one, or of a kind that this version of the program does not know.
    """
    try:
        values = dict(document)
        kind = _TYPES[values.pop("type")]
        for one in fields(kind):
            if values.get(one.name) is not None:
                values[one.name] = _restored(str(one.type), values[one.name])
        record: Stored = kind(**values)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            "Invalid record: expected one that this version of the program knows, "
            f"received {document!r:.80}."
        ) from error
    return record


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _plain(value: Any) -> Any:
    """Return what JSON does not know as something that it does."""
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value):
        return _fields(value)
    if hasattr(value, "item"):  # a number of NumPy
        return value.item()
    return dict(value)


def _restored(kind: str, value: Any) -> Any:
    """Return a field's value from its JSON, by the annotation of the field."""
    if kind.startswith("datetime"):
        return datetime.fromisoformat(value)
    if kind.startswith("tuple"):
        return tuple(value)
    if kind.startswith("FaceReading"):
        return FaceReading.from_fields(value)
    if kind.startswith("ModelRecord"):
        return ModelRecord(**value)
    return value


def _check_text(what: str, value: str) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"Invalid {what}: expected a text that is not empty, received {value!r}.")


def _check_word(what: str, value: str, words: tuple[str, ...]) -> None:
    if value not in words:
        raise ValueError(f"Invalid {what}: expected one of {', '.join(words)}, received {value!r}.")


def _check_sha256(what: str, value: str) -> None:
    if not isinstance(value, str) or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise ValueError(
            f"Invalid {what}: expected 64 lower-case hexadecimal digits, received {value!r}."
        )


def _check_time(what: str, value: datetime) -> None:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(
            f"Invalid {what}: expected a datetime with a time zone, received {value!r}."
        )


def _check_int(what: str, value: int, low: int) -> None:
    # NumPy's integers are valid, floats and booleans are not.
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise ValueError(
            f"Invalid {what}: expected a whole number from {low} up, received {value!r}."
        )


def _check_range(what: str, value: float | None, limits: tuple[float, float]) -> None:
    """Refuse a number outside its range; `None` is an unknown one."""
    if value is None:
        return
    low, high = limits
    # Written so that NaN fails too: SQLite would store it as NULL.
    if not (math.isfinite(value) and low - ROUNDING <= value <= high + ROUNDING):
        raise ValueError(
            f"Invalid {what}: expected a number from {low:g} to {high:g}, received {value!r}."
        )


def _check_json(what: str, value: Mapping[str, Any]) -> None:
    try:
        json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Invalid {what}: expected values that JSON knows, received {value!r} ({error})."
        ) from error
