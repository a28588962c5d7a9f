"""Load a playlist, a YAML file or a folder, and set broken media aside; mistakes are errors."""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from PIL import ImageColor
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ads.errors import MediaError, MissingMediaError, PlaylistError, UnreadMediaError
from ads.media.decode import MAX_DURATION_S, probe_all
from ads.media.digests import READER, TimeLimit
from ads.media.types import (
    FITS,
    KNOWN_ENDINGS,
    PICTURE_ENDINGS,
    Fit,
    MediaInfo,
    why_no_media,
)
from ads.playlists.finder import MediaFinder
from ads.playlists.playlist import (
    DAYS,
    MAX_CROSS_FADE_S,
    Ad,
    Filler,
    Playlist,
    SkippedAd,
    parse_hours,
)
from ads.playlists.yaml_file import YamlFileError, nearest, read_yaml_list, shortened
from detector.emotion.labels import EMOTIONS
from detector.names import is_blank, is_system_file, plain_name

logger = logging.getLogger(__name__)

DEFAULT_IMAGE_DURATION_S = 8.0
"""How long a still picture from a folder is shown: a usual slot on such screens. An animation is
shown for whole rounds, so many that they take as long or longer."""

MIN_DURATION_S = 0.1
"""How short an ad may be asked to stand: a few pictures of the screen."""

MAX_WARNINGS = 20
"""Ads that are named when they are left out; `playlist check` has all."""

MAX_NAME_LENGTH = 255
"""Of an ad's id and name: as long as a file name may be."""

MediaCheck = Callable[[Sequence[tuple[Path, str]]], "list[MediaInfo | MediaError]"]
"""Probes media files, given with their SHA-256."""


# For all ads of a file, and for one ad, which comes first.
_FitKey = Annotated[Fit | None, Field(description=f"expected one of {', '.join(FITS)}")]
_VolumeKey = Annotated[float | None, Field(ge=0, le=1, description="expected a number from 0 to 1")]
_MuteKey = Annotated[bool | None, Field(description="expected true or false")]
_SHOWN_KEYS = {"fit", "volume", "mute"}


