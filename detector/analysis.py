"""From frames to readings, in one thread and one object."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from detector.emotion.classifier import EmotionClassifier, classify, crop_geometry
from detector.emotion.labels import expressiveness, valence
from detector.emotion.model_card import require_expressions
from detector.emotion.pacing import EMOTIONS_PER_SECOND, ClassificationSchedule, LoadGovernor
from detector.emotion.preprocessing import face_crops
from detector.emotion.smoothing import DELAY_S, ExponentialSmoother
from detector.faces.attention import (
    HYSTERESIS_DEG,
    MAX_PITCH_DEG,
    MAX_YAW_DEG,
    Attention,
    LookSchedule,
    ViewerGaze,
)
from detector.faces.detector import MediaPipeFaceDetector
from detector.faces.face_mesh import FaceMesh
from detector.faces.gaze import GazeReader
from detector.faces.head_pose import head_poses
from detector.faces.quality import QualityGate, QualitySettings
from detector.faces.screen import Direction, ScreenView
from detector.faces.static_faces import STATIC_AFTER_S, StaticFace
from detector.faces.tracker import FaceTracker
from detector.faces.zones import Zone, Zones
from detector.settings import CameraMount, DetectionSettings
from detector.types import AnalysedFrame, FaceReading, Frame, HeadPose, TrackedFace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from detector.emotion.shadow import ShadowReader


STAGES = ("detect", "track", "look", "crop", "classify", "read")


class AnalysisSettings(BaseModel):
    """How faces become readings.

    Attributes:
        detection: How faces are found.
        camera: The screen, and the camera's place relative to it.
        quality: Which faces can be read.
        zones: Parts of the picture that are ignored or only counted; later ones override earlier.
        emotions_per_second: How often each viewer is classified.
        static_after_s: Seconds without any change after which a face counts as a still picture.
        max_yaw_deg: Degrees from the screen's centre to either side within which a look can be at
            the screen, however wide it is.
        max_pitch_deg: The same, up and down.
        hysteresis_deg: Degrees past the limits up to which an attentive viewer stays attentive.
        smoothing_delay_s: Delay of the smoothed probabilities; 0 keeps the raw ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    detection: DetectionSettings = Field(default_factory=DetectionSettings)
    camera: CameraMount = Field(default_factory=CameraMount)
    quality: QualitySettings = Field(default_factory=QualitySettings)
    zones: tuple[Zone, ...] = ()
    emotions_per_second: float = Field(EMOTIONS_PER_SECOND, gt=0, le=100)
    static_after_s: float = Field(STATIC_AFTER_S, gt=0, le=3600)
    max_yaw_deg: float = Field(MAX_YAW_DEG, gt=0, le=90)
    max_pitch_deg: float = Field(MAX_PITCH_DEG, gt=0, le=90)
    hysteresis_deg: float = Field(HYSTERESIS_DEG, ge=0, le=30)
    smoothing_delay_s: float = Field(DELAY_S, ge=0, le=5)


class _Emotion(NamedTuple):
    """What a reading says about an emotion."""

    probabilities: tuple[float, ...] | None
    valence: float | None
    expressiveness: float | None
    uncertain: bool


_NO_EMOTION = _Emotion(None, None, None, uncertain=True)


@dataclass(slots=True)
class _Viewer:
    """State of a viewer in view: numbers, and a thumbnail to detect still pictures."""

    smoother: ExponentialSmoother
    gaze: ViewerGaze
    attention: Attention
    still: StaticFace
    place: tuple[HeadPose, ScreenView] | None = None
    slot: int | None = None
    changing: bool = False
    emotion: _Emotion | None = None
    withheld: str | None = None
    quality: float = 0.0
    static: bool = False
    seen_ns: int = 0


class _Watched(NamedTuple):
    """A face of the frame, its viewer, where the head points by the detection's points, and the
    screen as seen from there."""

    face: TrackedFace
    viewer: _Viewer
    pose: HeadPose
    view: ScreenView


@dataclass(slots=True)
class StageTimes:
    """Seconds spent in each stage since the start."""

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
        """Return mean milliseconds per frame, by stage."""
        return {stage: 1000 * spent / max(1, self.frames) for stage, spent in self.seconds.items()}


