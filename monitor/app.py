"""The composition root: builds the parts of a session, starts them in order, and stops them in reverse."""

from __future__ import annotations

import logging
import signal
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

from ads.errors import AdsError
from ads.media_check import check_apart
from ads.playback import PlaybackLog
from ads.player import AdPlayer
from ads.playlist import load_playlist
from ads.sample import sample_playlist
from ads.watch import PlaylistWatcher
from db.errors import DatabaseError
from db.records import ModelRecord, SessionEnded, SessionRecord
from db.recovery import open_to_record
from db.writer import SessionWriter
from detector.model_card import find_model, read_card, require_emotions
from detector.video_source import SourceSpec, cameras
from monitor.camera_choice import lasting_source, list_cameras, save_choice, saved_choice
from monitor.config import ReplaySettings, RunSettings
from monitor.database_place import spool_folder, sqlite_file
from monitor.error_guard import FLOOD, ErrorGuard
from monitor.errors import SessionFailedError, SetupError
from monitor.pipeline.clock import SessionClock
from monitor.pipeline.feedback import Feedback, recent_starts, remembering_policy
from monitor.pipeline.hours import MeasuringHours
from monitor.pipeline.live import UNMEASURED, LiveView, SensorHealth, fault_state
from monitor.pipeline.messages import Ended, FrameRead, HealthReport, SourceLost
from monitor.pipeline.no_sensor import NoSensor
from monitor.pipeline.recorder import Recorder
from monitor.pipeline.sensor import SensorDied, SupervisedSensor
from monitor.pipeline.sensor_process import SensorSettings
from monitor.reports.roll_up import roll_up
from monitor.supervision.heartbeat import Heartbeat, Phase
from monitor.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PyQt5.QtGui import QScreen

    from ads.player import SoundOutput
    from ads.playlist import Playlist
    from db.recovery import Opened
    from monitor.config import RecordingSettings
    from monitor.pipeline.messages import Failed, Message
    from monitor.ui.bridge import LiveBridge
    from monitor.ui.notice_screen import NoticeScreen
    from monitor.ui.operator_facts import SessionFacts
    from monitor.ui.shutdown import Quitter
    from monitor.ui.window import KioskWindow

logger = logging.getLogger(__name__)

SENSOR_START_LIMIT_S = 60.0
DEATHS_ALLOWED = 3
"""A sensor that dies so often before it was ever ready will not work; whoever starts the kiosk is told."""
PREVIEW_WIDTH_PX = 480
FIRST_RETRY_S, LONGEST_RETRY_S = 10.0, 60.0
"""Pauses between two attempts to open a camera that was not there at the start; each costs some seconds of computing."""
HEADLESS_TICK_S = 0.02
HEADLESS_VIEWPORT = (320, 180)
CHECK_MS = 200
HOPELESS = ("ModelLoadError", "ZonesError")
"""Failures of the sensor that waiting does not mend."""

NO_SOURCE = "none"
"""What a session without a camera has as its source."""

TOO_MANY_ERRORS = f"more than {FLOOD} unexpected errors within a minute, see the log"


def load_ads(playlist: Path | None) -> Playlist:
    """The playlist that was asked for, or the bundled one.

    Raises:
        PlaylistError: It is wrong, or holds no playable ad.
    """
    # The bundled ads came with the program; whoever could change them could change that as well.
    return load_playlist(sample_playlist()) if playlist is None else load_playlist(playlist, check_apart)


def model_record(model: Path) -> ModelRecord:
    """The model that a session uses, as the database keeps it.

    Raises:
        ModelLoadError: It is not a model, or gives other labels than the seven emotions.
    """
    card = read_card(model)
    require_emotions(card)
    return ModelRecord(card.name, card.sha256, card.model_dump(mode="json"))


def ready_database(settings: RecordingSettings) -> Opened:
    """Open the database, migrate it, and finish what a crash left; a kiosk goes on also where it cannot be used now.

    Raises:
        DatabaseError: It cannot be used.
    """
    if isinstance(settings, RunSettings):
        return open_to_record(settings.database, spool_folder(settings.database, settings.spool))
    return open_to_record(settings.database, spool=False)


