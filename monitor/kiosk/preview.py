"""Draw what people in front of the screen will see with some settings, without a camera."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PyQt5.QtCore import QEventLoop, QSize, Qt, QTimer
from PyQt5.QtGui import QGuiApplication

from ads.player.player import AdPlayer
from ads.policies import make_policy
from ads.show.playback import PlaybackLog
from detector.emotion.labels import EMOTIONS, expressiveness, valence
from detector.errors import DetectorError
from detector.types import AnalysedFrame, FaceReading, HeadPose
from monitor.errors import SessionFailedError, SetupError
from monitor.kiosk.notice import make_notice_screen
from monitor.sensor.live import LiveView, SensorHealth
from monitor.session.playlist_loading import load_ads
from monitor.ui.application import create_application
from monitor.ui.bridge import LiveBridge
from monitor.ui.qt_environment import screen_available
from monitor.ui.screens import find_screen
from monitor.ui.window import KioskWindow, NoticeOptions, ReadingsOptions

if TYPE_CHECKING:
    from pathlib import Path

    from PyQt5.QtWidgets import QApplication, QWidget

    from ads.show.playback import Play, PlayEnd
    from monitor.settings.models import RunSettings

Area = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What was drawn.

    Attributes:
        file: Picture of the window.
        notice_file: Picture of the notice alone, if it is shown before measuring begins.
        width, height: Of the window, in pixels.
        ad, notice: Where ads and notice are in the window; they never overlap.
        overlay: Whether the live readings are shown, with people's faces.
    """

    file: Path
    notice_file: Path | None
    width: int
    height: int
    ad: Area
    notice: Area
    overlay: bool


class _Nobody:
    """Ignore the plays of a preview; nothing is stored."""

    def play_started(self, play: Play) -> None:
        """Do nothing."""

    def play_ended(self, end: PlayEnd) -> None:
        """Do nothing."""


def draw_preview(settings: RunSettings, file: Path, size: tuple[int, int] | None = None) -> Preview:
    """Draw the kiosk's window a second into the first ad, and write it as PNG.

    The overlay, if shown, has the demo viewer's face with invented figures.

    Args:
        settings: Of the kiosk.
        file: Replaced if it is there.
        size: Width and height of the screen, in pixels; `None`: the real screen, else 1920 x 1080.

    Raises:
        PlaylistError: The playlist cannot be read.
        SetupError: The screen is not there, or a picture cannot be written.
        SessionFailedError: The ad cannot be played.
    """
    is_seen = screen_available()
    application = create_application(offscreen=not is_seen)
    room = _room(settings, size, is_seen=is_seen)
    playlist = load_ads(settings.playlist)
    policy = make_policy("sequential", settings.guard_rails)
    player = AdPlayer(playlist.ads, policy, PlaybackLog(), _Nobody(), filler=playlist.filler)
    bridge: LiveBridge[LiveView] = LiveBridge()
    window = KioskWindow(
        player,
        bridge,
        language=settings.language,
        notice=NoticeOptions(
            settings.notice_languages, settings.notice_url, measures=settings.camera
        ),
        readings=ReadingsOptions(
            not settings.fullscreen if settings.overlay is None else settings.overlay
        ),
    )
    failures: list[str] = []
    window.failed.connect(failures.append)
    # A kiosk's screen must not show this window, nor its errors.
    window.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    try:
        window.begin(fullscreen=settings.fullscreen)
        window.resize(room if settings.fullscreen else window.size().boundedTo(room))
        if settings.camera and not window.overlay.isHidden():
            with suppress(DetectorError):
                bridge.publish(_example())
        _play(player, window, application, failures)
        _save(window, file)
        overlay = not window.overlay.isHidden()
        ad, notice = _area(window.ad_view), _area(window.notice)
        whole = window.size()
    finally:
        window.close()
        player.stop()
        bridge.close()
    notice_file = None
    if settings.notice == "required" and settings.camera:
        notice_file = file.with_name(f"{file.stem}-notice{file.suffix}")
        _draw_notice(settings, whole, notice_file)
    return Preview(file, notice_file, whole.width(), whole.height(), ad, notice, overlay)


def _room(settings: RunSettings, size: tuple[int, int] | None, *, is_seen: bool) -> QSize:
    screen = find_screen(settings.screen) if is_seen else None
    screen = screen or QGuiApplication.primaryScreen()
    if size is not None:
        return QSize(*size)
    return screen.size() if is_seen and screen is not None else QSize(1920, 1080)


def _play(
    player: AdPlayer, window: KioskWindow, application: QApplication, failures: list[str]
) -> None:
    """Play the first ad for a second, because many begin black."""
    player.start()
    deadline_s, loop = time.monotonic() + 20, QEventLoop()
    while time.monotonic() < deadline_s and not failures:
        QTimer.singleShot(20, loop.quit)
        loop.exec_()
        play = player.current
        if play is None or not window.ad_view.has_picture:
            continue
        if player.position_ms >= min(1000, 500 * play.ad.duration_s):
            break
    application.processEvents()
    if failures or not window.ad_view.has_picture:
        why = failures[0] if failures else "it gave no picture within 20 s."
        raise SessionFailedError(f"The first ad cannot be shown: {why}")


def _example() -> LiveView:
    """Return a view with the face of the demo viewer."""
    # OpenCV's own Qt must not be loaded before the application exists.
    from detector.faces.detector import MediaPipeFaceDetector  # noqa: PLC0415
    from detector.sources.opening import open_source  # noqa: PLC0415
    from detector.sources.video_source import SourceSpec  # noqa: PLC0415

    with open_source(SourceSpec("demo")) as source, MediaPipeFaceDetector() as detector:
        frame = source.read()
        if frame is None:
            return LiveView(SensorHealth("starting"))
        boxes = [one.box for one in detector.detect(frame)[:1]]
    values = np.full(len(EMOTIONS), 0.05)
    values[EMOTIONS.index("happy")] = 0.7
    readings = tuple(
        FaceReading(
            viewer=1,
            captured_ns=frame.captured_ns,
            box=box,
            probabilities=tuple(values.tolist()),
            valence=float(valence(values)),
            expressiveness=float(expressiveness(values)),
            uncertain=False,
            pose=HeadPose(0.0, 0.0, 0.0),
            attentive=True,
            quality=1.0,
        )
        for box in boxes
    )
    height, width = frame.image.shape[:2]
    analysed = AnalysedFrame(frame.sequence, frame.captured_ns, width, height, readings)
    rgb = np.ascontiguousarray(frame.image[:, :, ::-1])
    return LiveView(SensorHealth("running", fps=30.0), analysed, rgb)


def _draw_notice(settings: RunSettings, size: QSize, file: Path) -> None:
    notice = make_notice_screen(settings)
    notice.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    notice.resize(size)
    try:
        _save(notice, file)
    finally:
        notice.dismiss()


def _save(widget: QWidget, file: Path) -> None:
    if not widget.grab().save(str(file), "PNG"):
        raise SetupError(
            f"The preview {file} cannot be written: expected a folder that can; name another file."
        )


def _area(widget: QWidget) -> Area:
    place = widget.geometry()
    return place.x(), place.y(), place.width(), place.height()
