"""What the rest of the program hands to the writer: frozen values, checked where they are made.

Records name a viewer, a play and an ad by the numbers and the id that the program itself uses; the
writer maps them to row ids. Times are aware datetimes; they are stored as UTC with microseconds.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import datetime
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

EMOTION_COUNT = 7
"""Angry, disgust, fear, happy, sad, surprise, neutral, in this order."""

ROUNDING = 1e-6
"""How far a figure may lie outside its range: a weighted mean of ones can come out a little above one."""

SESSION_KINDS = ("run", "replay")
AD_KINDS = ("image", "animation", "video")
PLAY_OUTCOMES = ("finished", "skipped", "failed", "stopped")
WITHHELD_REASONS = ("too small", "too blurred", "too dark", "turned away", "cut off", "count only")
"""Why a reading has no emotion; a test compares this with the detector's own list."""
INTERRUPTED = "interrupted"
"""How a session and its last play end when the program was killed; written by the clean-up only."""

_SHA256_LENGTH = 64


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The model that makes the readings.

    Attributes:
        name: Name from the model card.
        sha256: Checksum of the model file, 64 hexadecimal digits.
        card: The model card, as it goes into JSON.
    """

    name: str
    sha256: str
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_text("model name", self.name)
        _check_sha256("model checksum", self.sha256)
        _check_json("model card", dict(self.card))


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """The start of a session.

    Attributes:
        kind: "run" or "replay".
        site: Name of the place.
        source: The camera, file or address that is watched.
        started_at: When it started; aware.
        program_version: Version of this program.
        settings: The settings in force, as they go into JSON.
        model: The model in use; `None` when it is not known yet (submit a `ModelRecord` later).
    """

    kind: str
    site: str
    source: str
    started_at: datetime
    program_version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    model: ModelRecord | None = None

    def __post_init__(self) -> None:
        _check_word("session kind", self.kind, SESSION_KINDS)
        _check_time("session start", self.started_at)
        _check_json("session settings", dict(self.settings))


@dataclass(frozen=True, slots=True)
class AdRecord:
    """One version of an ad, submitted before its first play.

    Attributes:
        ad_id: The stable id of the playlist.
        name: What people call it.
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
        _check_word("ad kind", self.kind, AD_KINDS)
        _check_int("ad duration in ms", self.duration_ms, 1)
        for moment in self.brand_at_s:
            _check_range("brand moment in s", moment, 0.0, math.inf)


@dataclass(frozen=True, slots=True)
class PlayStarted:
    """An ad came on the screen.

    Attributes:
        number: Number of the play within the session, never used twice.
        ad_id: Id of an ad that was submitted before.
        started_at: When; aware.
        reason: Why the policy chose it.
        probability: With which probability, 0 to 1; `None` when the policy does not know.
        held_out: Whether the hold-out chose it, which ignores the audience.
        context: What the choice looked at, as it goes into JSON; empty when the policy does not
            say.
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
        if self.probability is not None:
            _check_range("play probability", self.probability, 0.0, 1.0)
        _check_json("play context", dict(self.context))


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """An ad left the screen.

    Attributes:
        number: Number of a play that was started before.
        ended_at: When; aware.
        outcome: "finished", "skipped", "failed" or "stopped".
        shown_ms: How long it was shown, pauses left out; `None` when that is not known.
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
        _check_word("play outcome", self.outcome, PLAY_OUTCOMES)
        if self.shown_ms is not None:
            _check_range("shown time in ms", self.shown_ms, 0.0, math.inf)


@dataclass(frozen=True, slots=True)
class PlayRewarded:
    """What a play was worth, as a policy that learns was told; at most once for a play, before or after its end.

    Attributes:
        number: Number of a play that was started before.
        value: The reward, -1 to 1.
        viewer_s: Seconds of viewers in view that stand behind it, above 0.
    """

    number: int
    value: float
    viewer_s: float

    def __post_init__(self) -> None:
        _check_int("play number", self.number, 0)
        _check_range("reward", self.value, -1.0, 1.0)
        _check_range("viewer seconds", self.viewer_s, 0.0, math.inf)
        if self.viewer_s <= 0:
            raise ValueError(
                f"Invalid viewer seconds: expected a number above 0, received {self.viewer_s!r}."
            )