class FaceAnalyser:
    """Detects, tracks, classifies and reads the faces of successive frames.

    It closes the detector. With `live`, it does less work while the machine cannot keep up;
    without, the same frames give the same readings. `shadow` compares another model with the
    classifier. `times` has the time spent in each stage. Raises `ModelLoadError` if the labels say
    who somebody is.
    """

    FORGET_AFTER_NS = 5_000_000_000

    def __init__(
        self,
        detector: MediaPipeFaceDetector,
        classifier: EmotionClassifier,
        settings: AnalysisSettings | None = None,
        tracker: FaceTracker | None = None,
        *,
        gaze_reader: GazeReader | None = None,
        live: bool = False,
        shadow: ShadowReader | None = None,
    ) -> None:
        require_expressions(classifier.card)
        self._detector = detector
        self._classifier = classifier
        self._settings = settings or AnalysisSettings()
        self._tracker = tracker or FaceTracker()
        self._geometry = crop_geometry(classifier.card)
        self._gate = QualityGate(self._settings.quality)
        self._zones = Zones(self._settings.zones)
        self._gaze_reader = gaze_reader or GazeReader()
        self._looks = LookSchedule()
        self._schedule = ClassificationSchedule(self._settings.emotions_per_second)
        self._viewers: dict[int, _Viewer] = {}
        self._live = live
        self._shadow = shadow
        self.governor = LoadGovernor()
        self.times = StageTimes()

    def analyse(self, frame: Frame) -> AnalysedFrame:
        """Return the readings of the next frame; frames must come in order of time."""
        began_ns = time.perf_counter_ns()
        now_ns = frame.captured_ns
        height, width = frame.image.shape[:2]
        with self.times.measure("detect"):
            due = {
                number
                for number, viewer in self._viewers.items()
                if viewer.changing or self._slot(number, now_ns) != viewer.slot
            }
            known = self._tracker.expected(now_ns, due)
            steady = self._tracker.steady(now_ns, due)
            found = self._detector.detect(frame, known, self.governor.share, steady)
        with self.times.measure("track"):
            wanted = [face for face in found if self._zones.kind_of(face.box) != "ignore"]
            faces = self._tracker.update(wanted, now_ns, partial(self._detector.confirm, frame))
            watched = self._watch(faces, now_ns, width, height)
        with self.times.measure("look"):
            self._look(frame, watched)
        self._classify(frame, [one for one in watched if self._takes_turn(one, now_ns)])
        with self.times.measure("read"):
            readings = tuple(self._reading(now_ns, one) for one in watched)
            self._forget(now_ns)
        self.times.frames += 1
        if self._live:
            self.governor.observe(now_ns, time.perf_counter_ns() - began_ns)
        return AnalysedFrame(frame.sequence, now_ns, width, height, readings)

    def reduced(self, width_px: int) -> NDArray[np.uint8]:
        """Return the BGR picture of the last frame, `width_px` to almost twice that wide.

        A frame that is narrower is returned as it is. The detection has made most sizes already.
        """
        return self._detector.reduced(width_px)

    def close(self) -> None:
        """Free the detector; harmless when repeated."""
        self._detector.close()

    def _watch(
        self, faces: Sequence[TrackedFace], now_ns: int, width: int, height: int
    ) -> list[_Watched]:
        """Add to faces their viewers, poses and views of the screen.

        Poses and views of faces that were not searched for are those of the frame before.
        """
        viewers = [self._viewer(face.viewer, now_ns) for face in faces]
        new = [
            (face.detection, viewer)
            for face, viewer in zip(faces, viewers, strict=True)
            if viewer.place is None or not face.detection.predicted
        ]
        poses = head_poses([detection.keypoints for detection, _ in new], width, height)
        for (detection, viewer), pose in zip(new, poses, strict=True):
            viewer.place = pose, ScreenView(detection.box, width, height, self._settings.camera)
        return [
            _Watched(face, viewer, *viewer.place)
            for face, viewer in zip(faces, viewers, strict=True)
            if viewer.place is not None
        ]

    def _viewer(self, number: int, now_ns: int) -> _Viewer:
        viewer = self._viewers.get(number)
        if viewer is None:
            settings = self._settings
            viewer = self._viewers[number] = _Viewer(
                ExponentialSmoother(settings.smoothing_delay_s),
                ViewerGaze(),
                Attention(settings.hysteresis_deg),
                StaticFace(settings.static_after_s),
            )
        viewer.seen_ns = now_ns
        return viewer

    def _look(self, frame: Frame, watched: Sequence[_Watched]) -> None:
        """Read the eyes of the viewer whose turn it is."""
        now_ns = frame.captured_ns
        gazes = [one.viewer.gaze for one in watched]
        chosen = self._looks.choose(gazes, now_ns, self.governor.share)
        if chosen is not None:
            one = watched[chosen]
            look = self._gaze_reader.read(frame.image, one.face.detection)
            one.viewer.gaze.update(look, one.pose, now_ns)

    def _slot(self, number: int, now_ns: int) -> int:
        return self._schedule.slot(number, now_ns, self.governor.share)

    def _takes_turn(self, one: _Watched, now_ns: int) -> bool:
        if one.face.detection.predicted:
            return False  # its crop would be a guess
        viewer = one.viewer
        before, viewer.slot = viewer.slot, self._slot(one.face.viewer, now_ns)
        changing, viewer.changing = viewer.changing, False
        return changing or viewer.slot != before

    def _classify(self, frame: Frame, due: Sequence[_Watched]) -> None:
        """Crop, check and classify the faces that are due, all of a frame at once."""
        if not due:
            return
        with self.times.measure("crop"):
            boxes = [one.face.detection.box for one in due]
            crops = face_crops(frame.image, boxes, self._geometry, [one.pose.roll for one in due])
            readable = self._readable(frame, due, crops)
        if not readable:
            return
        faces = [due[index] for index in readable]
        scores = self._scores(frame, faces, crops[readable])
        for one, probabilities in zip(faces, scores, strict=True):
            smooth = one.viewer.smoother.update(probabilities, frame.captured_ns)
            one.viewer.emotion = self._emotion(smooth)
            # A machine at its limit has no time for more than the usual turns.
            one.viewer.changing = one.viewer.smoother.changing and self.governor.level == 0

    def _readable(
        self, frame: Frame, due: Sequence[_Watched], crops: NDArray[np.uint8]
    ) -> list[int]:
        """Judge the crops, and return which of them to classify."""
        height, width = frame.image.shape[:2]
        boxes = [one.face.detection.box for one in due]
        verdicts = self._gate.check(crops, boxes, width, height, [one.pose for one in due])
        readable = []
        for index, (one, box, verdict) in enumerate(zip(due, boxes, verdicts, strict=True)):
            viewer = one.viewer
            viewer.quality = verdict.quality
            only_counted = self._zones.kind_of(box) == "count"
            viewer.withheld = "count only" if only_counted else verdict.reason
            viewer.static = viewer.still.update(box, crops[index], frame.captured_ns)
            # A still picture needs to be classified once only.
            if viewer.withheld is None and (viewer.emotion is None or not viewer.static):
                readable.append(index)
        return readable

    def _scores(
        self, frame: Frame, faces: Sequence[_Watched], crops: NDArray[np.uint8]
    ) -> NDArray[np.float64]:
        """Classify crops, and let the shadow model read them, too."""
        began_ns = time.thread_time_ns()
        with self.times.measure("classify"):
            scores = classify(self._classifier, crops)
        if self._shadow is not None:
            self._shadow.observe(
                [one.face.viewer for one in faces],
                crops,
                scores,
                captured_ns=frame.captured_ns,
                cpu_ms=(time.thread_time_ns() - began_ns) / 1e6,
                share=self.governor.share,
            )
        return scores

    def _emotion(self, smooth: NDArray[np.float64]) -> _Emotion:
        card = self._classifier.card
        return _Emotion(
            tuple(smooth.tolist()),
            _known(valence(smooth, card.labels)),
            _known(expressiveness(smooth, card.labels)),
            float(smooth.max()) < card.uncertain_below,
        )

    def _reading(self, now_ns: int, one: _Watched) -> FaceReading:
        face, viewer, seen, view = one
        pose = view.pose(viewer.gaze.pose(seen))
        furthest = Direction(self._settings.max_yaw_deg, self._settings.max_pitch_deg)
        excess_deg = viewer.gaze.excess_deg(view, seen, now_ns, furthest)
        emotion = (viewer.emotion if viewer.withheld is None else None) or _NO_EMOTION
        return FaceReading(
            viewer=face.viewer,
            captured_ns=now_ns,
            box=face.detection.box,
            probabilities=emotion.probabilities,
            valence=emotion.valence,
            expressiveness=emotion.expressiveness,
            uncertain=emotion.uncertain,
            pose=pose,
            attentive=viewer.attention.update(excess_deg, now_ns),
            quality=viewer.quality,
            withheld=viewer.withheld,
            static=viewer.static,
        )

    def _forget(self, now_ns: int) -> None:
        for number, viewer in list(self._viewers.items()):
            if now_ns - viewer.seen_ns > self.FORGET_AFTER_NS:
                del self._viewers[number]


def _known(figure: NDArray[np.float64]) -> float | None:
    """Return a figure of an emotion; `None` if the model's labels do not give it."""
    value = float(figure)
    return None if math.isnan(value) else value


def mediapipe_analyser(
    classifier: EmotionClassifier,
    settings: AnalysisSettings | None = None,
    *,
    first_viewer: int = 1,
    live: bool = False,
    shadow: ShadowReader | None = None,
) -> FaceAnalyser:
    """Return a `FaceAnalyser` that uses MediaPipe and numbers viewers from `first_viewer`."""
    settings = settings or AnalysisSettings()
    mesh = FaceMesh()
    detector = MediaPipeFaceDetector(settings.detection, settings.camera, mesh)
    return FaceAnalyser(
        detector,
        classifier,
        settings,
        FaceTracker(first_number=first_viewer),
        gaze_reader=GazeReader(mesh),
        live=live,
        shadow=shadow,
    )
