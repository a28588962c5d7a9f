"""How the kiosk is doing at one moment: what it tells other programs about itself.

It names no viewer: figures of the audience are sums over those present, and withheld for too few.
"""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from detector.sources.passwords import hide_passwords
from monitor.languages import lazy
from monitor.logs import default_log
from monitor.sensor.live import UNMEASURED
from monitor.session.machine import disk_of, resident_bytes, system_name, temperature_c
from monitor.settings.paths import sqlite_file
from monitor.version import VERSION

if TYPE_CHECKING:
    from ads.player.player import AdPlayer
    from monitor.session.active_session import ActiveSession
    from monitor.session.measuring import MeasuringSwitch
    from monitor.session.plays_today import PlaysToday
    from monitor.session.router import MessageRouter
    from monitor.settings.models import RunSettings

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


def read_health(
    settings: RunSettings,
    session: ActiveSession,
    player: AdPlayer,
    router: MessageRouter,
    *,
    measuring: MeasuringSwitch,
    plays: PlaysToday,
    notice_shown: bool | None,
    sensor_pid: int | None,
    min_viewers: int,
) -> KioskHealth:
    """Read the state of a running kiosk; from any thread, as it may wait for a disk.

    Args:
        settings: Of the kiosk.
        session: The one that runs.
        player: Of its ads.
        router: Of what its sensor says.
        measuring: Whether frames are recorded.
        plays: Counts its plays.
        notice_shown: As in the result.
        sensor_pid: Process id of the sensor, if it runs.
        min_viewers: Withhold what fewer viewers than this feel and do, at least 1.
    """
    now_ns = time.monotonic_ns()
    camera = _camera(settings, session, router)
    within_hours = session.recorder.may_measure(now_ns)
    if settings.no_camera is not None:
        state: Literal["running", "paused", "outside_hours", "ads_only"] = "ads_only"
    elif player.paused or not measuring.is_on:
        state = "paused"
    else:
        state = "running" if within_hours else "outside_hours"
    is_measuring = camera.state == "ok" and measuring.is_on and within_hours
    seen = session.feedback.figures(now_ns, min_viewers) if is_measuring else None
    health, play, writer = router.view.health, player.current, session.writer
    file = sqlite_file(settings.database)
    disk = disk_of(default_log() if file is None else file)
    pids = [os.getpid(), *([] if sensor_pid is None else [sensor_pid])]
    return KioskHealth(
        at=datetime.now(UTC),
        program_version=VERSION,
        model_name=session.model_name,
        uptime_s=round((now_ns - session.clock.ns) / 1e9, 1),
        session=writer.session_id or None,
        session_kind=session.kind,
        state=state,
        measuring=is_measuring,
        ad=None if play is None else AdOnAir(id=play.ad.ad_id, name=play.ad.name),
        plays_today=plays.count,
        viewers=None if seen is None else seen.viewers,
        attentive=None if seen is None else seen.attentive,
        shares=None if seen is None else seen.shares,
        valence=None if seen is None else seen.valence,
        camera=camera,
        fps=round(health.fps, 1) if health.state == "running" else None,
        notice_shown=notice_shown,
        disk_free_bytes=None if disk is None else disk.free,
        disk_total_bytes=None if disk is None else disk.total,
        temperature_c=temperature_c(),
        memory_rss_bytes=resident_bytes(*pids),
        os=system_name(),
        python=platform.python_version(),
        waiting_records=writer.waiting,
        lost_records=writer.lost,
    )


def _camera(settings: RunSettings, session: ActiveSession, router: MessageRouter) -> CameraHealth:
    health, since = router.view.health, session.recorder.utc(router.since_ns)
    if settings.no_camera is not None:
        return CameraHealth(state="off", since=since, detail=settings.no_camera)
    if health.state == "ended":
        return CameraHealth(state="off", since=since, detail=lazy("the recording is over"))
    if not router.is_ready or health.state in UNMEASURED:
        detail = hide_passwords(health.detail) or lazy("the sensor is not ready yet")
        return CameraHealth(state="lost", since=since, detail=detail)
    return CameraHealth(state="ok", since=since)
