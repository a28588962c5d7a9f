"""One run of the kiosk without its window: the parts of a session, started in order and stopped in reverse."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from ads.media.check import check_apart
from ads.player.player import AdPlayer
from ads.playlists.playlist import load_playlist
from ads.playlists.watcher import PlaylistWatcher
from ads.show.playback import PlaybackLog
from db.errors import DatabaseError
from db.write.records import SessionEnded
from detector.emotion.model_store import find_model
from detector.sources.v4l2 import cameras
from detector.sources.video_source import SourceSpec
from monitor.errors import SessionFailedError, SetupError
from monitor.sensor.camera_choice import lasting_source
from monitor.sensor.client import SensorDied, SupervisedSensor
from monitor.sensor.live import UNMEASURED, LiveView, SensorHealth, fault_state
from monitor.sensor.messages import Ended, FrameRead, HealthReport, SourceLost
from monitor.sensor.no_sensor import NoSensor
from monitor.sensor.process import SensorSettings
from monitor.session.clock import SessionClock
from monitor.session.feedback import Feedback, recent_starts, remembering_policy
from monitor.session.hours import MeasuringHours
from monitor.session.recorder import Recorder
from monitor.session.start import begin_session, load_ads, ready_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from ads.player.sound import SoundOutput
    from ads.playlists.playlist import Playlist
    from db.write.writer import SessionWriter
    from monitor.sensor.messages import Failed, Message
    from monitor.settings.models import RunSettings

logger = logging.getLogger(__name__)

SENSOR_START_LIMIT_S = 60.0
DEATHS_ALLOWED = 3
"""A sensor that dies so often before it was ever ready will not work; whoever starts the kiosk is told."""
PREVIEW_WIDTH_PX = 480
FIRST_RETRY_S, LONGEST_RETRY_S = 10.0, 60.0
"""Pauses between two attempts to open a camera that was not there at the start; each costs some seconds of computing."""
HEADLESS_VIEWPORT = (320, 180)
HOPELESS = ("ModelLoadError", "ZonesError")
"""Failures of the sensor that waiting does not mend."""

NO_SOURCE = "none"
"""What a session without a camera has as its source."""


@dataclass(slots=True)
class LateSource:
    """A camera or stream that was not there at the start.

    Attributes:
        due_s: When it is tried again, monotonic clock.
        tried: Whether that is under way.
    """

    due_s: float = 0.0
    tried: bool = False
    _pause_s: float = FIRST_RETRY_S

    def failed(self, now_s: float) -> None:
        """It is still not there: wait longer than before."""
        self.due_s, self.tried = now_s + self._pause_s, False
        self._pause_s = min(2 * self._pause_s, LONGEST_RETRY_S)


class Kiosk:
    """One run of the kiosk without its window: sensor, player, recorder and writer.

    Args:
        settings: Of the run.
        publish: Called with every new live view, from the sensor's thread.
        sound: Plays the sound of the ads; `None` for silence.

    Attributes:
        player: Asked for pictures by whoever shows them; available after `start`.
        session_id: Available after `start`; 0 until the database can be reached.

    Raises:
        SetupError: The source or the model cannot be used.
        PlaylistError, DatabaseError, ModelLoadError: As their names say.
    """

    def __init__(
        self,
        settings: RunSettings,
        publish: Callable[[LiveView], None],
        sound: SoundOutput | None = None,
    ) -> None:
        self._settings = settings
        self._publish = publish
        self._sound = sound
        self._playlist = load_ads(settings.playlist)
        self._database = ready_database(settings)
        self._engine = self._database.engine
        self._source = self._first_source()
        self._log = PlaybackLog()
        self._lock = threading.Lock()
        self._recorder: Recorder | None = None
        self._session_recorder: Recorder | None = None
        self._early_deaths = 0
        self._last_death = ""
        self._writer: SessionWriter | None = None
        self._feedback: Feedback | None = None
        self._watcher: PlaylistWatcher | None = None
        self._view = LiveView(SensorHealth("starting"))
        self._dropped = self._dropped_before = 0
        self._clock = SessionClock.now()
        self._stopped = False
        self._ended: Ended | None = None
        self._late: LateSource | None = None
        # Told once, so that a promotion in between cannot put another model on the session than the
        # sensor uses.
        self._model = find_model(settings.model) if settings.no_camera is None else None
        self._sensor = self._new_sensor()
        self.player: AdPlayer

    def _first_source(self) -> str:
        if self._settings.no_camera is not None:
            return NO_SOURCE
        nothing_there = "0" if self._settings.patient else "demo"
        return self._settings.source or (str(found[0]) if (found := cameras()) else nothing_there)

    def _new_sensor(self) -> SupervisedSensor | NoSensor:
        settings = self._settings
        if settings.no_camera is not None:
            return NoSensor(settings.no_camera, self._on_message)
        return SupervisedSensor(
            SensorSettings(
                # The session keeps what was typed; the sensor finds the same camera again under
                # another index.
                source=lasting_source(self._source),
                model=str(self._model),
                device=settings.device,
                preview_width_px=0 if settings.headless else PREVIEW_WIDTH_PX,
                analysis=settings.analysis,
            ),
            self._on_message,
            self._on_died,
        )

    @property
    def session_id(self) -> int:
        """Row id of the session; another one after a damaged database was replaced."""
        return 0 if self._writer is None else self._writer.session_id

    @property
    def database_problem(self) -> str | None:
        """What is wrong with the recording, in one sentence; `None` while all is well."""
        writer = self._writer
        if writer is None or (writer.error is None and not writer.lost):
            return None
        lost = f"{writer.lost} records are lost." if writer.lost else ""
        waits = f"{writer.waiting} records wait: {writer.error}" if writer.error is not None else ""
        return " ".join(part for part in (lost, waits) if part)

    @property
    def ended(self) -> str | None:
        """Why the run should end by itself, or `None` while it should go on."""
        if self._ended is not None:
            return "the recording is over"
        duration_s = self._settings.duration_s
        if duration_s is not None and time.monotonic_ns() - self._clock.ns >= duration_s * 1e9:
            return "the duration is over"
        return None

    def start(self, should_continue: Callable[[], bool]) -> bool:
        """Start the sensor, wait until it sees, then begin the session and the show.

        Args:
            should_continue: Asked about 20 times a second until the sensor is ready; `False` gives up the
                start.

        Returns:
            Whether the session has begun; not when the start was given up, which leaves nothing
            behind.

        Raises:
            SetupError: The source or the model cannot be used.
            SessionFailedError: The sensor dies again and again.
        """
        if not should_continue():
            self._engine.dispose()
            return False
        self._sensor.start()
        deadline = time.monotonic() + SENSOR_START_LIMIT_S
        wanted = True
        while wanted and not self._sensor.wait_settled(0.05) and time.monotonic() < deadline:
            wanted = should_continue() and self._early_deaths < DEATHS_ALLOWED
        failure = self._sensor.failure
        if failure is None and (not wanted or not should_continue()):
            self._sensor.stop()
            self._engine.dispose()
            if self._early_deaths >= DEATHS_ALLOWED:
                raise SessionFailedError(
                    f"The sensor died {self._early_deaths} times while it started ({self._last_death}); run again with "
                    "--debug to see why."
                )
            return False
        if failure is not None and self._may_come_later(failure):
            self._miss(failure)
            failure = None
        if failure is not None and self._settings.source is None and self._source != "demo":
            logger.warning("%s The demo viewer takes its place", failure.message)
            self._sensor.stop()
            self._source = "demo"
            self._sensor = self._new_sensor()
            return self.start(should_continue)
        if failure is not None:
            self._sensor.stop()
            self._engine.dispose()
            raise SetupError(failure.message)
        try:
            self._begin()
        except BaseException:
            self._sensor.stop()
            self._engine.dispose()
            raise
        return True

    def _may_come_later(self, failure: Failed) -> bool:
        """Whether a camera or stream that could not be opened is worth waiting for."""
        live = SourceSpec.parse(self._source).kind in {"camera", "stream"}
        return self._settings.patient and live and failure.kind not in HOPELESS

    def _miss(self, failure: Failed) -> None:
        """Go on without the sensor, which has ended, and try again later."""
        late = self._late = self._late or LateSource()
        late.failed(time.monotonic())
        logger.warning("%s The ads are shown without it, and it is tried again", failure.message)
        self._show(LiveView(SensorHealth("unavailable", failure.message)))

    def _try_late_source(self) -> None:
        """Start the sensor anew when that is due, and see what became of it."""
        late = self._late
        if late is None:
            return
        if late.tried and self._sensor.wait_settled(0):
            failure = self._sensor.failure
            if failure is None:
                self._late = None
            else:
                self._miss(failure)
        elif not late.tried and time.monotonic() >= late.due_s:
            late.tried = True
            self._source = self._first_source()
            self._sensor = self._new_sensor()
            self._sensor.start()

    @property
    def source(self) -> str:
        """What the sensor reads, as the session keeps it."""
        return (
            NO_SOURCE
            if self._settings.no_camera is not None
            else SourceSpec.parse(self._source).stored
        )

    @property
    def began_ns(self) -> int:
        """When the session began, monotonic clock."""
        return self._clock.ns

    def pause_measuring(self, cause: str, detail: str) -> None:
        """Record nothing of what the sensor sees until `measure` is called again, but that there is a gap.

        Args:
            cause: Short name, such as `notice`.
            detail: One sentence for a person.
        """
        with self._lock:
            recorder, self._recorder = self._recorder, None
            if recorder is not None:
                recorder.gap(cause, detail, time.monotonic_ns())

    def measure(self) -> None:
        """Begin to record what the sensor sees; called once the notice is on the screen. Harmless when repeated."""
        with self._lock:
            if self._recorder is not None:
                return
            self._recorder = self._session_recorder
            recorder, health = self._recorder, self._view.health
        if recorder is not None and (not self._sensor.worked or health.state in UNMEASURED):
            # What happened before there was a session would otherwise go unrecorded.
            cause = (
                health.cause or "sensor_starting"
                if self._settings.no_camera is None
                else "no_camera"
            )
            recorder.gap(cause, health.detail or "the sensor is not ready yet", self._clock.ns)

    def _begin(self) -> None:
        settings = self._settings
        clock = self._clock = SessionClock.now()
        writer = begin_session(
            self._database,
            settings,
            source=self.source,
            model=self._model,
            clock=clock,
            playlist=self._playlist,
        )
        hours = MeasuringHours(settings.measure_hours)
        recorder = Recorder(
            writer,
            self._log,
            clock,
            settings.readings_per_second,
            # By the clock on the wall, also after it was corrected: that is the one that staff go
            # by.
            lambda _at_ns: hours.hold(self._playlist.local(datetime.now(timezone.utc))),
        )
        self._writer = writer
        policy = remembering_policy(
            settings.policy, settings.guard_rails, self._engine, settings.site, clock.utc
        )
        feedback = self._feedback = Feedback(policy, self._log, writer, recorder)
        playlist = self._playlist
        self.player = AdPlayer(
            playlist.ads,
            policy,
            self._log,
            feedback,
            wall_clock=lambda: self._playlist.local(datetime.now(timezone.utc)),
            loops=settings.loops,
            sound=self._sound,
            viewport=HEADLESS_VIEWPORT,
            cross_fade_s=playlist.cross_fade_s,
            wash_out_s=settings.guard_rails.wash_out_s,
            audience=feedback.audience,
        )
        self.player.seed(recent_starts(self._engine, settings.site, clock, clock.utc))
        self._watcher = PlaylistWatcher(playlist, load=partial(load_playlist, check=check_apart))
        self._session_recorder = recorder
        self.player.start()

    def tick(self) -> None:
        """Take over the playlist if it has changed, and look for a camera that was not there; to be called a few times a
        second by the thread that drives the show.
        """
        self._try_late_source()
        watcher = self._watcher
        if watcher is not None and (changed := watcher.poll(time.monotonic_ns())) is not None:
            self._playlist = changed
            self.player.replace(changed.ads)

    @property
    def playlist(self) -> Playlist:
        """What is being shown."""
        return self._playlist

    @property
    def playlist_problem(self) -> str | None:
        """Why the last change of the playlist was not taken over, in one sentence; `None` where there is nothing to say."""
        return None if self._watcher is None else self._watcher.problem

    def stop(self, reason: str) -> None:
        """Stop the show, the sensor and the writer, in this order; harmless when repeated.

        Raises:
            SessionFailedError: Not everything could be written or stopped.
        """
        if self._stopped:
            return
        self._stopped = True
        self.player.stop()
        if self._watcher is not None:
            self._watcher.close()
        troubles = []
        if not self._sensor.stop():
            troubles.append("the sensor did not stop in time")
        now_ns = time.monotonic_ns()
        elapsed_s = (now_ns - self._clock.ns) / 1e9
        writer, recorder = self._writer, self._session_recorder
        if self._ended is not None and self._ended.error:
            reason = "failed"
            troubles.append(self._ended.error.rstrip("."))
        try:
            if writer is not None and recorder is not None:
                if self._feedback is not None:
                    self._feedback.close()
                writer.close(
                    SessionEnded(
                        ended_at=self._clock.at(now_ns),
                        end_reason=reason,
                        frames=recorder.frames,
                        dropped=self._dropped_before + self._dropped,
                        fps=recorder.frames / elapsed_s if elapsed_s > 0 else None,
                    )
                )
                if writer.lost:
                    troubles.append(f"{writer.lost} records could not be written")
        except DatabaseError as error:
            troubles.append(str(error))
        finally:
            self._engine.dispose()
        if troubles:
            raise SessionFailedError(
                f"Session {self.session_id}: {'; '.join(troubles)}.", self.session_id or None
            )

    def _on_message(self, message: Message) -> None:
        if isinstance(message, FrameRead):
            with self._lock:
                # Recorded under the lock: no frame is once `pause_measuring` has returned.
                if self._recorder is not None:
                    if not self._recorder.record(message.frame):
                        # Outside the hours of measuring nobody is shown in the overlay either.
                        self._show(LiveView(self._view.health, None, None))
                        return
                    if self._feedback is not None:
                        self._feedback.record(message.frame)
            preview = message.preview if message.preview is not None else self._view.preview
            self._show(LiveView(self._view.health, message.frame, preview))
        elif isinstance(message, HealthReport):
            self._dropped = message.health.dropped
            self._show(LiveView(message.health, self._view.frame, self._view.preview))
        elif isinstance(message, SourceLost):
            with self._lock:
                recorder = self._recorder
            if recorder is not None:
                recorder.gap(message.cause, message.detail, message.at_ns, message.since_ns)
            if message.cause != "format_changed":
                health = SensorHealth(
                    fault_state(message.cause), message.detail, cause=message.cause
                )
                self._show(LiveView(health, None, None))
            logger.warning("%s", message.detail)
        elif isinstance(message, Ended):
            self._ended = message
            self._show(LiveView(SensorHealth("ended"), self._view.frame, self._view.preview))

    def _on_died(self, death: SensorDied) -> None:
        self._dropped_before += self._dropped
        self._dropped = 0
        with self._lock:
            recorder = self._recorder
        if recorder is not None:
            recorder.gap(death.cause, death.detail, death.at_ns)
        elif not self._sensor.worked:
            self._early_deaths += 1
            self._last_death = death.detail
        self._show(
            LiveView(SensorHealth("restarting", death.detail, cause=death.cause), None, None)
        )

    def _show(self, view: LiveView) -> None:
        self._view = view
        self._publish(view)
