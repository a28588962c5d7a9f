"""Everything that can be set, in one frozen tree: defaults, bounds, and what each setting means."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ads.playlists.playlist import parse_hours
from ads.policies.settings import PolicySettings
from detector.analysis import AnalysisSettings
from detector.settings import Device
from monitor.settings.paths import default_database

DEFAULT_SITE = "default"
RETENTION_DAYS = 90
"""How long single readings are kept when nobody says otherwise."""

NoticeMode = Literal["bar", "required"]
"""There is no mode without a notice: the people who are measured have to be told."""

Policy = Literal["sequential", "shuffle", "weighted", "mood", "learn"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RecordingSettings(_Settings):
    """What the kiosk and a replay have in common.

    Attributes:
        playlist: YAML file or folder with the ads; `None` for the bundled samples.
        database: SQLAlchemy URL or path of an SQLite file.
        site: Name of the place, for reports.
        policy: How the next ad is chosen.
        guard_rails: Of the policy.
        model: Name of a shipped model or path of a `.keras` file; `None` for the default.
        device: Which runtime classifies.
        loops: Rounds through the playlist; `None` for no limit.
        duration_s: Longest length of the session in seconds; `None` for no limit.
        readings_per_second: Readings logged a second and viewer.
        measure_hours: Stretches of the day in which people are measured, such as "08:00-20:00", by
            the playlist's clock; empty for the whole day.
        report: Where to write a report at the end; `None` for none.
        analysis: How faces become readings.
    """

    playlist: Path | None = None
    database: str = Field(default_factory=default_database)
    site: str = Field(DEFAULT_SITE, min_length=1)
    policy: Policy = "sequential"
    guard_rails: PolicySettings = Field(default_factory=PolicySettings)
    model: str | None = None
    device: Device = "auto"
    loops: int | None = Field(None, ge=1)
    duration_s: float | None = Field(None, gt=0)
    readings_per_second: float = Field(10.0, gt=0, le=100)
    measure_hours: tuple[str, ...] = ()
    report: Path | None = None
    analysis: AnalysisSettings = Field(default_factory=AnalysisSettings)

    @field_validator("measure_hours")
    @classmethod
    def _readable_hours(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parse_hours(list(value))
        return value

    def logged(self) -> dict[str, object]:
        """The settings as they are kept with the session: no paths, and nothing that is stored elsewhere."""
        return self.model_dump(
            mode="json",
            exclude={"database", "report", "playlist", "site", "source", "video", "spool"},
        )


class RunSettings(RecordingSettings):
    """The kiosk.

    Attributes:
        source: As typed by the user; `None` for the first camera, else the demo viewer.
        headless: Do the same work without a window.
        fullscreen: Begin in full screen.
        overlay: Begin with the live readings shown.
        screen: Where the window begins, counted from 1; `None` leaves it to the system.
        picker: Ask which camera to use: always, never, or (`None`) when there are several and none
            was chosen before.
        volume: Of the ads' sound, 0 to 1.
        language: Of the window.
        notice: How the people in front of the screen are told: `bar` shows the notice below the ads
            from the first frame on; `required` shows it alone before the camera is opened, and
            measures nothing while it is not on the screen.
        notice_seconds: How long it is shown alone.
        notice_languages: Of the notice; empty for the window's language.
        notice_url: Where these people read more; empty leaves that out.
        retention_days: Single readings are deleted when they are so old, reports stay as they are;
            0 keeps them.
        spool: Folder in which records wait while the database cannot be written; `None` for beside
            the database.
        no_camera: Why no camera is opened and nothing is measured, in one sentence; `None` to
            measure.
        patient: Show the ads also while the camera or stream cannot be opened yet, and try again
            until it can; the demo viewer never takes its place.
    """

    source: str | None = None
    headless: bool = False
    fullscreen: bool = False
    overlay: bool = True
    screen: int | None = Field(None, ge=1)
    picker: bool | None = None
    volume: float = Field(1.0, ge=0, le=1)
    language: str = "en"
    notice: NoticeMode = "bar"
    notice_seconds: float = Field(5.0, gt=0, le=120)
    notice_languages: tuple[str, ...] = ()
    notice_url: str = ""
    retention_days: int = Field(RETENTION_DAYS, ge=0, le=36_500)
    spool: Path | None = None
    no_camera: str | None = None
    patient: bool = False


class ReplaySettings(RecordingSettings):
    """A recording, read as fast as the machine allows.

    Attributes:
        video: The recording.
    """

    video: Path
