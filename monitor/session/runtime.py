"""One run of the kiosk without its window: builds its parts and stops them in reverse."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ads.player.player import AdPlayer
from db.engine import check_database
from db.errors import DatabaseError
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_store import find_model
from detector.sources.opening import open_source
from detector.sources.v4l2 import cameras
from detector.sources.video_source import SourceSpec
from monitor.errors import SessionFailedError, SetupError
from monitor.languages import lazy
from monitor.sensor.camera_choice import lasting_source
from monitor.sensor.client import SupervisedSensor
from monitor.sensor.live import LiveView, SensorHealth
from monitor.sensor.process import SensorSettings
from monitor.session.active_session import ActiveSession, ready_database, require_models
from monitor.session.clock import ClockWatch, SessionClock
from monitor.session.experiments import BlockWatcher
from monitor.session.feedback import plays_since, recent_starts
from monitor.session.health import read_health
from monitor.session.hub_commands import HubCommands
from monitor.session.measuring import MeasuringSwitch
from monitor.session.playlist_loading import load_ads
from monitor.session.plays_today import PlaysToday
from monitor.session.publishing import Publishing
from monitor.session.router import MessageRouter
from monitor.session.show_stage import ShowStage
from monitor.settings.time_zone import local_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from ads.player.sound import SoundOutput
    from ads.playlists.playlist import Playlist
    from db.write.records import SessionKind
    from detector.emotion.labels import LabelSet
    from detector.emotion.prevalence import PrevalenceCalibration
    from monitor.health import KioskHealth
    from monitor.settings.models import RunSettings
    from monitor.uplink.status import UplinkStatus

logger = logging.getLogger(__name__)

MAX_EARLY_DEATHS = 3
"""A sensor that dies this often before it was ever ready will not work, and the start fails."""


def check_settings(settings: RunSettings) -> None:
    """Refuse what `KioskRuntime` would refuse at every start, without starting or writing anything.

    A camera or a database server that is away now may be back by then.

    Raises:
        SourceOpenError, PlaylistError, DatabaseError, ModelLoadError: As their names say.
    """
    if settings.camera and settings.source is not None:
        spec = SourceSpec.parse(settings.source)
        if spec.kind == "file":
            open_source(spec).close()
    if settings.playlist is not None:
        # Hashing large clips would find no further mistakes.
        load_ads(settings.playlist, max_hashed_bytes=64 << 20)
    check_database(settings.database)
    if settings.camera and (settings.model or settings.shadow_model):
        require_models(settings, find_model(settings.model))


class KioskRuntime:
    """One run of the kiosk: playlist and player (after `start`), sensor and session.

    `publish` is called with every new live view, from the sensor's thread, and `announce` with
    every code that somebody should accept on the hub, from another one.

    Attributes:
        player: Plays the ads.
        commands: What the hub may order; a window says there how it does its part.
        notice_shown: Whether the privacy notice is on the screen, as the window says; `None`
            without one.

    Raises:
        SetupError: The source or the model cannot be used.
        ModelLoadError: The model cannot be read.
    """

    player: AdPlayer

    def __init__(
        self,
        settings: RunSettings,
        publish: Callable[[LiveView], None],
        sound: SoundOutput | None = None,
        announce: Callable[[str], None] = lambda _code: None,
    ) -> None:
        self._settings = settings
        self._sound = sound
        self._measuring = MeasuringSwitch()
        self._router = MessageRouter(self._measuring, publish)
        # Found once, so that a promotion in between cannot give session and sensor two models.
        self._model = None if settings.no_camera is not None else find_model(settings.model)
        if self._model is not None:
            require_models(settings, self._model)
        self._sensor: SupervisedSensor | None = None
        self._source = _find_source(settings) if settings.source is None else settings.source
        self._session: ActiveSession | None = None
        self._stage = ShowStage(settings.playlist)
        self.commands = HubCommands(settings)
        self._clock_watch: ClockWatch | None = None
        self._blocks: BlockWatcher | None = None
        self._publishing = Publishing(
            settings, self.health, announce, self._stage, self.commands.perform
        )
        self._stopped = False
        self.notice_shown: bool | None = None

    @property
    def calibration(self) -> PrevalenceCalibration | None:
        """How the model's probabilities become shares of an audience, if its card says so."""
        return None if self._session is None else self._session.calibration

    @property
    def labels(self) -> LabelSet:
        """The label set of the model."""
        return EMOTIONS if self._session is None else self._session.labels

    @property
    def session_id(self) -> int:
        """Row id of the session; 0 until the database can be reached."""
        return 0 if self._session is None else self._session.writer.session_id

    @property
    def source(self) -> str:
        """What the sensor reads, as the session keeps it; `none` without a camera."""
        if self._settings.no_camera is not None:
            return "none"
        return SourceSpec.parse(self._source).stored

    @property
    def session_kind(self) -> SessionKind:
        """Whose reactions the session holds; people in a recording are not at the screen."""
        if self._settings.no_camera is not None:
            return "live"
        kind = SourceSpec.parse(self._source).kind
        return "demo" if kind == "demo" else "replay" if kind == "file" else "live"

    @property
    def began_ns(self) -> int:
        """When the session began, monotonic clock."""
        return 0 if self._session is None else self._session.clock.ns

    @property
    def database_problem(self) -> str | None:
        """What is wrong with the recording, in one sentence; `None` while all is well."""
        return None if self._session is None else self._session.database_problem

    @property
    def playlist_problem(self) -> str | None:
        """Why the last change of the playlist was not taken over, in one sentence, or `None`."""
        return self._stage.problem

    @property
    def playlist(self) -> Playlist:
        """What is shown now, the kiosk's own playlist or that of its hub; once `start` is done."""
        return self._stage.playlist

    @property
    def ended(self) -> str | None:
        """Why the run should end by itself, or `None` while it should go on."""
        if self._router.ended is not None:
            return "the recording is over"
        if self.commands.is_restart_due:
            return "the hub asked for a restart"
        limit_s = self._settings.duration_s
        if limit_s is not None and time.monotonic_ns() - self.began_ns >= limit_s * 1e9:
            return "the duration is over"
        return None

    def start(self, should_continue: Callable[[], bool]) -> bool:
        """Load the playlist, start the sensor, wait until it sees, then begin session and show.

        Return whether they have begun; if not, as `should_continue`, asked about 20 times a second,
        said `False`, nothing is left behind.

        Raises:
            PlaylistError, DatabaseError: Nothing can be played, or nothing recorded.
            SetupError: The source or the model cannot be used.
            SessionFailedError: The sensor dies again and again.
        """
        if not self._stage.begin(should_continue, self._publishing.playlist_of_hub):
            return False
        self._database = ready_database(self._settings)
        with ExitStack() as undo:
            undo.callback(self._database.engine.dispose)
            undo.callback(lambda: self._sensor and self._sensor.stop())
            undo.callback(self._publishing.stop)
            self._publishing.start(self._database.engine)
            if should_continue() and self._start_sensor(should_continue):
                self._begin()
                undo.pop_all()
                return True
        return False

    @property
    def uplink(self) -> UplinkStatus:
        """How it is between this kiosk and its hub."""
        return self._publishing.uplink

    def _start_sensor(self, should_continue: Callable[[], bool]) -> bool:
        """Start the sensor and wait until it is ready or waits; return whether to begin."""
        if self._settings.no_camera is not None:
            self._router.show(LiveView(SensorHealth("unavailable", self._settings.no_camera)))
            return True
        of_sensor = _sensor_settings(self._settings, self._source, str(self._model))
        router = self._router
        sensor = self._sensor = SupervisedSensor(of_sensor, router.on_message, router.on_died)
        sensor.start()
        deaths = self._router.early_deaths
        # The show begins without a sensor that is slow to start.
        deadline = time.monotonic() + 60
        is_wanted = True
        while is_wanted and not sensor.wait_settled(0.05) and time.monotonic() < deadline:
            is_wanted = should_continue() and len(deaths) < MAX_EARLY_DEATHS
        if sensor.failure is None:
            if not is_wanted and len(deaths) >= MAX_EARLY_DEATHS:
                died = f"died {len(deaths)} times while it started ({deaths[-1]})"
                raise SessionFailedError(f"The sensor {died}; run again with --debug to see why.")
            return is_wanted and should_continue()
        if self._settings.source is not None or self._source == "demo":
            raise SetupError(sensor.failure.message)
        _warn_of_demo(sensor.failure.message, self._settings)
        sensor.stop()
        self._source = "demo"
        return self._start_sensor(should_continue)

    def _begin(self) -> None:
        settings, playlist = self._settings, self.playlist
        clock = SessionClock.now()
        self._clock_watch = ClockWatch(clock)
        session = self._session = ActiveSession(
            self._database,
            settings,
            source=self.source,
            kind=self.session_kind,
            model=self._model,
            clock=clock,
            playlist=playlist,
            # The wall clock, also after it was corrected: staff go by it.
            local_time=lambda _at_ns: self._local_now(),
        )
        self._blocks = BlockWatcher(
            self._database.engine, settings.site, self._publishing.blocks_of_hub
        )
        self._plays = PlaysToday(self._local_now, session.feedback)
        self.player = AdPlayer(
            playlist.ads,
            session.policy,
            session.log,
            self._plays,
            wall_clock=self._local_now,
            loops=settings.loops,
            sound=self._sound,
            viewport=(320, 180),  # until a window says how large it is
            cross_fade_s=playlist.cross_fade_s,
            wash_out_s=settings.guard_rails.wash_out_s,
            audience=session.feedback.audience,
            blocks=self._blocks.schedule,
            filler=playlist.filler,
        )
        self._seed(session)
        self.commands.player = self.player
        self.player.start()
        self._publishing.begin()

    def _seed(self, session: ActiveSession) -> None:
        clock, engine, site = session.clock, self._database.engine, self._settings.site
        self.player.seed(recent_starts(engine, site, clock, clock.utc))
        midnight = self._local_now().replace(hour=0, minute=0, second=0, microsecond=0)
        self._plays.seed(plays_since(engine, site, midnight.astimezone(UTC)))

    def health(self, min_viewers: int) -> KioskHealth:
        """Return the kiosk's state now, see `read_health`; once `start` has begun the session.

        Thread-safe, but not for the thread of the show: it may wait for a disk.
        """
        if self._session is None:
            raise SessionFailedError("The session has not begun; call start() first.")
        return read_health(
            self._settings,
            self._session,
            self.player,
            self._router,
            measuring=self._measuring,
            plays=self._plays,
            notice_shown=self.notice_shown,
            sensor_pid=None if self._sensor is None else self._sensor.pid,
            min_viewers=min_viewers,
        )

    def _local_now(self) -> datetime:
        return local_time(datetime.now(UTC), self.playlist.timezone, self._settings.timezone)

    def measure(self) -> None:
        """Begin to record, once the notice is visible; harmless when repeated."""
        session = self._session
        if session is None or not self._measuring.start(session):
            return
        # What happened before there was a session would otherwise go unrecorded.
        if (gap := self._router.gap) is not None:
            cause, detail = gap
            if self._settings.no_camera is not None:
                cause = "no_camera"
            session.recorder.gap(cause, detail, session.clock.ns)

    def pause_measuring(self, cause: str, detail: str) -> None:
        """Record nothing but a gap until `measure` is called again, see `MeasuringSwitch.pause`."""
        self._measuring.pause(cause, detail)

    def tick(self) -> None:
        """Take over a changed playlist or experiment, and follow the wall clock if it was set.

        Also do what the hub ordered. Call it a few times a second from the show's thread.
        """
        if self._session is not None and self._clock_watch is not None:
            step = self._session.follow_clock(self._clock_watch)
            if step is not None and abs(step) > timedelta(hours=1):
                # The start looked up what was shown in the hour before a wrong time.
                self._seed(self._session)
        if self._blocks is not None:
            self._blocks.poll(time.monotonic_ns())
        self._stage.poll(self.player, time.monotonic_ns())
        self.commands.poll()

    def stop(self, reason: str) -> None:
        """Stop show, sensor and session, once; `SessionFailedError` if a part was not saved."""
        if self._stopped:
            return
        self._stopped = True
        self._publishing.request_stop()
        self.player.stop()
        self._stage.close()
        if self._blocks is not None:
            self._blocks.close()
        problems = []
        if self._sensor is not None and not self._sensor.stop():
            problems.append("the sensor did not stop in time")
        ended = self._router.ended
        if ended is not None and ended.error:
            reason = "failed"
            problems.append(ended.error.rstrip("."))
        try:
            if (session := self._session) is not None:
                session.close(time.monotonic_ns(), reason, dropped=self._router.dropped)
                if session.writer.lost:
                    problems.append(f"{session.writer.lost} records could not be written")
        except DatabaseError as error:
            problems.append(str(error))
        finally:
            self._publishing.stop()
            self._database.engine.dispose()
        if problems:
            sentence = f"Session {self.session_id}: {'; '.join(problems)}."
            raise SessionFailedError(sentence, self.session_id or None)


def _sensor_settings(settings: RunSettings, source: str, model: str) -> SensorSettings:
    return SensorSettings(
        # The session keeps what was typed; the sensor finds the same camera again under another
        # index.
        source=lasting_source(source),
        any_camera=settings.source is None and settings.patient,
        wait_for_source=settings.patient,
        model=model,
        device=settings.device,
        preview_width_px=0 if settings.headless else 480,
        shadow_model=settings.shadow_model,
        analysis=settings.analysis,
    )


def _find_source(settings: RunSettings) -> str:
    for camera in cameras():
        return str(camera)
    if settings.patient:
        return "0"
    if settings.no_camera is None:
        _warn_of_demo(lazy("No camera was found."), settings)
    return "demo"


def _warn_of_demo(why: str, settings: RunSettings) -> None:
    logger.warning(
        "%s The demo viewer takes its place: %sthe session is a demonstration that no "
        "comparison, norm or proof of play counts. Connect a camera and start again, or name "
        "one with --source; --no-camera shows only the ads.",
        why,
        "" if settings.headless else "the window says DEMO, and ",
    )
