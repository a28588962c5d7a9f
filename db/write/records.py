"""The values that the program hands to the writer, and their form on disk.

Records are frozen and checked when they are made. They name a viewer, a play and an ad by the
numbers and ids of the program; `db.write.store` maps these to row ids. Times are aware datetimes,
stored as UTC with microseconds. `encode` and `decode` turn a record into JSON by its field names
and back, so a newer program reads older records.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping  # noqa: TC003 (annotations are read at run time)
from dataclasses import dataclass, field, is_dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from numbers import Integral
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args, get_type_hints

from detector.types import FaceReading, ShadowCell

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDING = 1e-6
"""Tolerance of a range: a weighted mean of ones can come out slightly above one."""

INTERRUPTED = "interrupted"
"""How a session and its last play end when the program was killed; only recovery writes it."""


def _invalid(what: str, expected: str, value: object) -> ValueError:
    return ValueError(f"Invalid {what}: expected {expected}, received {value!r}.")


def _check_text(what: str, value: str) -> None:
    if not isinstance(value, str) or not value:
        raise _invalid(what, "a text that is not empty", value)


def _check_word(what: str, words: tuple[str, ...], value: str) -> None:
    if value not in words:
        raise _invalid(what, f"one of {', '.join(words)}", value)


def _check_sha256(what: str, value: str) -> None:
    if not isinstance(value, str) or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise _invalid(what, "64 lower-case hexadecimal digits", value)


def _check_time(what: str, value: datetime) -> None:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise _invalid(what, "a datetime with a time zone", value)


def _check_int(what: str, low: int, value: int | None) -> None:
    if value is None:
        return
    # NumPy's integers are valid, floats and booleans are not.
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise _invalid(what, f"a whole number from {low} up", value)


def _check_range(what: str, low: float, high: float, value: float | None) -> None:
    if value is None:
        return
    # Written so that NaN fails too: SQLite would store it as NULL.
    if not (math.isfinite(value) and low - ROUNDING <= value <= high + ROUNDING):
        raise _invalid(what, f"a number from {low:g} to {high:g}", value)


def _check_json(what: str, value: Mapping[str, Any]) -> None:
    try:
        json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Invalid {what}: expected values that JSON knows, received {value!r} ({error})."
        ) from error


SessionKind: TypeAlias = Literal["live", "replay", "demo"]
"""Live: people in front of the screen. Replay: people in a recording. Demo: the demo viewer."""

PlayNumber: TypeAlias = Annotated[int, partial(_check_int, "play number", 0)]
ViewerNumber: TypeAlias = Annotated[int, partial(_check_int, "viewer number", 0)]
GapCause: TypeAlias = Annotated[str, partial(_check_text, "gap cause")]
"""Short name of a cause, for example "camera_lost"."""


class _Checked:
    """Checks each field by the function that its annotation holds."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for name, check in _checks(type(self)):  # type: ignore[arg-type]
            check(getattr(self, name))


@cache
def _checks(kind: type) -> list[tuple[str, Callable[[Any], None]]]:
    hints = get_type_hints(kind, include_extras=True)
    return [(n, hint.__metadata__[0]) for n, hint in hints.items() if hasattr(hint, "__metadata__")]


@dataclass(frozen=True, slots=True)
class ModelRecord(_Checked):
    """The model that makes the readings: its name, the checksum of its file, and its card."""

    name: Annotated[str, partial(_check_text, "model name")]
    sha256: Annotated[str, partial(_check_sha256, "model checksum")]
    card: Annotated[Mapping[str, Any], partial(_check_json, "model card")] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True)
