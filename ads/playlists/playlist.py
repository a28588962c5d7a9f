"""Reads and checks a playlist: a YAML file, or a folder of pictures and clips.

Everything that can be wrong is found here, before a show begins: a mistake in the playlist itself
is refused with the place and the nearest known word, a media file that is missing or broken is set
aside with its reason, so that the others are still shown.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ads.errors import MediaError, PlaylistError
from ads.media.decode import (
    KNOWN_ENDINGS,
    LONGEST_S,
    MediaInfo,
    MediaKind,
    probe,
    require_media_file,
)
from ads.playlists.yaml_file import YamlFileError, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pydantic_core import ErrorDetails

logger = logging.getLogger(__name__)

DEFAULT_IMAGE_DURATION_S = 8.0
"""How long a still picture from a folder is shown: a usual length of a slot on such screens."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of the week as a playlist names them, in the order of `datetime.weekday`."""

MOODS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The audience moods that an ad can be made for: the emotions that are measured."""

MINUTES_PER_DAY = 24 * 60

HIGHEST_PRIORITY = 9

LARGEST_WEIGHT = 1e6
"""Weights are relative, so nobody needs more; sums of them have to stay numbers."""

T = TypeVar("T")

MediaCheck = Callable[[Sequence[tuple[Path, str]]], "list[MediaInfo | MediaError]"]
"""Looks into media files, given with their SHA-256: what each holds, or why it cannot be played, in their order."""

MAX_CROSS_FADE_S = 3.0

_HOURS_PATTERN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_HASH_BLOCK_BYTES = 1 << 20


class Hours(NamedTuple):
    """A stretch of the day, in minutes after midnight: from `start`, up to but without `end`.

    An end before the start reaches into the next day; 1440 is midnight at the end of the day.
    """

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Ad:
    """One creative that can be played.

    Attributes:
        ad_id: Unique in its playlist and stable over time.
        path: The media file, absolute.
        name: For people.
        kind: "image", "animation" or "video".
        duration_s: How long it is shown, above 0.
        sha256: Of the media file, 64 hexadecimal digits: tells one version of a creative from the
            next.
        has_sound: Whether the file has a sound track.
        width: Of the picture as it is seen, in pixels.
        height: Of the picture as it is seen, in pixels.
        weight: Share of voice relative to the other ads, above 0.
        moods: Audience moods that it is made for; empty for any.
        days: Days on which it may play, as in `DAYS`; empty for every day.
        hours: Stretches of the day in which it may play; empty for the whole day.
        max_per_hour: How often it may start within 60 minutes; None for no limit.
        brand_at_s: When the brand appears, seconds into the ad.
        priority: 0 to 9: of the ads that may play at a time only those of the highest priority are
            shown.
        takeover: Whether it ends what is on the screen as soon as it may play, and keeps away what
            is no takeover.
        price_per_thousand_s: What a thousand attentive seconds may cost, in the owner's currency;
            None if not agreed.
    """

    ad_id: str
    path: Path
    name: str
    kind: MediaKind
    duration_s: float
    sha256: str
    has_sound: bool = False
    width: int = 0
    height: int = 0
    weight: float = 1.0
    moods: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    hours: tuple[Hours, ...] = ()
    max_per_hour: int | None = None
    brand_at_s: tuple[float, ...] = ()
    priority: int = 0
    takeover: bool = False
    price_per_thousand_s: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise PlaylistError(
                f"Ad {self.ad_id!r} has an invalid duration: expected seconds above 0, got {self.duration_s}."
            )

    @property
    def duration_ns(self) -> int:
        """How long it is shown, in nanoseconds."""
        return max(1, round(self.duration_s * 1e9))


@dataclass(frozen=True, slots=True)
class SkippedAd:
    """An entry of a playlist that cannot be played.

    Attributes:
        ad_id: The id that it has in the playlist.
        path: The media file, absolute; it may not exist.
        reason: What is wrong with it, one sentence.
    """

    ad_id: str
    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Playlist:
    """What a playlist holds, checked.

    Attributes:
        path: The YAML file or the folder, absolute.
        ads: What can be played, at least one, in order.
        skipped: What cannot be played, and why.
        timezone: IANA name of the zone in which days and hours count; None for the machine's own.
        cross_fade_s: How long the end of one ad and the beginning of the next are seen together, 0
            to 3 s.
    """

    path: Path
    ads: tuple[Ad, ...]
    skipped: tuple[SkippedAd, ...] = ()
    timezone: str | None = None
    cross_fade_s: float = 0.0

    def local(self, at: datetime) -> datetime:
        """A moment as the clocks of the venue show it.

        Args:
            at: The moment, with its zone.

        Raises:
            PlaylistError: It has no zone.
        """
        if at.tzinfo is None:
            raise PlaylistError(f"Invalid moment: expected one with a time zone, received {at}.")
        return at.astimezone(None if self.timezone is None else ZoneInfo(self.timezone))


def check_here(files: Sequence[tuple[Path, str]]) -> list[MediaInfo | MediaError]:
    """Looks into media files in this process: quick, and right where they can be trusted. See `MediaCheck`."""
    return [_or_error(probe, path) for path, _ in files]


def load_playlist(path: Path, check: MediaCheck = check_here) -> Playlist:
    """Reads a playlist and looks into every media file that it names.

    Args:
        path: A YAML file, or a folder whose media files are played in the natural order of their
            names.
        check: Looks into the files; `ads.media.check.check_apart` does it where a file can harm
            nobody.

    Returns:
        At least one ad that can be played. Files that are missing or cannot be decoded are in
        `skipped`.

    Raises:
        PlaylistError: The path does not exist, breaks the format, or names nothing that can be
            played.
    """
    path = Path(path).expanduser().absolute()
    top = _Top()
    if path.is_dir():
        entries = _read_folder(path)
        folder = path
    else:
        top, entries = _read_yaml(path)
        folder = path.parent
    _refuse_duplicates(path, entries)
    ads: list[Ad] = []
    skipped: list[SkippedAd] = []
    media = [folder / entry.file for entry in entries]
    for entry, media_path, (info, digest) in zip(
        entries, media, _looked_into(folder, media, check), strict=True
    ):
        ad_id = entry.id or Path(entry.file).stem
        if isinstance(info, MediaError):
            logger.warning("Ad %s is left out: %s", ad_id, info)
            skipped.append(SkippedAd(ad_id, media_path, str(info)))
        else:
            duration_s = _shown_s(path, ad_id, entry, info)
            ads.append(_make_ad(entry, media_path, info, duration_s=duration_s, digest=digest))
    if not ads:
        reasons = " ".join(f"[{ad.ad_id}] {ad.reason}" for ad in skipped[:3])
        raise PlaylistError(
            f"Nothing in the playlist {path} can be played; expected at least one working file. {reasons}"
        )
    return Playlist(path, tuple(ads), tuple(skipped), top.timezone, top.cross_fade_s)


def _looked_into(
    folder: Path, media: list[Path], check: MediaCheck
) -> list[tuple[MediaInfo | MediaError, str]]:
    """What each file holds, or why it cannot be played, and its SHA-256."""
    digests = [_or_error(partial(_digest_below, folder), path) for path in media]
    there = [
        (path, digest)
        for path, digest in zip(media, digests, strict=True)
        if isinstance(digest, str)
    ]
    found = iter(check(there))
    return [
        (next(found), digest) if isinstance(digest, str) else (digest, "") for digest in digests
    ]


def _or_error(look: Callable[[Path], T], path: Path) -> T | MediaError:
    try:
        return look(path)
    except MediaError as error:
        return error


def _digest_below(folder: Path, path: Path) -> str:
    """The SHA-256 of a media file in a folder; raises a `MediaError` if it is none, or not in there."""
    require_media_file(path)
    _require_below(folder, path)
    return sha256_of(path)


def _require_below(folder: Path, path: Path) -> None:
    """Refuse a link that leads out of the playlist's folder: who may write there need not be allowed to show all files."""
    try:
        target = path.resolve(strict=True)
        if not target.is_relative_to(folder.resolve(strict=True)):
            raise MediaError(
                f"{path} is a link to {target}, outside the playlist's folder; copy the file there instead."
            )
    except (OSError, RuntimeError) as error:
        raise MediaError(
            f"{path} cannot be followed to its file ({error}); copy the file there."
        ) from error