def begin_session(
    database: Opened,
    settings: RecordingSettings,
    *,
    source: str,
    model: Path | None,
    clock: SessionClock,
    playlist: Playlist,
) -> SessionWriter:
    """Write the start of a session, with what had to be left out or set aside, and start its writer."""
    skipped = [{"ad_id": ad.ad_id, "file": ad.path.name, "reason": ad.reason} for ad in playlist.skipped]
    aside = {} if database.set_aside is None else {"damaged_database": database.set_aside.name}
    days = settings.retention_days if isinstance(settings, RunSettings) else 0
    record = SessionRecord(
        kind="replay" if isinstance(settings, ReplaySettings) else "run",
        site=settings.site,
        source=source,
        started_at=clock.utc,
        program_version=VERSION,
        settings=settings.logged() | {"skipped_ads": skipped} | aside,
        model=None if model is None else model_record(model),
    )
    return SessionWriter(
        database.engine,
        record,
        roll_up=roll_up,
        spool=database.place,
        prepare=database.prepare,
        keep=timedelta(days=days) if days else None,
    )


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
        # Told once, so that a promotion in between cannot put another model on the session than the sensor uses.
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
                # The session keeps what was typed; the sensor finds the same camera again under another index.
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

    def start(self, go_on: Callable[[], bool]) -> bool:
        """Start the sensor, wait until it sees, then begin the session and the show.

        Args:
            go_on: Asked about 20 times a second until the sensor is ready; `False` gives up the start.

        Returns:
            Whether the session has begun; not when the start was given up, which leaves nothing behind.

        Raises:
            SetupError: The source or the model cannot be used.
            SessionFailedError: The sensor dies again and again.
        """
        if not go_on():
            self._engine.dispose()
            return False
        self._sensor.start()
        deadline = time.monotonic() + SENSOR_START_LIMIT_S
        wanted = True
        while wanted and not self._sensor.wait_settled(0.05) and time.monotonic() < deadline:
            wanted = go_on() and self._early_deaths < DEATHS_ALLOWED
        failure = self._sensor.failure
        if failure is None and (not wanted or not go_on()):
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
            return self.start(go_on)
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
        return NO_SOURCE if self._settings.no_camera is not None else SourceSpec.parse(self._source).stored

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
            cause = health.cause or "sensor_starting" if self._settings.no_camera is None else "no_camera"
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
            # By the clock on the wall, also after it was corrected: that is the one that staff go by.
            lambda _at_ns: hours.hold(self._playlist.local(datetime.now(timezone.utc))),
        )
        self._writer = writer
        policy = remembering_policy(settings.policy, settings.guard_rails, self._engine, settings.site, clock.utc)
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
            raise SessionFailedError(f"Session {self.session_id}: {'; '.join(troubles)}.", self.session_id or None)

    def _on_message(self, message: Message) -> None:
        with self._lock:
            recorder = self._recorder
        if isinstance(message, FrameRead):
            with self._lock:
                # Looked at again under the lock: no frame is recorded once `pause_measuring` has returned.
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
            if recorder is not None:
                recorder.gap(message.cause, message.detail, message.at_ns, message.since_ns)
            if message.cause != "format_changed":
                health = SensorHealth(fault_state(message.cause), message.detail, cause=message.cause)
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
        self._show(LiveView(SensorHealth("restarting", death.detail, cause=death.cause), None, None))

    def _show(self, view: LiveView) -> None:
        self._view = view
        self._publish(view)


def run_headless(settings: RunSettings, heartbeat: Heartbeat | None = None) -> int | None:
    """Run the kiosk without a window until it ends or is told to.

    Args:
        settings: Of the run.
        heartbeat: Tells the supervisor that all is well.

    Returns:
        The session's id; `None` when it was told to stop before the session began.

    Raises:
        SetupError, SessionFailedError: See `Kiosk`.
    """
    heartbeat = heartbeat or Heartbeat()
    stop = threading.Event()
    reason = ["finished"]

    def on_signal(number: int, _frame: object) -> None:
        reason[0] = f"stopped by {signal.Signals(number).name}"
        stop.set()

    def go_on() -> bool:
        heartbeat.beat(Phase.STARTING)
        return not stop.is_set()

    former = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with ErrorGuard() as guard:
            kiosk = Kiosk(_with_saved_camera(settings), lambda _view: None)
            if not kiosk.start(go_on):
                return None
            kiosk.measure()
            try:
                while not stop.wait(HEADLESS_TICK_S):
                    heartbeat.beat(Phase.SHOWING)
                    kiosk.tick()
                    kiosk.player.advance()
                    if kiosk.player.finished:
                        reason[0] = "all loops are done"
                        break
                    if kiosk.ended is not None:
                        reason[0] = kiosk.ended
                        break
                    if guard.flooded:
                        raise SessionFailedError(f"The session ended: {TOO_MANY_ERRORS}.", kiosk.session_id)
            except BaseException as error:
                reason[0] = "failed"
                kiosk.stop(reason[0])
                if isinstance(error, AdsError):
                    raise SessionFailedError(f"The ads stopped: {error}", kiosk.session_id) from error
                raise
            heartbeat.beat(Phase.CLOSING)
            kiosk.stop(reason[0])
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return kiosk.session_id