class PlaylistHead(BaseModel):
    """The keys of the file. Each description completes "has an invalid KEY: "."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    ads: Any = None
    timezone: str | None = Field(
        None, description="expected the name of a time zone like Europe/Berlin"
    )
    cross_fade_s: float = Field(
        0.0,
        ge=0,
        le=MAX_CROSS_FADE_S,
        description=f"expected a number of seconds from 0 to {MAX_CROSS_FADE_S:g}",
    )
    fit: _FitKey = None
    volume: _VolumeKey = None
    mute: _MuteKey = None
    media_root: str | None = Field(
        None, min_length=1, description="expected the folder of the media files"
    )
    filler: str = Field(
        "",
        min_length=1,
        description='expected a colour in quotes, like "#203040" or "navy", or the path of a '
        "picture like those of the ads",
    )

    @field_validator("filler", mode="before")
    @classmethod
    def _is_there(cls, value: object) -> object:
        if value is None:
            expected = cls.model_fields["filler"].description
            raise ValueError(f"{expected}; a # without quotes begins a comment")
        return value

    @field_validator("filler")
    @classmethod
    def _colour_or_picture(cls, value: str) -> str:
        is_picture = PurePosixPath(value).suffix.lower() in PICTURE_ENDINGS
        if not is_picture and _colour(value) is None:
            hint = nearest(value, ImageColor.colormap)
            raise ValueError(f"{cls.model_fields['filler'].description}{hint}")
        return _below_the_folder(value) if is_picture else value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                expected = cls.model_fields["timezone"].description
                hint = nearest(value, available_timezones())
                raise ValueError(f"{expected}{hint}") from None
        return value


class Entry(BaseModel):
    """The keys of one ad. Each description completes "has an invalid KEY: "."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str | None = Field(
        None,
        max_length=MAX_NAME_LENGTH,
        description="expected text that is not empty (in quotes if it is a number), of at most "
        f"{MAX_NAME_LENGTH} characters",
    )
    file: str = Field(min_length=1, description="expected a path relative to the playlist")
    name: str | None = Field(
        None,
        max_length=MAX_NAME_LENGTH,
        description=f"expected text that is not empty, of at most {MAX_NAME_LENGTH} characters",
    )
    duration_s: float | None = Field(
        None,
        ge=MIN_DURATION_S,
        le=MAX_DURATION_S,
        description=f"expected a number of seconds of at least {MIN_DURATION_S:g} and "
        f"at most a day ({MAX_DURATION_S:.0f})",
    )
    # Weights are relative, and their sums must stay finite.
    weight: float = Field(
        1.0, gt=0, le=1e6, description="expected a number above 0, of at most 1000000"
    )
    moods: list[str] = Field([], description=f"expected a list of moods ({', '.join(EMOTIONS)})")
    days: list[str] = Field([], description=f"expected a list of days ({', '.join(DAYS)})")
    hours: str | list[str] | None = Field(
        None, description='expected text like "08:00-12:00", or a list of such'
    )
    first_day: date | None = Field(
        None, alias="from", description="expected a date like 2026-12-01, the first day to play on"
    )
    last_day: date | None = Field(
        None, alias="until", description="expected a date like 2026-12-31, the last day to play on"
    )
    max_per_hour: int | None = Field(
        None, ge=1, description="expected a whole number of at least 1"
    )
    fit: _FitKey = None
    volume: _VolumeKey = None
    mute: _MuteKey = None
    brand_at_s: list[Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        [], description="expected a list of seconds of at least 0"
    )
    priority: int = Field(0, ge=0, le=9, description="expected a whole number from 0 to 9")
    takeover: bool = Field(False, description="expected true or false")
    price_per_thousand_s: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="expected a number of at least 0"
    )

    @property
    def ad_id(self) -> str:
        """The id, by default the file's name without its ending."""
        return self.id or _id_of(PurePosixPath(self.file).name)

    @field_validator("id", "name")
    @classmethod
    def _shown(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        # A name that is folded over lines in the file is one line on the screen.
        plain = plain_name(value if info.field_name == "id" else " ".join(value.split()))
        if is_blank(plain):
            raise ValueError(str(cls.model_fields[str(info.field_name)].description))
        return plain

    @field_validator("file")
    @classmethod
    def _stays_in_the_folder(cls, value: str) -> str:
        return _below_the_folder(value)

    @field_validator("first_day", "last_day", mode="before")
    @classmethod
    def _plain_date(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            # Quoted, or from JSON, which has no dates.
            with suppress(ValueError):
                value = date.fromisoformat(value)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        field = str(info.field_name)
        has_time = isinstance(value, datetime) or re.match(r"\d{4}-\d{2}-\d{2}[ T]", str(value))
        hint = "; for times of the day there is 'hours'" if has_time else ""
        raise ValueError(f"{cls.model_fields[field].description}{hint}")

    @model_validator(mode="after")
    def _in_order(self) -> Entry:
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValueError(
                f"never plays: its 'from' {self.first_day} is after its 'until' {self.last_day}; "
                "expected an 'until' of the same day or later"
            )
        return self

    @field_validator("moods", "days")
    @classmethod
    def _known(cls, value: list[str], info: ValidationInfo) -> list[str]:
        known = EMOTIONS if info.field_name == "moods" else DAYS
        for word in value:
            if word not in known:
                raise ValueError(f"expected words out of {', '.join(known)}{nearest(word, known)}")
        return value

    @field_validator("hours")
    @classmethod
    def _readable_hours(cls, value: str | list[str] | None) -> str | list[str] | None:
        parse_hours(value)
        return value


def load_playlist(
    path: Path,
    check: MediaCheck = probe_all,
    *,
    limit: TimeLimit | None = None,
    max_hashed_bytes: int | None = None,
) -> Playlist:
    """Load a YAML file, or a folder in the natural order of names, and probe its media files.

    The result has at least one ad; files that are missing or cannot be decoded are in `skipped`.

    Args:
        limit: When to leave out files that are not read yet (`SkippedAd.is_pending`).
        max_hashed_bytes: Ads of larger files have no digest, unless it is known already.

    Raises:
        LoadingStoppedError: The limit says to stop.
        PlaylistError: The path does not exist, breaks the format, or nothing in it can be played.
    """
    path = Path(path).expanduser().absolute()
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise PlaylistError(
            f"The playlist {shortened(str(path))} cannot be looked up ({error.strerror}); "
            "check its path."
        ) from error
    others: list[SkippedAd] = []
    if is_folder:
        folder, head, (entries, files, others) = path, PlaylistHead(), _read_folder(path)
    else:
        head, entries = _read_file(path)
        folder = _media_folder(path, head.media_root)
        files = [folder / entry.file for entry in entries]
    _refuse_duplicates(path, entries)
    ads: list[Ad] = []
    skipped: list[SkippedAd] = []

    def skip(entry: Entry, file: Path, reason: MediaError) -> None:
        is_pending = isinstance(reason, UnreadMediaError)
        skipped.append(SkippedAd(entry.ad_id, file, str(reason), is_pending))

    filler, filler_entry = _filler(head)
    if filler_entry is not None:
        entries = [filler_entry, *entries]
        files = [folder / filler_entry.file, *files]
    digests = _digests(folder, files, limit or TimeLimit(), max_hashed_bytes)
    for entry, (file, info, digest) in zip(entries, _probed(digests, check), strict=True):
        if isinstance(info, MediaError):
            skip(entry, file, info)
            continue
        for remark in info.remarks:
            logger.warning("Ad %s: %s", entry.ad_id, remark)
        if entry is not filler_entry:
            ads.append(_make_ad(path, file, entry, head, info, digest))
        elif info.kind == "image":
            filler = Filler(_make_ad(path, file, entry, head, info, digest))
        else:
            skip(entry, file, MediaError(f"{file} moves; expected a still picture."))
    _warn_of(skipped)
    if others:
        logger.warning("%s", _others_sentence(path, others))
        skipped += others
    if not ads:
        reasons = " ".join(f"[{ad.ad_id}] {ad.reason}" for ad in skipped[:3])
        raise PlaylistError(
            f"Nothing in the playlist {path} can be played; "
            f"expected at least one working file. {reasons}"
        )
    return Playlist(path, tuple(ads), tuple(skipped), head.timezone, head.cross_fade_s, filler)


def _below_the_folder(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or path.name in ("", ".") or "\0" in value:
        raise ValueError(
            "expected a path below the playlist's folder, without '..' and not absolute"
        )
    return value


def _colour(value: str) -> tuple[int, int, int] | None:
    """Return the RGB of a colour as in CSS; None if the text names none."""
    try:
        red, green, blue, *_ = ImageColor.getrgb(value)
    except ValueError:
        return None
    # Pillow does not look at the numbers in "rgb(300, 0, 0)".
    return (red, green, blue) if max(red, green, blue) <= 255 else None


def _filler(head: PlaylistHead) -> tuple[Filler | None, Entry | None]:
    """Return the filler of a playlist, which is black until its picture has been probed."""
    if not head.filler:
        return None, None
    colour = _colour(head.filler)
    if colour is not None:
        return Filler(colour=colour), None
    return Filler(), Entry(id="filler", file=head.filler, duration_s=MAX_DURATION_S)


def _media_folder(path: Path, media_root: str | None) -> Path:
    """Return the folder that a playlist's files are named from."""
    if media_root is None:
        return path.parent
    try:
        folder = (path.parent / Path(media_root).expanduser()).absolute()
        if folder.is_dir():
            return folder
    except (OSError, RuntimeError, ValueError):
        logger.debug("The media root %r cannot be used", media_root, exc_info=True)
    raise PlaylistError(
        f"The playlist {path} has an invalid 'media_root': expected a folder that exists, "
        f"absolute or seen from the playlist's own, got {media_root!r}."
    )


def media_in(folder: Path) -> list[Path]:
    """Return a folder's media files in natural order; may raise `OSError`.

    Without hidden files and those of systems, see `is_system_file`.
    """
    visible = [file for file in folder.iterdir() if not is_system_file(file.name)]
    media = [file for file in visible if file.suffix.lower() in KNOWN_ENDINGS and file.is_file()]
    return sorted(media, key=lambda file: _natural_key(file.name))


def _id_of(name: str) -> str:
    """Return the id of a file by its name: without the ending, if anything is seen of the rest."""
    plain = plain_name(name)
    stem = PurePosixPath(plain).stem
    return plain if is_blank(stem) else stem


def _read_folder(folder: Path) -> tuple[list[Entry], list[Path], list[SkippedAd]]:
    """Return the ads in a folder, their files, and what else lies there."""
    try:
        files = media_in(folder)
        others = _others_in(folder, files)
    except OSError as error:
        raise PlaylistError(
            f"The folder {folder} cannot be read ({error.strerror}); check its permissions."
        ) from error
    if not files:
        found = f" {_others_sentence(folder, others)}" if others else ""
        raise PlaylistError(
            f"The folder {folder} holds no media; "
            f"expected files ending in {', '.join(sorted(KNOWN_ENDINGS))}.{found}"
        )
    ids = [_id_of(file.name) for file in files]
    names = [plain_name(file.name) for file in files]
    # Two files of one stem differ by their endings, two spellings of one name by a number.
    uses = Counter(ids)
    ids = [one if uses[one] == 1 else name for one, name in zip(ids, names, strict=True)]
    entries, taken = [], Counter[str]()
    for one, name in zip(ids, names, strict=True):
        taken[one] += 1
        number = f" ({taken[one]})" if taken[one] > 1 else ""
        entries.append(Entry.model_construct(id=one + number, file=name))
    return entries, files, others


def _others_in(folder: Path, media: Iterable[Path]) -> list[SkippedAd]:
    """Return what a folder holds besides media, with the reason why it is left out."""
    known = set(media)
    found = []
    for path in sorted(folder.iterdir(), key=lambda one: _natural_key(one.name)):
        if path in known or is_system_file(path.name):
            continue
        if path.is_dir():
            reason = f"{path} is a folder; ads lie in the playlist's folder itself."
        elif not path.is_file():
            reason = f"{path} is not a file; expected a media file there."
        else:
            reason = why_no_media(path)
        found.append(SkippedAd(plain_name(path.name), path, reason, is_ad=False))
    return found


def _warn_of(skipped: Sequence[SkippedAd]) -> None:
    """Log what is left out, the first of many by name."""
    for what, ads in (
        ("is left out", [ad for ad in skipped if not ad.is_pending]),
        ("is left out for now", [ad for ad in skipped if ad.is_pending]),
    ):
        for ad in ads[:MAX_WARNINGS]:
            logger.warning("Ad %s %s: %s", ad.ad_id, what, ad.reason)
        if len(ads) > MAX_WARNINGS:
            logger.warning("And so are %d more ads", len(ads) - MAX_WARNINGS)


def _others_sentence(folder: Path, others: Sequence[SkippedAd]) -> str:
    names = ", ".join(other.ad_id for other in others[:5])
    more = f" and {len(others) - 5} more" if len(others) > 5 else ""
    what = "1 entry" if len(others) == 1 else f"{len(others)} entries"
    return (
        f"Left out of the folder {folder}: {what} of no known kind of media: {names}{more}; "
        "`ad-monitor playlist check` tells why."
    )


def _refuse_duplicates(path: Path, entries: Iterable[Entry]) -> None:
    places: dict[str, int] = {}
    for place, entry in enumerate(entries, start=1):
        first = places.setdefault(entry.ad_id, place)
        if first != place:
            raise PlaylistError(
                f"Ads {first} and {place} in the playlist {path} have the same id "
                f"{entry.ad_id!r}; give each ad its own 'id'."
            )


def _digests(
    folder: Path, files: Sequence[Path], limit: TimeLimit, max_bytes: int | None
) -> list[tuple[Path, str | MediaError]]:
    """Return the path of each file, as it is spelt there, and its SHA-256, or why there is none."""

    def read(paths: Iterable[Path]) -> dict[Path, str | MediaError]:
        # Each file once, however many ads show it.
        different = list(dict.fromkeys(paths))
        return dict(zip(different, READER.read(folder, different, limit, max_bytes), strict=True))

    answers = read(files)
    finder = MediaFinder(folder)
    # Only what is surely missing is looked for: the rest may lie on a disk that does not answer.
    missing = [path for path, one in answers.items() if isinstance(one, MissingMediaError)]
    spelt = {path: finder.find(str(path.relative_to(folder))) for path in missing}
    answers |= read(found for path, found in spelt.items() if found != path)
    places = [spelt.get(path, path) for path in files]
    return [(place, answers[place]) for place in places]


def _probed(
    digests: Sequence[tuple[Path, str | MediaError]], check: MediaCheck
) -> list[tuple[Path, MediaInfo | MediaError, str]]:
    """Return each file with what it holds, or why it cannot be played, and its SHA-256."""
    readable = [(file, digest) for file, digest in digests if isinstance(digest, str)]
    found = iter(check(readable))
    return [
        (file, next(found), digest) if isinstance(digest, str) else (file, digest, "")
        for file, digest in digests
    ]


def _make_ad(  # noqa: PLR0917 (what an ad follows from)
    path: Path, file: Path, entry: Entry, head: PlaylistHead, info: MediaInfo, digest: str
) -> Ad:
    duration_s = entry.duration_s or _own_duration_s(info)
    where = f"Ad {entry.ad_id!r} in the playlist {path}"
    if duration_s is None:
        if path != file.parent:
            raise PlaylistError(
                f"{where} is a still picture without 'duration_s'; say how many seconds to show it."
            )
        duration_s = DEFAULT_IMAGE_DURATION_S
    late = [second for second in entry.brand_at_s if second > duration_s]
    if late:
        raise PlaylistError(
            f"{where} has an invalid 'brand_at_s': expected seconds within its {duration_s:g} s, "
            f"got {late[0]:g}."
        )
    same = {
        *("weight", "max_per_hour", "priority", "takeover", "price_per_thousand_s"),
        *("first_day", "last_day"),
    }
    shown = {
        **head.model_dump(include=_SHOWN_KEYS, exclude_none=True),
        **entry.model_dump(include=_SHOWN_KEYS, exclude_none=True),
    }
    name = entry.name or re.sub(r"[\s_]+", " ", _id_of(file.name)).strip()
    return Ad(
        entry.ad_id,
        file,
        name or _id_of(file.name),
        info.kind,
        duration_s,
        digest,
        info.has_sound,
        info.width,
        info.height,
        moods=tuple(mood for mood in EMOTIONS if mood in entry.moods),
        days=tuple(day for day in DAYS if day in entry.days),
        hours=parse_hours(entry.hours),
        brand_at_s=tuple(sorted(entry.brand_at_s)),
        fit=shown.get("fit", "contain"),
        volume=0.0 if shown.get("mute") else shown.get("volume", 1.0),
        remarks=info.remarks,
        **entry.model_dump(include=same),
    )


def _own_duration_s(info: MediaInfo) -> float | None:
    """Return how long an ad is that states no length; None for a still picture."""
    if info.kind != "animation" or info.duration_s is None:
        return info.duration_s
    # Most animations are a second or two that go round for ever.
    rounds = math.ceil(DEFAULT_IMAGE_DURATION_S / info.duration_s - 1e-9)
    return max(1, rounds) * info.duration_s


def _natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort `spot2` before `spot10`."""
    parts = filter(None, re.split(r"(\d+)", name.casefold()))
    key = [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]
    return key, name


def _read_file(path: Path) -> tuple[PlaylistHead, list[Entry]]:
    fields = {**PlaylistHead.model_fields, **Entry.model_fields}
    expected = {field.alias or key: str(field.description) for key, field in fields.items()}
    try:
        models, form = (PlaylistHead, Entry), "a YAML file or a folder of media"
        labels = ("id", "file")
        return read_yaml_list(
            path, "playlist", *models, labels=labels, expected=expected, form=form
        )
    except YamlFileError as error:
        raise PlaylistError(str(error), error.others) from None
