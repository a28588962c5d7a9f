"""The sensor: a process that turns a source into readings, so that native crashes spare the window.

The kiosk starts it with its settings as one JSON line on standard input. It answers with messages
on standard output until its input is closed, and never outlives the kiosk.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, BinaryIO, NoReturn

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator

from detector.analysis import AnalysisSettings, FaceAnalyser, mediapipe_analyser
from detector.emotion.classifier import load_classifier
from detector.emotion.pacing import limit_threads
from detector.emotion.shadow import ShadowReader
from detector.errors import DetectorError, SourceError
from detector.names import printable
from detector.settings import Device
from detector.sources.freeze_detector import FreezeDetector
from detector.sources.orientation import Orientation
from detector.sources.v4l2 import cameras
from detector.sources.video_source import SourceSpec
from detector.texts import lazy
from monitor.sensor import messages
from monitor.sensor.capture import Capture, FrameQueue
from monitor.sensor.child_process import disable_core_dumps
from monitor.sensor.live import SensorHealth, SensorState, fault_state

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from detector.emotion.classifier import EmotionClassifier
    from detector.types import AnalysedFrame, Frame, ShadowCounts

logger = logging.getLogger(__name__)

HEARTBEAT_S = 0.5
"""Seconds between two health reports, also while the source is away."""

CHECK_S = 0.1
"""Longest wait for a frame before the capture is checked."""

CHANGING_S = 10.0
"""After a change of size, further ones within this time are not reported."""

EXIT_FAILED = 3


def _encoded(text: str) -> str | dict[str, str]:
    """Return a text in a form that JSON can hold, because file names need not be UTF-8."""
    return text if text == printable(text) else {"bytes": os.fsencode(text).hex()}


def _decoded(value: object) -> str:
    if isinstance(value, dict) and value.keys() == {"bytes"}:
        return os.fsdecode(bytes.fromhex(value["bytes"]))
    if isinstance(value, str):
        return value
    raise ValueError(f"expected text, received {value!r}")


FileText = Annotated[str, PlainValidator(_decoded), PlainSerializer(_encoded, when_used="json")]
"""Text that may name a file."""


class SensorSettings(BaseModel):
    """What the sensor does.

    Attributes:
        source: As typed by the user, see `SourceSpec.parse`.
        lossless: Read a recording frame by frame instead of in real time.
        model: Name of a shipped model or path of a `.keras` file; `None` for the default.
        preview_width_px: Width of the previews for the window; 0 sends none.
        first_viewer: A restarted sensor continues to count.
        any_camera: Read the first camera, if there is one, whatever index `source` names.
        wait_for_source: Wait for a live source that cannot be opened, instead of failing.
        shadow_model: Name or path of a model that reads the same faces, only to be compared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: FileText
    lossless: bool = False
    model: FileText | None = None
    device: Device = "auto"
    preview_width_px: int = Field(0, ge=0, le=1920)
    preview_every_ms: int = Field(66, ge=1)
    first_viewer: int = Field(1, ge=1)
    any_camera: bool = False
    wait_for_source: bool = False
    shadow_model: FileText | None = None
    analysis: AnalysisSettings = Field(default_factory=AnalysisSettings)


