"""Read how the running kiosk is doing."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from detector.sources.passwords import hide_passwords
from monitor.health import AdOnAir, CameraHealth, KioskHealth
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