def _with_saved_camera(settings: RunSettings) -> RunSettings:
    """The settings with the camera that the operator has chosen before, unless another source is named."""
    named = settings.source is not None or settings.no_camera is not None
    kept = None if named else saved_choice(list_cameras())
    return settings if kept is None else settings.model_copy(update={"source": kept.source})


def run_window(settings: RunSettings, *, offscreen: bool = False, heartbeat: Heartbeat | None = None) -> int | None:
    """Run the kiosk with its window until it ends or is told to.

    Args:
        settings: Of the run.
        offscreen: Draw into memory, for a machine without a screen.
        heartbeat: Tells the supervisor that all is well.

    Returns:
        The session's id; `None` when it was told to stop before the session began.

    Raises:
        SetupError, SessionFailedError: See `Kiosk`.
    """
    from monitor.ui.application import create_application  # noqa: PLC0415 (only where there is a window)
    from monitor.ui.bridge import LiveBridge  # noqa: PLC0415
    from monitor.ui.pulse import Pulse  # noqa: PLC0415
    from monitor.ui.screens import find_screen  # noqa: PLC0415
    from monitor.ui.shutdown import Quitter, SignalHandler  # noqa: PLC0415
    from monitor.ui.sound import QtSound  # noqa: PLC0415

    application = create_application(offscreen=offscreen)
    screen = find_screen(settings.screen)
    bridge = LiveBridge()
    quitter = Quitter()
    failures: list[str] = []
    pulse = Pulse(heartbeat or Heartbeat())
    quitter.quitting.connect(pulse.stop)
    with ErrorGuard() as guard, SignalHandler(lambda name: quitter.quit(f"stopped by {name}")):
        chosen = _with_saved_camera(settings) if offscreen else _with_chosen_camera(settings, screen, quitter)
        if chosen is None:
            return None
        settings = chosen
        sound = QtSound(volume=settings.volume)
        kiosk = Kiosk(settings, bridge.publish, sound)
        wanted = settings.notice == "required" and settings.no_camera is None
        first = _notice_alone(settings, screen, quitter) if wanted else None

        def go_on() -> bool:
            application.processEvents()
            return not quitter.entered

        try:
            if not kiosk.start(go_on):
                return None
            quitter.add("the kiosk", lambda: kiosk.stop(quitter.reason or "stopped"))
            quitter.add("the sound", sound.close)
            quitter.add("the bridge", bridge.close)
            window = _open_window(kiosk, bridge, settings, screen, quitter, guard)
            window.failed.connect(failures.append)
            window.failed.connect(lambda: quitter.quit("failed"))
            pulse.watch(window.ad_view)
        finally:
            if first is not None:
                first.dismiss()
        application.exec_()
    if failures:
        raise SessionFailedError(f"The ads stopped: {failures[0]}", kiosk.session_id)
    if guard.flooded:
        raise SessionFailedError(f"The session ended: {TOO_MANY_ERRORS}.", kiosk.session_id)
    for name, error in quitter.errors:
        if isinstance(error, SessionFailedError):
            raise error
        raise SessionFailedError(f"Closing {name} failed: {error}", kiosk.session_id) from error
    return kiosk.session_id


