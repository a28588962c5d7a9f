"""The keys of a playlist file, and how they are read and checked.

Tested in `test_playlist.py`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any
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

from ads.errors import PlaylistError
from ads.media.decode import MAX_DURATION_S
from ads.media.types import FITS, PICTURE_ENDINGS, Fit
from ads.playlists.playlist import DAYS, MAX_CROSS_FADE_S, parse_hours
from ads.playlists.yaml_file import YamlFileError, nearest, read_yaml_list
from detector.emotion.labels import EMOTIONS
from detector.names import is_blank, plain_name
from detector.texts import lazy

if TYPE_CHECKING:
    from pathlib import Path

MIN_DURATION_S = 0.1
"""The shortest duration of an ad: a few refreshes of the screen."""

MAX_NAME_LENGTH = 255
"""Characters of an ad's id or name: as many as a file name may have."""

# Keys of an ad, and of the file for all ads that lack them.
_FitKey = Annotated[
    Fit | None, Field(description=lazy("expected one of %(known)s", known=", ".join(FITS)))
]
_VolumeKey = Annotated[
    float | None, Field(ge=0, le=1, description=lazy("expected a number from 0 to 1"))
]
_MuteKey = Annotated[bool | None, Field(description=lazy("expected true or false"))]
SHOWN_KEYS = {"fit", "volume", "mute"}


