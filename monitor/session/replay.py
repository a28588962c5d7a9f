"""A recording through the same pipeline, losslessly, with the ads placed on the recording's own clock."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import av

from ads.policies import make_policy
from ads.show.playback import PlaybackLog
from ads.show.schedule import VirtualShow
from db.write.records import SessionEnded
from detector.emotion.model_store import find_model
from monitor.errors import SessionFailedError, SetupError
from monitor.sensor.client import SensorProcess
from monitor.sensor.messages import Ended, Failed, FrameRead, Message, ProtocolError, Ready
from monitor.sensor.process import SensorSettings
from monitor.session.clock import SessionClock
from monitor.session.feedback import Feedback
from monitor.session.hours import MeasuringHours
from monitor.session.recorder import Recorder
from monitor.session.start import begin_session, load_ads, ready_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ads.playlists.playlist import Playlist
    from db.write.writer import SessionWriter
    from monitor.settings.models import ReplaySettings

logger = logging.getLogger(__name__)


def recorded_at(video: Path) -> datetime:
    """When a recording was made: its own creation time where the container has one, else the file's.

    It depends on the file alone, so that two replays give the same rows.
    """
    try:
        with av.open(str(video)) as container:
            stamp = container.metadata.get("creation_time", "")
        made = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    except (av.FFmpegError, ValueError):
        made = datetime.fromtimestamp(video.stat().st_mtime, timezone.utc)
    if made.tzinfo is None:
        made = made.replace(tzinfo=timezone.utc)
    return made.astimezone(timezone.utc)


def replay(
    settings: ReplaySettings, progress: Callable[[int, int], None] = lambda done, of: None
) -> int:
    """Replay a recording; returns the session's id.

    Args:
        settings: Of the replay.
        progress: Called after every frame with the frames done and the frames that the recording
            states (0: unknown).

    Raises:
        SetupError: The recording or the model cannot be used.
        SessionFailedError: The recording is cut off, or the sensor died; what was measured before
            is kept.
    """
    playlist = load_ads(settings.playlist)
    model = find_model(settings.model)
    database = ready_database(settings)
    sensor = SensorProcess(
        SensorSettings(
            source=str(settings.video.absolute()),
            lossless=True,
            model=str(model),
            device=settings.device,
            analysis=settings.analysis,
        )
    )
    try:
        ready = _first_message(sensor)
        clock = SessionClock(recorded_at(settings.video), 0)
        writer = begin_session(
            database,
            settings,
            source=settings.video.name,
            model=model,
            clock=clock,
            playlist=playlist,
        )
        end_ns = 0
        trouble = "the sensor died"
        log = PlaybackLog()
        recorder = Recorder(
            writer, log, clock, settings.readings_per_second, _hours(settings, playlist, clock)
        )
        show, feedback = _show(settings, playlist, log, writer, recorder)
        limit_ns = None if settings.duration_s is None else round(settings.duration_s * 1e9)
        reason = "failed"
        try:
            while (message := sensor.read()) is not None:
                if isinstance(message, Ended):
                    end_ns, trouble = message.at_ns, message.error
                    reason = "failed" if trouble else "finished"
                elif isinstance(message, FrameRead):
                    now_ns = message.frame.captured_ns
                    if show.finished or (limit_ns is not None and now_ns >= limit_ns):
                        trouble, reason = "", "finished"
                        end_ns = now_ns
                        break
                    show.advance(now_ns)
                    if not show.finished:
                        if recorder.record(message.frame):
                            feedback.record(message.frame)
                        end_ns = now_ns + round(1e9 / ready.frame_rate)
                        progress(recorder.frames, ready.frames)
        except (ProtocolError, KeyboardInterrupt) as error:
            trouble = "it was interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
            reason = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        finally:
            show.stop(end_ns)
            feedback.close()
            elapsed_s = end_ns / 1e9
            writer.close(
                SessionEnded(
                    ended_at=clock.at(end_ns),
                    end_reason=reason,
                    frames=recorder.frames,
                    dropped=0,
                    fps=recorder.frames / elapsed_s if elapsed_s else None,
                )
            )
    finally:
        sensor.close()
        database.engine.dispose()
    if writer.lost:
        raise SessionFailedError(
            f"Session {writer.session_id}: {writer.lost} records could not be written ({writer.error}); free the "
            "database and replay again."
        )
    if trouble:
        raise SessionFailedError(
            f"Session {writer.session_id} holds {recorder.frames} frames and then ends: {trouble}",
            writer.session_id,
        )
    return writer.session_id


def _hours(
    settings: ReplaySettings, playlist: Playlist, clock: SessionClock
) -> Callable[[int], bool]:
    """Whether people are measured at a moment, by the recording's own clock."""
    hours = MeasuringHours(settings.measure_hours)
    return lambda at_ns: hours.hold(playlist.local(clock.at(at_ns)))


def _show(
    settings: ReplaySettings,
    playlist: Playlist,
    log: PlaybackLog,
    writer: SessionWriter,
    recorder: Recorder,
) -> tuple[VirtualShow, Feedback]:
    """The show beside the recording; its policy begins anew, so that two replays give the same rows."""
    policy = make_policy(settings.policy, settings.guard_rails)
    feedback = Feedback(policy, log, writer, recorder)
    show = VirtualShow(
        playlist.ads,
        policy,
        log,
        feedback,
        loops=settings.loops,
        audience=feedback.audience,
        wash_out_s=settings.guard_rails.wash_out_s,
    )
    return show, feedback


def _first_message(sensor: SensorProcess) -> Ready:
    message: Message | None = None
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