class Statistics:
    """Rate and latency over the last second."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque()
        self.frames = 0

    def add(self, captured_ns: int, now_ns: int) -> None:
        """Count an analysed frame."""
        self.frames += 1
        self._recent.append((now_ns, (now_ns - captured_ns) / 1e6))

    def health(
        self,
        now_ns: int,
        *,
        fault: messages.SourceLost | None,
        dropped: int,
        live: bool,
        effort: float = 1.0,
    ) -> SensorHealth:
        """Summarise the last second; only latencies of a live source mean anything."""
        while self._recent and now_ns - self._recent[0][0] > 1_000_000_000:
            self._recent.popleft()
        latencies = sorted(latency for _, latency in self._recent)
        state: SensorState = "running" if self.frames else "starting"
        if fault is not None:
            state = fault_state(fault.cause)
        return SensorHealth(
            state=state,
            detail="" if fault is None else fault.detail,
            cause="" if fault is None else fault.cause,
            frames=self.frames,
            dropped=dropped,
            fps=float(len(latencies)),
            latency_ms=latencies[len(latencies) // 2] if latencies and live else 0.0,
            effort=effort,
        )


class SensorLoop:
    """Reads, analyses and reports until the source ends or the kiosk sets `stop`."""

    def __init__(self, settings: SensorSettings, out: BinaryIO, stop: threading.Event) -> None:
        self._settings = settings
        self._out = out
        self._stop = stop
        self._queue: FrameQueue[Frame] = FrameQueue(lossless=settings.lossless)
        self._losses: deque[messages.SourceLost] = deque()
        self._fault: messages.SourceLost | None = None
        self._size: tuple[int, int] | None = None
        self._size_changed_ns: int | None = None
        self._freeze_detector = FreezeDetector()
        self._statistics = Statistics()
        self._heartbeat_due_s = 0.0
        self._preview_due_ns = 0
        self._newest_ns = 0
        self._shadow: ShadowReader | None = None

    def run(self) -> int:
        """Do the work; return the exit status."""
        settings = self._settings
        try:
            spec = SourceSpec.parse(settings.source)
            classifier = load_classifier(settings.model, settings.device)
            self._shadow = self._shadow_of(classifier)
            analyser = mediapipe_analyser(
                classifier,
                settings.analysis,
                first_viewer=settings.first_viewer,
                live=not settings.lossless,
                shadow=self._shadow,
            )
        except DetectorError as error:
            return self._fail(error)
        capture = Capture(
            spec,
            lossless=settings.lossless,
            queue=self._queue,
            on_lost=self._on_lost,
            wait_for_source=settings.wait_for_source,
            locate=_first_camera if settings.any_camera else None,
            mounted=Orientation.clockwise(settings.analysis.camera.rotate),
        )
        capture.start()
        try:
            opening = f"opening the {spec}"
            self._send(messages.HealthReport(SensorHealth("starting", opening)))
            while not capture.opened.wait(CHECK_S) and not self._stop.is_set():
                capture.check()
                self._report_losses(None)
                self._report_health(detail=opening)
            if capture.error is not None and capture.frame_rate == 0.0:
                return self._fail(capture.error)
            stated = capture.frame_rate, capture.frame_count
            live, runtime = not settings.lossless, classifier.runtime
            labels = classifier.card.labels
            self._send(messages.Ready(str(spec), *stated, live, runtime, labels))
            self._analyse(capture, analyser)
            if self._shadow is not None:
                self._report_shadow(self._shadow.close())
            if capture.error is not None and not isinstance(capture.error, DetectorError):
                # A defect, not the end of the source: the process dies, and the kiosk restarts it.
                raise capture.error
            if not self._stop.is_set():
                end_ns = self._newest_ns + round(1e9 / (capture.frame_rate or 30.0))
                problem = str(capture.error or "")
                self._send(messages.Ended(end_ns, self._statistics.frames, problem))
        finally:
            capture.stop()
            analyser.close()
        return 0

    def _shadow_of(self, classifier: EmotionClassifier) -> ShadowReader | None:
        """Load the shadow model, if one is set; a live sensor runs on without a broken one."""
        name, lossless = self._settings.shadow_model, self._settings.lossless
        if name is None:
            return None
        try:
            candidate = load_classifier(name, self._settings.device)
            return ShadowReader(classifier.card, candidate, lossless=lossless)
        except DetectorError as error:
            if lossless:
                raise
            logger.warning("No shadow run: %s", error)
            return None

    def _report_shadow(self, counts: ShadowCounts | None) -> None:
        if counts is not None:
            self._send(messages.ShadowCounted(counts))

    def _fail(self, error: Exception) -> int:
        self._send(messages.Failed(type(error).__name__, str(error)))
        return EXIT_FAILED

    def _analyse(self, capture: Capture, analyser: FaceAnalyser) -> None:
        while not self._stop.is_set():
            frame = self._queue.take(CHECK_S)
            if frame is None and self._queue.closed:
                return
            capture.check()
            self._report_losses(frame)
            if frame is not None and self._is_measurable(frame, capture):
                analysed = analyser.analyse(frame)
                self._newest_ns = frame.captured_ns
                self._send(messages.FrameRead(analysed, self._preview(analyser, analysed)))
                self._statistics.add(frame.captured_ns, time.monotonic_ns())
                if self._shadow is not None:
                    self._report_shadow(self._shadow.take(frame.captured_ns))
            self._report_health(analyser.governor.share)

    def _report_health(self, effort: float = 1.0, detail: str = "") -> None:
        """Send a heartbeat if one is due; the detail is for a sensor that still starts."""
        if time.monotonic() < self._heartbeat_due_s:
            return
        self._heartbeat_due_s = time.monotonic() + HEARTBEAT_S
        health = self._statistics.health(
            time.monotonic_ns(),
            fault=self._fault,
            dropped=self._queue.dropped,
            live=not self._settings.lossless,
            effort=effort,
        )
        if health.state == "starting":
            health = replace(health, detail=detail)
        self._send(messages.HealthReport(health))

    def _is_measurable(self, frame: Frame, capture: Capture) -> bool:
        """Return whether a frame shows anything new; report what is wrong with it if not."""
        if not capture.live:
            return True
        wrong = self._freeze_detector.observe(frame)
        if wrong is not None:
            if self._fault is None or self._fault.cause != wrong.cause:
                since = wrong.detail, wrong.cause, wrong.since_ns
                self._report_fault(messages.SourceLost(frame.captured_ns, *since))
            if wrong.cause == "camera_frozen":
                capture.reopen()
            return False
        if self._freeze_detector.repeated:
            return False
        if self._fault is not None and frame.captured_ns > self._fault.at_ns:
            self._fault = None
        capture.recovered()
        height, width = frame.image.shape[:2]
        before, self._size = self._size, (width, height)
        if before is not None and before != self._size:
            # Boxes are fractions of the picture, so measuring goes on.
            since_ns, self._size_changed_ns = self._size_changed_ns, frame.captured_ns
            if since_ns is not None and frame.captured_ns - since_ns < CHANGING_S * 1e9:
                return True
            detail = lazy(
                "The size of the pictures changed from %(before)s to %(after)s.",
                before=f"{before[0]} x {before[1]}",
                after=f"{width} x {height}",
            )
            self._send(messages.SourceLost(frame.captured_ns, detail, "format_changed"))
        return True

    def _preview(self, analyser: FaceAnalyser, analysed: AnalysedFrame) -> NDArray[np.uint8] | None:
        width = self._settings.preview_width_px
        if width == 0 or analysed.captured_ns < self._preview_due_ns:
            return None
        self._preview_due_ns = analysed.captured_ns + self._settings.preview_every_ms * 1_000_000
        return preview_of(analyser, (analysed.height, analysed.width), width)

    def _on_lost(self, error: SourceError) -> None:
        self._losses.append(messages.SourceLost(time.monotonic_ns(), str(error), error.cause))

    def _report_losses(self, frame: Frame | None) -> None:
        """Report losses after the last frame before them, which may have waited."""
        while self._losses and (frame is None or frame.captured_ns > self._losses[0].at_ns):
            self._report_fault(self._losses.popleft())

    def _report_fault(self, fault: messages.SourceLost) -> None:
        self._fault = fault
        self._send(fault)

    def _send(self, message: messages.Message) -> None:
        try:
            messages.write_message(self._out, message)
        except OSError:  # the kiosk is gone
            self._stop.set()


def preview_of(analyser: FaceAnalyser, shape: tuple[int, ...], width_px: int) -> NDArray[np.uint8]:
    """Return a small RGB copy of the frame analysed last, whose height and width begin `shape`."""
    import cv2  # noqa: PLC0415 (already loaded by the detector)

    height, width = shape[:2]
    small_px = min(width_px, width)
    size = (small_px, max(1, round(height * small_px / width)))
    # For less than half, averaging over areas takes ten times as long and looks no better.
    small = cv2.resize(analyser.reduced(small_px), size, interpolation=cv2.INTER_LINEAR)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=small)  # type: ignore[return-value]


def _first_camera() -> SourceSpec:
    return SourceSpec("camera", str(next(iter(cameras()), 0)))


def _stop_at_end_of_input(stop: threading.Event) -> None:
    # Not through `sys.stdin`: Python aborts if a thread still waits in there at the end.
    while os.read(0, 1):
        pass
    stop.set()
    # A source or a native library that hangs must not keep an orphan alive.
    time.sleep(6)
    os._exit(EXIT_FAILED)


def main() -> NoReturn:
    # A frame analysed late harms nobody; one that the window shows late is seen.
    os.nice(10)
    disable_core_dumps()
    # Ctrl+C and a closing terminal signal the whole group; the kiosk decides when the sensor stops.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Messages keep the real standard output; what native libraries print goes to standard error.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    settings = SensorSettings.model_validate_json(sys.stdin.buffer.readline())
    limit_threads()
    stop = threading.Event()
    threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    status = SensorLoop(settings, out, stop).run()
    out.flush()
    # Python's own exit is slow, and could wait for a thread that is still opening an address.
    os._exit(status)


if __name__ == "__main__":
    main()