@dataclass(frozen=True, slots=True)
class ReadingRecord:
    """One viewer at one instant.

    Attributes:
        at: When the frame was captured; aware.
        viewer_number: Number of the track within the session.
        play_number: Number of the play that was on screen then; `None` when there was none.
        position_ms: Position in that play, from 0; `None` without a play.
        probabilities: Seven, 0 to 1, in the order angry, disgust, fear, happy, sad, surprise,
            neutral; `None`, as valence and expressiveness, where the emotion is withheld.
        valence: -1 to 1.
        expressiveness: 0 to 1.
        uncertain: Whether the reading is too unsure to be named.
        yaw: Head turned to its own left, degrees; `None` when not known, as for pitch and roll.
        pitch: Head raised, degrees.
        roll: Head leaning to its own left shoulder, degrees.
        attentive: Whether the viewer looks at the screen.
        quality: 0 to 1.
        box: Left, top, width, height of the face in fractions of the frame; may reach beyond it.
        withheld: Why there is no emotion, one of `WITHHELD_REASONS`; `None` where there is one.
    """

    at: datetime
    viewer_number: int
    play_number: int | None
    position_ms: float | None
    probabilities: tuple[float, ...] | None
    valence: float | None
    expressiveness: float | None
    uncertain: bool
    yaw: float | None
    pitch: float | None
    roll: float | None
    attentive: bool
    quality: float
    box: tuple[float, float, float, float]
    withheld: str | None = None

    def __post_init__(self) -> None:
        _check_time("reading time", self.at)
        _check_int("viewer number", self.viewer_number, 0)
        if (self.play_number is None) != (self.position_ms is None):
            raise ValueError(
                "Invalid reading: expected a play and a position, or neither, "
                f"received play {self.play_number!r} and position {self.position_ms!r}."
            )
        if self.play_number is not None and self.position_ms is not None:
            _check_int("play number", self.play_number, 0)
            _check_range("position in ms", self.position_ms, 0.0, math.inf)
        self._check_emotion()
        _check_range("quality", self.quality, 0.0, 1.0)
        for angle in (self.yaw, self.pitch, self.roll):
            if angle is not None:
                _check_range("head angle in degrees", angle, -360.0, 360.0)
        if len(self.box) != 4:
            raise ValueError(f"Invalid face box: expected 4 numbers, received {len(self.box)}.")
        left, top, width, height = self.box
        _check_range("left edge of the face box", left, -math.inf, math.inf)
        _check_range("top edge of the face box", top, -math.inf, math.inf)
        _check_range("width of the face box", width, 0.0, math.inf)
        _check_range("height of the face box", height, 0.0, math.inf)

    def _check_emotion(self) -> None:
        """The emotion is there as a whole, or a reason why it is not."""
        if self.withheld is not None:
            _check_word("reason why the emotion is withheld", self.withheld, WITHHELD_REASONS)
        missing = [
            value is None for value in (self.probabilities, self.valence, self.expressiveness)
        ]
        if any(missing) != (self.withheld is not None) or any(missing) != all(missing):
            raise ValueError(
                "Invalid reading: expected probabilities, valence and expressiveness, or a reason why all are withheld, "
                f"received {self.probabilities!r}, {self.valence!r}, {self.expressiveness!r} and {self.withheld!r}."
            )
        if self.probabilities is None or self.valence is None or self.expressiveness is None:
            return
        if len(self.probabilities) != EMOTION_COUNT:
            raise ValueError(
                f"Invalid probabilities: expected {EMOTION_COUNT} numbers, received {len(self.probabilities)}."
            )
        for probability in self.probabilities:
            _check_range("probability", probability, 0.0, 1.0)
        _check_range("valence", self.valence, -1.0, 1.0)
        _check_range("expressiveness", self.expressiveness, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class ViewerFlagged:
    """A track turned out to be no person but a picture of one; every measure leaves it out from its first reading on.

    A second flag for the same viewer changes nothing.

    Attributes:
        at: When that was noticed; aware.
        viewer_number: Number of the track within the session; it need not have a reading.
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
        frames: Frames analysed; `None` when not known, as for the next two.
        dropped: Frames that the source delivered and nobody analysed.
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
        if self.fps is not None:
            _check_range("frames per second", self.fps, 0.0, math.inf)


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


def _check_text(what: str, value: str) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"Invalid {what}: expected a text that is not empty, received {value!r}.")


def _check_word(what: str, value: str, words: tuple[str, ...]) -> None:
    if value not in words:
        raise ValueError(f"Invalid {what}: expected one of {', '.join(words)}, received {value!r}.")


def _check_sha256(what: str, value: str) -> None:
    if (
        not isinstance(value, str)
        or len(value) != _SHA256_LENGTH
        or not set(value) <= set("0123456789abcdef")
    ):
        raise ValueError(
            f"Invalid {what}: expected {_SHA256_LENGTH} lower-case hexadecimal digits, received {value!r}."
        )


def _check_time(what: str, value: datetime) -> None:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(
            f"Invalid {what}: expected a datetime with a time zone, received {value!r}."
        )


def _check_int(what: str, value: int, low: int) -> None:
    # NumPy integers are welcome, floats and booleans are not.
    if isinstance(value, bool) or not isinstance(value, Integral) or value < low:
        raise ValueError(
            f"Invalid {what}: expected a whole number from {low} up, received {value!r}."
        )


def _check_range(what: str, value: float, low: float, high: float) -> None:
    # Written so that NaN fails too: SQLite would store it as NULL.
    if not (math.isfinite(value) and low - ROUNDING <= value <= high + ROUNDING):
        raise ValueError(
            f"Invalid {what}: expected a number from {low:g} to {high:g}, received {value!r}."
        )


def _check_json(what: str, value: object) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Invalid {what}: expected values that JSON knows, received {value!r} ({error})."
        ) from error