class PlaylistHead(BaseModel):
    """The keys of the file. Each description completes "has an invalid KEY: "."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    ads: Any = None
    timezone: str | None = Field(
        None, description=lazy("expected the name of a time zone like Europe/Berlin")
    )
    cross_fade_s: float = Field(
        0.0,
        ge=0,
        le=MAX_CROSS_FADE_S,
        description=lazy(
            "expected a number of seconds from 0 to %(limit)s", limit=f"{MAX_CROSS_FADE_S:g}"
        ),
    )
    fit: _FitKey = None
    volume: _VolumeKey = None
    mute: _MuteKey = None
    media_root: str | None = Field(
        None, min_length=1, description=lazy("expected the folder of the media files")
    )
    filler: str = Field(
        "",
        min_length=1,
        description=lazy(
            'expected a colour in quotes, like "#203040" or "navy", or the path of a '
            "picture like those of the ads"
        ),
    )

    @field_validator("filler", mode="before")
    @classmethod
    def _is_there(cls, value: object) -> object:
        if value is None:
            expected = cls.model_fields["filler"].description
            raise ValueError(
                lazy("%(expected)s; a # without quotes begins a comment", expected=expected)
            )
        return value

    @field_validator("filler")
    @classmethod
    def _colour_or_picture(cls, value: str) -> str:
        is_picture = PurePosixPath(value).suffix.lower() in PICTURE_ENDINGS
        if not is_picture and colour_of(value) is None:
            hint = nearest(value, ImageColor.colormap)
            raise ValueError(_hinted(cls.model_fields["filler"].description, hint))
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
                raise ValueError(_hinted(expected, hint)) from None
        return value


_PLACES = (
    lazy("playlist %(path)s", path=""),
    lazy("The playlist %(path)s", path=""),
    lazy("Ad %(number)s", number=0),
    lazy("Ad %(number)s (%(ad)s)", number=0, ad=""),
)
"""How `yaml_file` names where a mistake is, for the catalogue."""


class Entry(BaseModel):
    """The keys of one ad. Each description completes "has an invalid KEY: "."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str | None = Field(
        None,
        max_length=MAX_NAME_LENGTH,
        description=lazy(
            "expected text that is not empty (in quotes if it is a number), of at "
            "most %(limit)s characters",
            limit=MAX_NAME_LENGTH,
        ),
    )
    file: str = Field(min_length=1, description=lazy("expected a path relative to the playlist"))
    name: str | None = Field(
        None,
        max_length=MAX_NAME_LENGTH,
        description=lazy(
            "expected text that is not empty, of at most %(limit)s characters",
            limit=MAX_NAME_LENGTH,
        ),
    )
    duration_s: float | None = Field(
        None,
        ge=MIN_DURATION_S,
        le=MAX_DURATION_S,
        description=lazy(
            "expected a number of seconds of at least %(limit)s and at most a day (%(most)s)",
            limit=f"{MIN_DURATION_S:g}",
            most=f"{MAX_DURATION_S:.0f}",
        ),
    )
    # Weights are relative, and their sums must stay finite.
    weight: float = Field(
        1.0, gt=0, le=1e6, description=lazy("expected a number above 0, of at most 1000000")
    )
    moods: list[str] = Field(
        [], description=lazy("expected a list of moods (%(known)s)", known=", ".join(EMOTIONS))
    )
    days: list[str] = Field(
        [], description=lazy("expected a list of days (%(known)s)", known=", ".join(DAYS))
    )
    hours: str | list[str] | None = Field(
        None, description=lazy('expected text like "08:00-12:00", or a list of such')
    )
    first_day: date | None = Field(
        None,
        alias="from",
        description=lazy("expected a date like 2026-12-01, the first day to play on"),
    )
    last_day: date | None = Field(
        None,
        alias="until",
        description=lazy("expected a date like 2026-12-31, the last day to play on"),
    )
    max_per_hour: int | None = Field(
        None, ge=1, description=lazy("expected a whole number of at least 1")
    )
    fit: _FitKey = None
    volume: _VolumeKey = None
    mute: _MuteKey = None
    brand_at_s: list[Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        [], description=lazy("expected a list of seconds of at least 0")
    )
    priority: int = Field(0, ge=0, le=9, description=lazy("expected a whole number from 0 to 9"))
    takeover: bool = Field(False, description=lazy("expected true or false"))
    price_per_thousand_s: float | None = Field(
        None, ge=0, allow_inf_nan=False, description=lazy("expected a number of at least 0")
    )

    @property
    def ad_id(self) -> str:
        """The id, by default the file's name without its ending."""
        return self.id or id_of(PurePosixPath(self.file).name)

    @field_validator("id", "name")
    @classmethod
    def _shown(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        # A name folded over several lines in the file becomes one line on the screen.
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
        hint = lazy("; for times of the day there is 'hours'") if has_time else ""
        raise ValueError(_hinted(cls.model_fields[field].description, hint))

    @model_validator(mode="after")
    def _in_order(self) -> Entry:
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValueError(
                lazy(
                    "never plays: its 'from' %(first)s is after its 'until' %(last)s; "
                    "expected an 'until' of the same day or later",
                    first=self.first_day,
                    last=self.last_day,
                )
            )
        return self

    @field_validator("moods", "days")
    @classmethod
    def _known(cls, value: list[str], info: ValidationInfo) -> list[str]:
        known = EMOTIONS if info.field_name == "moods" else DAYS
        for word in value:
            if word not in known:
                raise ValueError(
                    lazy(
                        "expected words out of %(known)s%(hint)s",
                        known=", ".join(known),
                        hint=nearest(word, known),
                    )
                )
        return value

    @field_validator("hours")
    @classmethod
    def _readable_hours(cls, value: str | list[str] | None) -> str | list[str] | None:
        parse_hours(value)
        return value


def read_playlist_file(path: Path) -> tuple[PlaylistHead, list[Entry]]:
    """Read a YAML or JSON file; `PlaylistError` for any mistake in it."""
    fields = {**PlaylistHead.model_fields, **Entry.model_fields}
    expected = {field.alias or key: str(field.description) for key, field in fields.items()}
    try:
        models, form = (PlaylistHead, Entry), lazy("a YAML file or a folder of media")
        labels = ("id", "file")
        return read_yaml_list(
            path, lazy("playlist"), *models, labels=labels, expected=expected, form=form
        )
    except YamlFileError as error:
        raise PlaylistError(error.args[0], error.others) from None


def _hinted(expected: str | None, hint: str) -> str:
    # Joined, because a `LazyText` is English then, as `validate` takes the two apart again.
    return "".join((expected or "", hint))


def id_of(name: str) -> str:
    """Return the default id of a file: its name without the ending, unless that leaves nothing."""
    plain = plain_name(name)
    stem = PurePosixPath(plain).stem
    return plain if is_blank(stem) else stem


def _below_the_folder(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or path.name in ("", ".") or "\0" in value:
        raise ValueError(
            lazy("expected a path below the playlist's folder, without '..' and not absolute")
        )
    return value


def colour_of(value: str) -> tuple[int, int, int] | None:
    """Return the RGB of a colour as in CSS; None if the text names none."""
    try:
        red, green, blue, *_ = ImageColor.getrgb(value)
    except ValueError:
        return None
    # Pillow does not look at the numbers in "rgb(300, 0, 0)".
    return (red, green, blue) if max(red, green, blue) <= 255 else None