def _refuse_duplicates(path: Path, entries: list[_Entry]) -> None:
    first_place: dict[str, int] = {}
    for place, entry in enumerate(entries, start=1):
        ad_id = entry.id or Path(entry.file).stem
        if ad_id in first_place:
            raise PlaylistError(
                f"Ads {first_place[ad_id]} and {place} in the playlist {path} have the same id {ad_id!r}; "
                "give each ad an 'id' of its own."
            )
        first_place[ad_id] = place


class _Top(BaseModel):
    """What the YAML file says beside its ads; the fields are the keys that users may write."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    timezone: str | None = None
    cross_fade_s: float = Field(default=0.0, ge=0, le=MAX_CROSS_FADE_S)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                hint = _nearest(value, available_timezones())
                raise ValueError(f"{_EXPECTED_AT_TOP['timezone']}{hint}") from None
        return value


_KEYS_AT_TOP = ("ads", *_Top.model_fields)

_EXPECTED_AT_TOP = {
    "timezone": "expected the name of a time zone like Europe/Berlin",
    "cross_fade_s": f"expected a number of seconds from 0 to {MAX_CROSS_FADE_S:g}",
}


class _Entry(BaseModel):
    """One ad as the YAML file names it; the fields are the keys that users may write."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str | None = Field(default=None, min_length=1)
    file: str = Field(min_length=1)
    name: str | None = Field(default=None, min_length=1)
    duration_s: float | None = Field(default=None, gt=0, le=LONGEST_S)
    weight: float = Field(default=1.0, gt=0, le=LARGEST_WEIGHT)
    moods: list[str] = Field(default_factory=list)
    days: list[str] = Field(default_factory=list)
    hours: str | list[str] | None = None
    max_per_hour: int | None = Field(default=None, ge=1)
    brand_at_s: list[Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=list
    )
    priority: int = Field(default=0, ge=0, le=HIGHEST_PRIORITY)
    takeover: bool = False
    price_per_thousand_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @field_validator("file")
    @classmethod
    def _stays_in_the_folder(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or path.name in ("", ".") or "\0" in value:
            raise ValueError(
                "expected a path below the playlist's folder, without '..' and not absolute"
            )
        return value

    @field_validator("moods")
    @classmethod
    def _known_moods(cls, value: list[str]) -> list[str]:
        return _all_known(value, MOODS)

    @field_validator("days")
    @classmethod
    def _known_days(cls, value: list[str]) -> list[str]:
        return _all_known(value, DAYS)

    @field_validator("hours")
    @classmethod
    def _readable_hours(cls, value: str | list[str] | None) -> str | list[str] | None:
        parse_hours(value)
        return value


_KEYS = tuple(_Entry.model_fields)

_EXPECTED = {
    "id": "expected text that is not empty (in quotes if it is a number)",
    "file": "expected a path relative to the playlist",
    "name": "expected text that is not empty",
    "duration_s": f"expected a number of seconds above 0, of at most a day ({LONGEST_S:.0f})",
    "weight": f"expected a number above 0, of at most {LARGEST_WEIGHT:.0f}",
    "moods": f"expected a list of moods ({', '.join(MOODS)})",
    "days": f"expected a list of days ({', '.join(DAYS)})",
    "hours": 'expected text like "08:00-12:00", or a list of such',
    "max_per_hour": "expected a whole number of at least 1",
    "brand_at_s": "expected a list of seconds of at least 0",
    "priority": f"expected a whole number from 0 to {HIGHEST_PRIORITY}",
    "takeover": "expected true or false",
    "price_per_thousand_s": "expected a number of at least 0",
}


def _all_known(values: list[str], known: tuple[str, ...]) -> list[str]:
    for value in values:
        if value not in known:
            raise ValueError(f"expected words out of {', '.join(known)}{_nearest(value, known)}")
    return values


def _nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word that is written most like this one; empty if none is like it."""
    spelt = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), spelt, n=1, cutoff=0.5)
    return f"; did you mean {spelt[near[0]]!r}?" if near else ""


def parse_hours(value: str | list[str] | None) -> tuple[Hours, ...]:
    """Stretches of the day as people write them.

    Args:
        value: Text like "08:00-12:00", or a list of such; None for none.

    Raises:
        ValueError: A text is none; the sentence says what was expected.
    """
    if value is None:
        return ()
    stretches = []
    for text in [value] if isinstance(value, str) else value:
        match = _HOURS_PATTERN.fullmatch(text.strip())
        if match is None:
            raise ValueError('expected text like "08:00-12:00"')
        start_hour, start_minute, end_hour, end_minute = map(int, match.groups())
        start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
        if (
            start_minute > 59
            or end_minute > 59
            or start >= MINUTES_PER_DAY
            or end > MINUTES_PER_DAY
            or start == end
        ):
            raise ValueError(
                'expected two different times of the day, from 00:00 to 24:00, like "08:00-12:00"'
            )
        stretches.append(Hours(start, end))
    return tuple(stretches)


def _read_yaml(path: Path) -> tuple[_Top, list[_Entry]]:
    try:
        document = read_yaml(path, "playlist", "a YAML file or a folder of media").content
    except YamlFileError as error:
        raise PlaylistError(str(error)) from None
    top, ads = _check_document(path, document)
    return top, [_check_entry(path, index, raw) for index, raw in enumerate(ads)]


def _check_document(path: Path, document: object) -> tuple[_Top, list[object]]:
    """What stands at the top of the file, and its list of ads."""
    empty = f"The playlist {path} is empty; expected the key 'ads' with a list of at least one ad."
    if document is None or document == {}:
        raise PlaylistError(empty)
    if not isinstance(document, dict):
        raise PlaylistError(
            f"The playlist {path} has the wrong form: expected the key 'ads' with a list, got {_described(document)}."
        )
    for key in document:
        if key not in _KEYS_AT_TOP:
            hint = _nearest(str(key), _KEYS_AT_TOP) or "."
            raise PlaylistError(
                f"The playlist {path} has the unknown key {key!r} at its top; expected one of: "
                f"{', '.join(_KEYS_AT_TOP)}{hint}"
            )
    ads = document.get("ads")
    if ads is None or ads == []:
        raise PlaylistError(empty)
    if not isinstance(ads, list):
        raise PlaylistError(
            f"'ads' in the playlist {path} must be a list of ads, got {_described(ads)}."
        )
    try:
        top = _Top.model_validate({key: value for key, value in document.items() if key != "ads"})
    except ValidationError as error:
        raise PlaylistError(
            f"The playlist {path} {_first_problem(error.errors()[0], _EXPECTED_AT_TOP)}"
        ) from None
    return top, ads


def _described(value: object) -> str:
    kinds = {
        dict: "a mapping",
        list: "a list",
        str: "text",
        bool: "yes or no",
        int: "a number",
        float: "a number",
    }
    return "nothing" if value is None else kinds.get(type(value), type(value).__name__)


def _check_entry(path: Path, index: int, raw: object) -> _Entry:
    if not isinstance(raw, dict):
        raise PlaylistError(
            f"Ad {index + 1} in the playlist {path} must be a mapping with the key 'file', got {_described(raw)}."
        )
    where = _where(path, index, raw)
    for key in raw:
        if key not in _KEYS:
            hint = _nearest(str(key), _KEYS) or f"; expected one of: {', '.join(_KEYS)}."
            raise PlaylistError(f"{where} has the unknown key {key!r}{hint}")
    try:
        return _Entry.model_validate(raw)
    except ValidationError as error:
        raise PlaylistError(f"{where} {_first_problem(error.errors()[0], _EXPECTED)}") from None


def _where(path: Path, index: int, raw: dict[Any, Any]) -> str:
    called = raw.get("id") or raw.get("file")
    return f"Ad {index + 1}{f' ({called})' if called else ''} in the playlist {path}"


def _first_problem(problem: ErrorDetails, expectations: dict[str, str]) -> str:
    key = str(problem["loc"][0])
    if problem["type"] == "missing":
        return f"lacks the key {key!r}; {expectations[key]}."
    expected = (
        str(problem["ctx"]["error"]) if problem["type"] == "value_error" else expectations[key]
    )
    received = f", got {problem['input']!r}"
    if expected.endswith("?"):
        # The hint closes the sentence, so what was received goes before it.
        head, _, hint = expected.rpartition("; ")
        return f"has an invalid {key!r}: {head}{received}; {hint}"
    return f"has an invalid {key!r}: {expected}{received}."


def media_in(folder: Path) -> list[Path]:
    """The files of a folder that look like media, in the natural order of their names; hidden ones are left out.

    Raises:
        OSError: The folder cannot be read.
    """
    return sorted(
        (file for file in folder.iterdir() if _is_media(file)),
        key=lambda file: _natural_key(file.name),
    )


def _read_folder(folder: Path) -> list[_Entry]:
    try:
        files = media_in(folder)
    except OSError as error:
        raise PlaylistError(
            f"The folder {folder} cannot be read ({error.strerror}); check it and its rights."
        ) from error
    if not files:
        raise PlaylistError(
            f"The folder {folder} holds no media; expected files ending in {', '.join(sorted(KNOWN_ENDINGS))}."
        )
    stems = Counter(file.stem for file in files)
    return [
        # Two files of one stem are told apart by their endings.
        _Entry(
            id=file.stem if stems[file.stem] == 1 else file.name,
            file=file.name,
            name=_readable(file.stem),
        )
        for file in files
    ]


def _is_media(file: Path) -> bool:
    return file.suffix.lower() in KNOWN_ENDINGS and not file.name.startswith(".") and file.is_file()


def _natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts `spot2` before `spot10`."""
    parts = re.split(r"(\d+)", name.casefold())
    return [
        (1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part
    ], name


def _readable(stem: str) -> str:
    return re.sub(r"[\s_]+", " ", stem).strip() or stem


def sha256_of(path: Path) -> str:
    """SHA-256 of a media file, 64 hexadecimal digits; raises a `MediaError` where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASH_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise MediaError(
            f"{path} cannot be read ({error.strerror}); check the file and its rights."
        ) from error
    return digest.hexdigest()


def _shown_s(path: Path, ad_id: str, entry: _Entry, info: MediaInfo) -> float:
    """How long an ad is shown, with what depends on it checked."""
    duration_s = entry.duration_s if entry.duration_s is not None else info.duration_s
    where = f"Ad {ad_id!r} in the playlist {path}"
    if duration_s is None:
        if not path.is_dir():
            raise PlaylistError(
                f"{where} is a still picture without 'duration_s'; say how many seconds to show it."
            )
        duration_s = DEFAULT_IMAGE_DURATION_S
    late = [second for second in entry.brand_at_s if second > duration_s]
    if late:
        raise PlaylistError(
            f"{where} has an invalid 'brand_at_s': expected seconds within its {duration_s:g} s, got {late[0]:g}."
        )
    return duration_s


def _make_ad(
    entry: _Entry, media_path: Path, info: MediaInfo, *, duration_s: float, digest: str
) -> Ad:
    stem = Path(entry.file).stem
    return Ad(
        ad_id=entry.id or stem,
        path=media_path,
        name=entry.name or _readable(stem),
        kind=info.kind,
        duration_s=duration_s,
        sha256=digest,
        has_sound=info.has_sound,
        width=info.width,
        height=info.height,
        weight=entry.weight,
        moods=tuple(mood for mood in MOODS if mood in entry.moods),
        days=tuple(day for day in DAYS if day in entry.days),
        hours=parse_hours(entry.hours),
        max_per_hour=entry.max_per_hour,
        brand_at_s=tuple(sorted(entry.brand_at_s)),
        priority=entry.priority,
        takeover=entry.takeover,
        price_per_thousand_s=entry.price_per_thousand_s,
    )
