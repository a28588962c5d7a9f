"""Measures a recording losslessly, with the ads placed on the recording's clock."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import av

from ads.show.schedule import VirtualShow
from detector.emotion.model_store import find_model
from monitor.errors import SessionFailedError, SessionInterruptedError, SetupError
from monitor.sensor.client import SensorProcess
from monitor.sensor.messages import Ended, Failed, FrameRead, ProtocolError, Ready, ShadowCounted
from monitor.sensor.process import SensorSettings
from monitor.session.active_session import ActiveSession, ready_database, require_models
from monitor.session.clock import SessionClock
from monitor.session.playlist_loading import load_ads
from monitor.settings.time_zone import local_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from monitor.session.measured_recording import MeasuredRecording
    from monitor.settings.models import ReplaySettings

logger = logging.getLogger(__name__)


def recorded_at(video: Path) -> datetime:
    """Return when a recording was made: by its metadata, else its file, so the same every time."""
    try:
        with av.open(str(video.absolute())) as container:
            stamp = container.metadata.get("creation_time", "")
        made = datetime.fromisoformat(stamp)
    except (av.FFmpegError, ValueError):
        made = datetime.fromtimestamp(video.stat().st_mtime, UTC)
    return made.replace(tzinfo=made.tzinfo or UTC).astimezone(UTC)


def named_start(named: datetime | None, zone: str | None) -> datetime | None:
    """Return `--started-at` in UTC; without an offset it is in `zone`, else in the machine's.

    Raises:
        SetupError: It is in the future.
    """
    if named is None:
        return None
    given = named
    if named.tzinfo is None and zone is not None:
        named = named.replace(tzinfo=ZoneInfo(zone))
    began = named.astimezone(UTC)
    if began > datetime.now(UTC):
        raise SetupError(
            f"Invalid --started-at: expected a time in the past, received {given}; check the date."
        )
    return began


def sensor_settings(settings: ReplaySettings, model: Path) -> SensorSettings:
    """Return what a sensor needs to measure the recording."""
    return SensorSettings(
        source=str(settings.video.absolute()),
        lossless=True,
        model=str(model),
        device=settings.device,
        shadow_model=settings.shadow_model,
        analysis=settings.analysis,
    )


def replay(
    settings: ReplaySettings,
    progress: Callable[[int, int], None] = lambda done, of: None,
    measured: MeasuredRecording | None = None,
) -> int:
    """Replay a recording; return the session's id.

    Args:
        progress: Called after every frame with the frames done and the frames stated (0: unknown).
        measured: What a sensor said about this recording before. None: start one.

    Raises:
        SetupError: The recording or the model cannot be used.
        SessionFailedError: The recording is cut off, or the sensor died.
    """
    playlist = load_ads(settings.playlist)
    began_at = named_start(settings.started_at, playlist.timezone or settings.timezone)
    model = find_model(settings.model)
    require_models(settings, model)
    database = ready_database(settings)
    sensor = measured or SensorProcess(sensor_settings(settings, model))
    try:
        ready = _wait_until_ready(sensor)
        clock = SessionClock(began_at or recorded_at(settings.video), 0)
        session = ActiveSession(
            database,
            settings,
            source=settings.video.name,
            kind="replay",
            model=model,
            clock=clock,
            playlist=playlist,
            local_time=lambda at_ns: local_time(
                clock.at(at_ns), playlist.timezone, settings.timezone
            ),
        )
        show = VirtualShow(
            playlist.ads,
            session.policy,
            session.log,
            session.feedback,
            loops=settings.loops,
            audience=session.feedback.audience,
            wash_out_s=settings.guard_rails.wash_out_s,
        )
        trouble, reason = _measure(sensor, session, show, settings, ready, progress)
    finally:
        sensor.close()
        database.engine.dispose()
    writer, number = session.writer, session.writer.session_id
    if writer.lost:
        lost = f"{writer.lost} records could not be written ({writer.error})"
        raise SessionFailedError(f"Session {number}: {lost}; free the database and replay again.")
    if trouble:
        frames = f"{session.recorder.frames} frames"
        failed = SessionInterruptedError if reason == "stopped" else SessionFailedError
        raise failed(f"Session {number} holds {frames} and then ends: {trouble}", number)
    return number


def _measure(  # noqa: PLR0917 (the parts of one replay, handed over once)
    sensor: SensorProcess | MeasuredRecording,
    session: ActiveSession,
    show: VirtualShow,
    settings: ReplaySettings,
    ready: Ready,
    progress: Callable[[int, int], None],
) -> tuple[str, str]:
    """Record the recording to its end; return why it ended early (or nothing), and the reason."""
    recorder = session.recorder
    limit_ns = (settings.duration_s or float("inf")) * 1e9
    end_ns, trouble, reason = 0, "the sensor died", "failed"
    try:
        while (message := sensor.read()) is not None:
            if isinstance(message, Ended):
                end_ns, trouble = message.at_ns, message.error
                reason = "failed" if trouble else "finished"
            elif isinstance(message, ShadowCounted):
                recorder.record_shadow(message.counts)
            elif isinstance(message, FrameRead):
                now_ns = message.frame.captured_ns
                if show.finished or now_ns >= limit_ns:
                    end_ns, trouble, reason = now_ns, "", "finished"
                    break
                show.advance(now_ns)
                if not show.finished:
                    if recorder.record(message.frame):
                        session.feedback.record(message.frame)
                    end_ns = now_ns + round(1e9 / ready.frame_rate)
                    progress(recorder.frames, ready.frames)
    except KeyboardInterrupt:
        trouble, reason = "it was interrupted", "stopped"
    except ProtocolError as error:
        trouble, reason = str(error), "failed"
    finally:
        show.stop(end_ns)
        session.close(end_ns, reason)
    return trouble, reason


def _wait_until_ready(sensor: SensorProcess | MeasuredRecording) -> Ready:
    try:
        while (message := sensor.read()) is not None:
            if isinstance(message, Ready):
                return message
            if isinstance(message, Failed):
                raise SetupError(message.message)
    except ProtocolError:
        logger.debug("The sensor died within its first message", exc_info=True)
    raise SessionFailedError(
        f"The sensor {sensor.close()} before it was ready; run with --debug to see more."
    )