class SessionRecord(_Checked):
    """The start of a session; an unknown model is submitted later.

    Records of earlier versions lack `session_kind`: a replay is then a replay, a run with the
    source `demo` a demonstration, and every other run live.
    """

    kind: Annotated[str, partial(_check_word, "session kind", ("run", "replay"))]
    site: str
    source: str
    started_at: Annotated[datetime, partial(_check_time, "session start")]
    program_version: str
    settings: Annotated[Mapping[str, Any], partial(_check_json, "session settings")] = field(
        default_factory=dict
    )
    model: ModelRecord | None = None
    session_kind: Annotated[
        str, partial(_check_word, "kind of people", ("", *get_args(SessionKind)))
    ] = ""

    def __post_init__(self) -> None:
        super(SessionRecord, self).__post_init__()
        if not self.session_kind:
            seen = "replay" if self.kind == "replay" else "live"
            seen = "demo" if seen == "live" and self.source == "demo" else seen
            object.__setattr__(self, "session_kind", seen)


@dataclass(frozen=True, slots=True)
class AdRecord(_Checked):
    """One version of an ad, submitted before its first play; `brand_at_s` from the ad's start."""

    ad_id: Annotated[str, partial(_check_text, "ad id")]
    name: str
    file: str
    sha256: Annotated[str, partial(_check_sha256, "ad checksum")]
    kind: Annotated[str, partial(_check_word, "ad kind", ("image", "animation", "video"))]
    duration_ms: Annotated[int, partial(_check_int, "ad duration in ms", 1)]
    brand_at_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super(AdRecord, self).__post_init__()
        for moment in self.brand_at_s:
            _check_range("brand moment in s", 0.0, math.inf, moment)


@dataclass(frozen=True, slots=True)
class PlayStarted(_Checked):
    """An ad came on the screen.

    Attributes:
        number: Number of the play within the session, never used twice.
        ad_id: Id of an ad that was submitted before.
        reason: Why the policy chose it.
        probability: With which probability; `None` if the policy does not know.
        held_out: Whether the hold-out chose it, which ignores the audience.
        context: What the choice was based on; empty if the policy does not say.
    """

    number: PlayNumber
    ad_id: str
    started_at: Annotated[datetime, partial(_check_time, "play start")]
    reason: str
    probability: Annotated[float | None, partial(_check_range, "play probability", 0, 1)] = None
    held_out: bool = False
    context: Annotated[Mapping[str, Any], partial(_check_json, "play context")] = field(
        default_factory=dict
    )


OUTCOMES = ("finished", "skipped", "failed", "stopped")


@dataclass(frozen=True, slots=True)
class PlayEnded(_Checked):
    """An ad left the screen; `shown_ms` is without pauses, and `error` says why it failed."""

    number: PlayNumber
    ended_at: Annotated[datetime, partial(_check_time, "play end")]
    outcome: Annotated[str, partial(_check_word, "play outcome", OUTCOMES)]
    shown_ms: Annotated[float | None, partial(_check_range, "shown time in ms", 0, math.inf)] = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class PlayRewarded(_Checked):
    """The reward of a play for a learning policy, at most one per play, before or after its end.

    `viewer_s`, above 0, are the seconds of viewers in view behind it.
    """

    number: PlayNumber
    value: Annotated[float, partial(_check_range, "reward", -1, 1)]
    viewer_s: Annotated[float, partial(_check_range, "viewer seconds", 0, math.inf)]

    def __post_init__(self) -> None:
        super(PlayRewarded, self).__post_init__()
        if self.viewer_s <= 0:
            raise _invalid("viewer seconds", "a number above 0", self.viewer_s)


