"""The whole way from a frame to its readings, in one thread and one object."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from detector.classifier import classify, crop_geometry
from detector.emotions import expressiveness, valence
from detector.head_pose import HYSTERESIS_DEG, MAX_PITCH_DEG, MAX_YAW_DEG, Attention, head_pose
from detector.model_card import require_emotions
from detector.preprocessing import face_crops
from detector.smoothing import DELAY_S, ExponentialSmoother
from detector.tracker import FaceTracker
from detector.types import AnalysedFrame, FaceReading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from detector.classifier import EmotionClassifier
    from detector.face_detector import FaceDetector
    from detector.types import Frame

STAGES = ("detect", "track", "crop", "classify", "read")
FORGET_AFTER_NS = 5_000_000_000


class AnalysisSettings(BaseModel):
    """How faces become readings.

    Attributes:
        max_yaw_deg: Furthest turn to a side that still counts as looking at the screen.
        max_pitch_deg: Furthest turn up or down that still does.
        hysteresis_deg: How far beyond these an attentive viewer stays attentive.
        smoothing_delay_s: Delay of the smoothed probabilities; 0 logs the raw ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_yaw_deg: float = Field(MAX_YAW_DEG, gt=0, le=90)
    max_pitch_deg: float = Field(MAX_PITCH_DEG, gt=0, le=90)
    hysteresis_deg: float = Field(HYSTERESIS_DEG, ge=0, le=30)
    smoothing_delay_s: float = Field(DELAY_S, ge=0, le=5)


@dataclass(slots=True)
class _Viewer:
    """What is remembered of a viewer in view: a few numbers, no picture."""

    smoother: ExponentialSmoother
    attention: Attention
    seen_ns: int = 0


@dataclass(slots=True)
class StageTimes:
    """Seconds spent in each stage since the start, for `bench` and the health line."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    frames: int = 0

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time of the enclosed block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def milliseconds(self) -> dict[str, float]:
        """Mean milliseconds a frame, by stage."""
        return {stage: 1000 * spent / max(1, self.frames) for stage, spent in self.seconds.items()}


class FaceAnalyser:
    """Detects, tracks, classifies and reads the faces of successive frames.

    Args:
        detector: Finds the faces; owned by the analyser from now on.
        classifier: Classifies their crops.
        settings: How faces become readings.
        tracker: Gives them their numbers. Defaults to a tracker with default settings.

    Raises:
        ModelLoadError: The classifier gives other labels than the seven emotions.
    """

    def __init__(
        self,
        detector: FaceDetector,
        classifier: EmotionClassifier,
        settings: AnalysisSettings | None = None,
        tracker: FaceTracker | None = None,
    ) -> None:
        require_emotions(classifier.card)
        self._detector = detector
        self._classifier = classifier
        self._settings = settings or AnalysisSettings()
        self._tracker = tracker or FaceTracker()
        self._geometry = crop_geometry(classifier.card)
        self._viewers: dict[int, _Viewer] = {}
        self.times = StageTimes()

    def analyse(self, frame: Frame) -> AnalysedFrame:
        """The readings of the next frame; frames must come in the order of their time."""
        height, width = frame.image.shape[:2]
        with self.times.measure("detect"):
            detections = self._detector.detect(frame, self._tracker.expected(frame.captured_ns))
        with self.times.measure("track"):
            faces = self._tracker.update(detections, frame.captured_ns, partial(self._detector.confirm, frame))
        boxes = [face.detection.box for face in faces]
        with self.times.measure("crop"):
            poses = [head_pose(face.detection.keypoints, width, height) for face in faces]
            crops = face_crops(frame.image, boxes, self._geometry, [pose.roll for pose in poses])
        with self.times.measure("classify"):
            scores = classify(self._classifier, crops)
        with self.times.measure("read"):
            readings = []
            for face, probabilities, pose in zip(faces, scores, poses, strict=True):
                viewer = self._viewers.get(face.viewer)
                if viewer is None:
                    viewer = self._viewers[face.viewer] = self._new_viewer()
                viewer.seen_ns = frame.captured_ns
                smooth = viewer.smoother.update(probabilities, frame.captured_ns)
                readings.append(
                    FaceReading(
                        viewer=face.viewer,
                        captured_ns=frame.captured_ns,
                        box=face.detection.box,
                        probabilities=tuple(smooth.tolist()),
                        valence=float(valence(smooth)),
                        expressiveness=float(expressiveness(smooth)),
                        uncertain=float(smooth.max()) < self._classifier.card.uncertain_below,
                        pose=pose,
                        attentive=viewer.attention.update(pose),
                        quality=face.detection.confidence,
                    )
                )
            self._forget(frame.captured_ns)
        self.times.frames += 1
        return AnalysedFrame(frame.sequence, frame.captured_ns, width, height, tuple(readings))

    def close(self) -> None:
        """Free the detector; harmless when repeated."""
        self._detector.close()

    def _new_viewer(self) -> _Viewer:
        settings = self._settings
        return _Viewer(
            ExponentialSmoother(settings.smoothing_delay_s),
            Attention(settings.max_yaw_deg, settings.max_pitch_deg, settings.hysteresis_deg),
        )

    def _forget(self, now_ns: int) -> None:
        gone = [number for number, viewer in self._viewers.items() if now_ns - viewer.seen_ns > FORGET_AFTER_NS]
        for number in gone:
            del self._viewers[number]
