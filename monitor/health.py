"""How a kiosk is doing at one moment: what it tells other programs about itself.

It names no viewer: figures of the audience are sums over those present, and withheld for too few.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    # A hub takes what it knows from a kiosk that is newer than itself.
    model_config = ConfigDict(frozen=True, extra="ignore")


class AdOnAir(_Part):
    """The ad on the screen."""

    id: str
    name: str


class CameraHealth(_Part):
    """Whether the camera can be measured from.

    Attributes:
        state: `ok`; `lost` while no usable picture comes; `off` without a camera.
        since: When this state began.
        detail: Why, in one sentence; empty while all is well.
    """

    state: Literal["ok", "lost", "off"]
    since: AwareDatetime
    detail: str = ""


class KioskHealth(_Part):
    """The state of a kiosk at one moment; what is unknown is `None`.

    Attributes:
        at: When it was read, UTC.
        model_name: The emotion model; `None` without a camera.
        uptime_s: Seconds since the session began.
        session: Its number in the kiosk's database; `None` until that can be written.
        session_kind: `demo` and `replay` sessions do not show people in front of the screen.
        state: `ads_only` without a camera; `paused` while an operator has paused the show, or a
            required notice is not on the screen; `outside_hours` outside the hours of measuring.
        measuring: Whether people are measured now.
        plays_today: Plays at the site since the venue's midnight.
        viewers: In view now; `None` while nobody can be counted.
        attentive: Those of them who look at the screen; `None` for too few viewers.
        shares: Of the groups of expressions in the audience, adding up to 1; `None` for too few.
        valence: From -1 (negative) to 1 (happy); `None` for too few.
        fps: Frames analysed a second; `None` while the sensor does not run.
        notice_shown: Whether the privacy notice is on the screen; `None` without a window.
        disk_free_bytes, disk_total_bytes: Of the disk with the database, or with the log if the
            database is on a server.
        temperature_c: Of the processor.
        memory_rss_bytes: Of the kiosk's process and its sensor's.
        waiting_records, lost_records: Records of the session not yet stored, and never stored.
    """

    at: AwareDatetime
    program_version: str
    model_name: str | None
    uptime_s: Annotated[float, Field(ge=0)]
    session: int | None
    session_kind: Literal["live", "replay", "demo"]
    state: Literal["running", "paused", "outside_hours", "ads_only"]
    measuring: bool
    ad: AdOnAir | None
    plays_today: Count
    viewers: Count | None
    attentive: Count | None
    shares: dict[str, Share] | None
    valence: Annotated[float, Field(ge=-1, le=1)] | None
    camera: CameraHealth
    fps: Annotated[float, Field(ge=0)] | None
    notice_shown: bool | None
    disk_free_bytes: Count | None
    disk_total_bytes: Count | None
    temperature_c: float | None
    memory_rss_bytes: Count | None
    os: str
    python: str
    waiting_records: Count
    lost_records: Count

    def has_changed(self, before: KioskHealth | None) -> bool:
        """Return whether something happened to the kiosk that others should hear of at once.

        What changes all the time, such as the ad, the audience and the machine's figures, does not.
        """
        return before is None or self._condition != before._condition

    @property
    def _condition(self) -> tuple[object, ...]:
        return (
            *(self.session, self.state, self.measuring, self.camera.state, self.notice_shown),
            *(self.program_version, self.model_name, self.lost_records > 0),
        )
