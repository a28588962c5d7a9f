"""The YAML format of a playlist: its keys, their bounds, and one sentence for each mistake."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ads.errors import PlaylistError
from ads.media.decode import MAX_DURATION_S
from ads.playlists.playlist import DAYS, MAX_CROSS_FADE_S, parse_hours
from ads.playlists.yaml_file import YamlFileError
from ads.playlists.yaml_list import nearest, read_yaml_list
from detector.emotion.labels import EMOTIONS

if TYPE_CHECKING:
    from pathlib import Path


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
        min_length=1,
        description="expected text that is not empty (in quotes if it is a number)",
    )
    file: str = Field(min_length=1, description="expected a path relative to the playlist")
    name: str | None = Field(None, min_length=1, description="expected text that is not empty")
    duration_s: float | None = Field(
        None,
        gt=0,
        le=MAX_DURATION_S,
        description="expected a number of seconds above 0, "
        f"of at most a day ({MAX_DURATION_S:.0f})",
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
    max_per_hour: int | None = Field(
        None, ge=1, description="expected a whole number of at least 1"
    )
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
        return self.id or PurePosixPath(self.file).stem

    @field_validator("file")
    @classmethod
    def _stays_in_the_folder(cls, value: str) -> str:
        path = PurePosixPath(value)
        if path.is_absolute() or ".." in path.parts or path.name in ("", ".") or "\0" in value:
            raise ValueError(
                "expected a path below the playlist's folder, without '..' and not absolute"
            )
        return value

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


def read_playlist_file(path: Path) -> tuple[PlaylistHead, list[Entry]]:
    """Read a playlist's YAML file, not its media; `PlaylistError` if it breaks the format."""
    fields = {**PlaylistHead.model_fields, **Entry.model_fields}
    expected = {key: str(field.description) for key, field in fields.items()}
    try:
        return read_yaml_list(
            path,
            "playlist",
            PlaylistHead,
            Entry,
            labels=("id", "file"),
            expected=expected,
            form="a YAML file or a folder of media",
        )
    except YamlFileError as error:
        raise PlaylistError(str(error)) from None