def _open_window(  # noqa: PLR0917 (the parts of one session, handed over once)
    kiosk: Kiosk,
    bridge: LiveBridge,
    settings: RunSettings,
    screen: QScreen | None,
    quitter: Quitter,
    guard: ErrorGuard,
) -> KioskWindow:
    """Open the window of a session that has begun; the caller keeps it until the application's loop has ended."""
    from PyQt5.QtCore import QTimer  # noqa: PLC0415 (only where there is a window)

    from monitor.ui.application import APPLICATION_NAME  # noqa: PLC0415
    from monitor.ui.screen_saver import ScreenSaverHold  # noqa: PLC0415
    from monitor.ui.window import KioskWindow  # noqa: PLC0415

    saver = ScreenSaverHold(APPLICATION_NAME)
    saver.hold()
    quitter.add("the screen saver's hold", saver.release)
    window = KioskWindow(
        kiosk.player,
        bridge,
        language=settings.language,
        notice_languages=settings.notice_languages or None,
        notice_url=settings.notice_url,
        notice_required=settings.notice == "required",
        measures=settings.no_camera is None,
        fullscreen=settings.fullscreen,
        screen=screen,
        overlay=settings.overlay,
        session=_session_facts(kiosk, settings, guard),
        saver=lambda: saver.method,
    )
    quitter.add("the window", window.close)

    def check() -> None:
        if guard.flooded:
            quitter.quit("failed")
            return
        kiosk.tick()
        if kiosk.ended is not None:
            quitter.quit(kiosk.ended)

    # Nothing is recorded before the notice was painted.
    window.notice_shown.connect(kiosk.measure)
    if settings.notice == "required":
        window.notice_hidden.connect(lambda: kiosk.pause_measuring("notice", "the notice was not on the screen"))
    window.quit_requested.connect(lambda: quitter.quit("the window was closed"))
    window.finished.connect(lambda: quitter.quit("all loops are done"))
    checks = QTimer(window)
    checks.timeout.connect(check)
    checks.start(CHECK_MS)
    quitter.add("the checks", checks.stop)
    window.begin()
    return window


def _session_facts(kiosk: Kiosk, settings: RunSettings, guard: ErrorGuard) -> SessionFacts:
    """What the operator panel says about a session that has begun."""
    from monitor.ui.operator_facts import SessionFacts  # noqa: PLC0415

    file = sqlite_file(settings.database)
    return SessionFacts(
        session_id=kiosk.session_id,
        site=settings.site,
        source=kiosk.source,
        database=settings.database,
        database_folder=None if file is None else file.absolute().parent,
        version=VERSION,
        began_ns=kiosk.began_ns,
        playlist_problem=lambda: kiosk.playlist_problem,
        database_problem=lambda: kiosk.database_problem,
        left_out=lambda: [(ad.ad_id, ad.reason) for ad in kiosk.playlist.skipped],
        errors=lambda: guard.count,
    )


def _with_chosen_camera(settings: RunSettings, screen: QScreen | None, quitter: Quitter) -> RunSettings | None:
    """The settings with the camera to use, asked for where that is not clear; `None` if the operator gives up.

    It is asked when there are several cameras and none of them was chosen before; what a person chooses is kept.
    """
    if settings.source is not None or settings.no_camera is not None:
        return settings
    there = list_cameras()
    kept = saved_choice(there)
    unclear = kept is None and len(there) > 1 if settings.picker is None else settings.picker
    if unclear and there:
        from monitor.ui.camera_picker import CameraPicker  # noqa: PLC0415
        from monitor.ui.screens import put_on_screen, scale_of  # noqa: PLC0415
        from monitor.ui.texts import texts_for  # noqa: PLC0415

        picker = CameraPicker(there, texts_for(settings.language), scale=scale_of(screen), first=kept)
        quitter.quitting.connect(picker.reject)
        put_on_screen(picker, screen)
        picker.exec_()
        if picker.cancelled or quitter.entered:
            return None
        kept = picker.chosen
        if kept is not None and picker.by_hand:
            save_choice(kept)
    return settings if kept is None else settings.model_copy(update={"source": kept.source})


def _notice_alone(settings: RunSettings, screen: QScreen | None, quitter: Quitter) -> NoticeScreen:
    """Show the notice alone until it was on the screen for the time that is required, or the program is told to end.

    Returns:
        The window with the notice, which stays until the ads are there.
    """
    from PyQt5.QtCore import QEventLoop  # noqa: PLC0415 (only where there is a window)

    from monitor.ui.notice_screen import NoticeScreen  # noqa: PLC0415
    from monitor.ui.screens import put_on_screen  # noqa: PLC0415
    from monitor.ui.texts import texts_for  # noqa: PLC0415

    languages = settings.notice_languages or (settings.language,)
    notice = NoticeScreen(
        [texts_for(code) for code in languages],
        settings.notice_url,
        settings.notice_seconds,
        texts_for(settings.language),
    )
    loop = QEventLoop()
    notice.shown.connect(loop.quit)
    notice.quit_requested.connect(lambda: quitter.quit("the window was closed"))
    quitter.quitting.connect(loop.quit)
    put_on_screen(notice, screen)
    notice.begin(fullscreen=settings.fullscreen)
    loop.exec_()
    return notice