@dataclass(frozen=True, slots=True)
class ReadingRecord:
    """One viewer at one instant, with the time of capture and the play on screen.

    Attributes:
        face: What was measured; angles may be `None` where they are unknown.
        play_number: Number of the play; `None`, like the position in it, if there was none.
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
        _check_int("play number", 0, self.play_number)
        _check_range("position in ms", 0.0, math.inf, self.position_ms)
        face = self.face
        _check_int("viewer number", 0, face.viewer)
        for probability in face.probabilities or ():
            _check_range("probability", 0.0, 1.0, probability)
        _check_range("valence", -1.0, 1.0, face.valence)
        _check_range("expressiveness", 0.0, 1.0, face.expressiveness)
        _check_range("quality", 0.0, 1.0, face.quality)
        for angle in face.pose:
            _check_range("head angle in degrees", -360.0, 360.0, angle)
        if len(face.box) != 4:
            raise ValueError(f"Invalid face box: expected 4 numbers, received {len(face.box)}.")
        left, top, width, height = face.box
        _check_range("left edge of the face box", -math.inf, math.inf, left)
        _check_range("top edge of the face box", -math.inf, math.inf, top)
        _check_range("width of the face box", 0.0, math.inf, width)
        _check_range("height of the face box", 0.0, math.inf, height)


@dataclass(frozen=True, slots=True)
class ViewerFlagged(_Checked):
    """A track turned out to be a picture of a person; no measure counts any of its readings.

    It may have none. A second flag for the same viewer changes nothing.
    """

    at: Annotated[datetime, partial(_check_time, "moment of the flag")]
    viewer_number: ViewerNumber


@dataclass(frozen=True, slots=True)
class GapStarted(_Checked):
    """From here on nothing could be measured; a second start while the gap is open is ignored."""

    started_at: Annotated[datetime, partial(_check_time, "gap start")]
    cause: GapCause
    detail: str = ""


@dataclass(frozen=True, slots=True)
class GapEnded(_Checked):
    """The gap with this cause, which was started before, is over."""

    ended_at: Annotated[datetime, partial(_check_time, "gap end")]
    cause: GapCause


@dataclass(frozen=True, slots=True)
class ShadowRecord(_Checked):
    """What a shadow model and the model in use said of the same faces in a few seconds.

    Attributes:
        at: The end of these seconds.
        shadow_model: Name of the shadow model.
        sha256: Checksum of its file.
        cells: Counts and sums, one for each pair of labels.
    """

    at: Annotated[datetime, partial(_check_time, "moment of a shadow run")]
    shadow_model: Annotated[str, partial(_check_text, "model name")]
    sha256: Annotated[str, partial(_check_sha256, "model checksum")]
    cells: tuple[ShadowCell, ...]

    def __post_init__(self) -> None:
        super(ShadowRecord, self).__post_init__()
        # JSON has lists.
        cells = tuple(ShadowCell(*cell) for cell in self.cells)
        object.__setattr__(self, "cells", cells)
        for cell in cells:
            _check_int("faces of a shadow run", 1, cell.faces)
            for value in cell[3:]:
                _check_range("sum of a shadow run", -math.inf, math.inf, value)


@dataclass(frozen=True, slots=True)
class ClockSet(_Checked):
    """The wall clock was set ahead by `step_s` seconds: all times recorded so far shift with it."""

    step_s: Annotated[float, partial(_check_range, "step of the clock in s", -math.inf, math.inf)]

    @property
    def step(self) -> timedelta:
        """How far ahead the clock was set."""
        return timedelta(seconds=self.step_s)


@dataclass(frozen=True, slots=True)
class SessionEnded(_Checked):
    """The end of a session, handed to `SessionWriter.close`; figures are `None` if unknown.

    Attributes:
        end_reason: Why, for example "finished", "stopped" or "failed".
        frames: Frames analysed.
        dropped: Frames that the source delivered and that were not analysed.
        fps: Frames analysed per second.
    """

    ended_at: Annotated[datetime, partial(_check_time, "session end")]
    end_reason: Annotated[str, partial(_check_text, "end reason")]
    frames: Annotated[int | None, partial(_check_int, "frames", 0)] = None
    dropped: Annotated[int | None, partial(_check_int, "dropped frames", 0)] = None
    fps: Annotated[float | None, partial(_check_range, "frames per second", 0, math.inf)] = None


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
    | ShadowRecord
    | ClockSet
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
        for name, hint in _hints(kind).items():  # type: ignore[arg-type]
            if values.get(name) is not None:
                values[name] = _restored(name, hint, values[name])
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


_hints = cache(get_type_hints)


def _restored(name: str, hint: Any, value: Any) -> Any:
    """Return a field's value from its JSON, by its name and annotation."""
    if hint is datetime:
        return datetime.fromisoformat(value)
    if name == "face":
        return FaceReading.from_fields(value)
    if name == "model":
        return ModelRecord(**value)
    return tuple(value) if isinstance(value, list) else value
