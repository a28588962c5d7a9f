"""From frames to readings: step by step with scripted parts, and the whole of it on the demo
viewer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.analysis import (
    STAGES,
    AnalysisSettings,
    FaceAnalyser,
    mediapipe_analyser,
)
from detector.emotion.classifier import load_classifier
from detector.emotion.labels import EMOTIONS
from detector.emotion.smoothing import DELAY_S
from detector.errors import ModelLoadError
from detector.faces.tracker import FaceTracker
from detector.faces.zones import Zone
from detector.settings import CameraMount
from detector.sources.recording import Recording
from detector.types import AnalysedFrame, Box, FaceDetection, Frame
from tests.helpers.classifiers import ScriptedClassifier

Face = Callable[..., FaceDetection]
HAPPY, SAD, NEUTRAL = (EMOTIONS.index(name) for name in ("happy", "sad", "neutral"))


class ScriptedDetector:
    """Finds in each frame what it was told to."""

    def __init__(self) -> None:
        self.faces: list[FaceDetection] = []
        self.known: list[list[Box]] = []
        self.steady: list[list[FaceDetection]] = []
        self.efforts: list[float] = []
        self.real = True
        self.takes_s = 0.0
        self.closed = 0

    def detect(
        self,
        _frame: Frame,
        known: Sequence[Box] = (),
        effort: float = 1.0,
        steady: Sequence[FaceDetection] = (),
    ) -> list[FaceDetection]:
        self.known.append([*known, *(face.box for face in steady)])
        self.steady.append(list(steady))
        self.efforts.append(effort)
        time.sleep(self.takes_s)
        return list(self.faces)

    def confirm(self, _frame: Frame, _face: FaceDetection) -> bool:
        return self.real

    def close(self) -> None:
        self.closed += 1


class BrightnessClassifier(ScriptedClassifier):
    """Takes dark faces for sad ones and bright faces for happy ones."""

    def __init__(self, **card: Any) -> None:
        super().__init__(**({"input_side_px": 24, "uncertain_below": 0.5} | card))

    def answer(self, crops: np.ndarray) -> np.ndarray:
        labels = self.card.labels
        logits = np.zeros((len(crops), len(labels)))
        level = crops.reshape(len(crops), -1).mean(axis=1) if len(crops) else np.zeros(0)
        for name, is_seen in (("happy", level > 128), ("sad", level <= 128)):
            if name in labels:
                logits[:, labels.index(name)] = np.where(is_seen, np.log(14), 0)  # 14 of 20
        return logits


TEXTURE = np.random.default_rng(0).integers(-40, 41, (90, 160, 1))
"""Light and shade that the quality gate takes for a sharp face."""


class Stage:
    """An analyser of scripted parts that sees a viewer from the first frame on."""

    def __init__(
        self,
        settings: AnalysisSettings | None = None,
        frames: int = 1,
        *,
        live: bool = False,
        **classifier: Any,
    ) -> None:
        self.detector, self.classifier = ScriptedDetector(), BrightnessClassifier(**classifier)
        self.analyser = FaceAnalyser(
            self.detector,
            self.classifier,
            settings,
            FaceTracker(minimum_consecutive_frames=frames),
            live=live,
        )
        self.now_ns, self.sequence = 0, 0

    def show(
        self,
        *faces: FaceDetection,
        level: int = 200,
        after_ns: int = 100_000_000,
        textured: bool = True,
    ) -> AnalysedFrame:
        self.detector.faces = list(faces)
        self.now_ns += after_ns
        self.sequence += 1
        image = np.broadcast_to(level + TEXTURE * textured, (90, 160, 3)).astype(np.uint8)
        return self.analyser.analyse(Frame(image, self.now_ns, self.sequence))


RAW = AnalysisSettings(smoothing_delay_s=0)


def test_a_reading_holds_what_was_measured(face: Face) -> None:
    shown = face(0.3, confidence=0.8)
    analysed = Stage(RAW).show(shown)
    assert (analysed.sequence, analysed.captured_ns, analysed.width, analysed.height) == (
        1,
        100_000_000,
        160,
        90,
    )
    [reading] = analysed.readings
    assert (reading.viewer, reading.captured_ns, reading.box) == (1, 100_000_000, shown.box)
    assert (
        0.5 <= reading.quality <= 0.625
    )  # of a box of 25 px, where 20 px are the limit and 40 px cost nothing
    assert (reading.withheld, reading.static) == (None, False)
    expected = [14 / 20 if name == "happy" else 1 / 20 for name in EMOTIONS]
    assert reading.probabilities == pytest.approx(expected)
    assert reading.valence == pytest.approx(14 / 20 - 1 / 20)
    assert reading.expressiveness == pytest.approx(19 / 20)
    assert reading.label(EMOTIONS) == "happy"
    assert reading.attentive
    assert all(
        isinstance(value, float)
        for value in (*reading.probabilities, reading.valence, reading.expressiveness)
    )


def test_nobody_in_view_gives_a_frame_without_readings() -> None:
    stage = Stage()
    assert stage.show().readings == ()
    assert stage.analyser.times.frames == 1


@pytest.mark.parametrize(
    ("labels", "valence", "expressiveness"),
    [
        (("happy", "sad"), 13 / 15, None),
        (("happy", "surprise", "disgust", "neutral"), 13 / 17, 16 / 17),
        (("bored", "happy"), None, None),
        (("bored", "keen"), None, None),
    ],
)
def test_a_model_of_other_labels_says_what_they_give(
    face: Face, labels: tuple[str, ...], valence: float | None, expressiveness: float | None
) -> None:
    (reading,) = Stage(labels=labels).show(face(0.5)).readings
    assert reading.probabilities is not None
    assert len(reading.probabilities) == len(labels)
    assert reading.valence == (None if valence is None else pytest.approx(valence))
    expected = None if expressiveness is None else pytest.approx(expressiveness)
    assert reading.expressiveness == expected


def test_all_faces_of_a_frame_are_classified_at_once_in_the_models_framing(face: Face) -> None:
    stage = Stage()
    stage.show(face(0.2), face(0.5), face(0.8))
    stage.show(face(0.2))
    assert stage.classifier.shapes == [(3, 24, 24), (1, 24, 24)]


def test_a_false_alarm_is_neither_counted_nor_classified(face: Face) -> None:
    stage = Stage(frames=3)
    counts = [len(stage.show(face()).readings) for _ in range(4)]
    assert counts == [0, 0, 1, 1]
    assert [shape[0] for shape in stage.classifier.shapes] == [1, 1]


def test_a_face_that_is_not_confirmed_is_no_viewer(face: Face) -> None:
    stage = Stage()
    stage.detector.real = False
    assert stage.show(face(confidence=0.6)).readings == ()
    assert stage.show(face(0.2, confidence=0.95)).readings == ()
    stage.detector.real = True
    assert len(stage.show(face(0.8, confidence=0.95)).readings) == 1


def test_the_detector_is_told_where_faces_are_expected(face: Face) -> None:
    stage = Stage()
    shown = face(0.3)
    stage.show(shown)
    stage.show(shown)
    assert stage.detector.known == [[], [shown.box]]
    assert stage.detector.efforts == [1.0, 1.0]


def test_a_face_that_was_not_searched_for_is_read_but_not_classified(face: Face) -> None:
    stage = Stage()
    stage.show(face(0.3), level=50)
    predicted = replace(face(0.3), predicted=True)
    [reading] = stage.show(predicted, level=200).readings
    assert reading.viewer == 1
    assert reading.probabilities[SAD] == pytest.approx(14 / 20)
    assert len(stage.classifier.shapes) == 1
    stage.show(face(0.3), level=200)
    assert len(stage.classifier.shapes) == 2


def test_a_steady_viewer_is_searched_for_whenever_a_classification_is_due(face: Face) -> None:
    stage = Stage(AnalysisSettings(emotions_per_second=10))
    for _ in range(40):
        classified = len(stage.classifier.shapes)
        stage.show(face(0.3), after_ns=25_000_000)
        if stage.detector.steady[-1]:
            assert len(stage.classifier.shapes) == classified
    assert sum(map(bool, stage.detector.steady)) == 40 - len(stage.classifier.shapes)


def test_a_viewer_whose_expression_changes_is_classified_again_at_once(face: Face) -> None:
    stage = Stage(AnalysisSettings(emotions_per_second=5))
    classified = []
    for level in [50] * 20 + [200] * 40:
        before = len(stage.classifier.shapes)
        stage.show(face(0.3), level=level, after_ns=25_000_000)
        classified.append(len(stage.classifier.shapes) > before)
    assert sum(classified[:20]) <= 4
    first = classified.index(True, 20)
    assert first < 28
    assert classified[first + 1]
    assert sum(classified[-16:]) <= 3  # as usual again


def test_viewers_take_turns_in_being_classified(face: Face) -> None:
    stage = Stage(AnalysisSettings(emotions_per_second=5))
    for _ in range(40):
        assert all(
            reading.probabilities
            for reading in stage.show(face(0.2), face(0.8), after_ns=25_000_000).readings
        )
    batches = [shape[0] for shape in stage.classifier.shapes if shape[0]]
    assert batches[0] == 2
    assert set(batches[1:]) == {1}  # one second at five turns a second each, never both at once
    assert sum(batches) in (10, 11, 12)


def test_work_is_spared_while_frames_come_faster_than_they_are_read(face: Face) -> None:
    live, replayed = Stage(live=True), Stage()
    for stage in (live, replayed):
        stage.detector.takes_s = 0.002
        for _ in range(400):
            stage.show(face(), after_ns=2_000_000)
    assert live.analyser.governor.level > 0
    assert live.detector.efforts[-1] == live.analyser.governor.share < 1
    assert set(replayed.detector.efforts) == {1.0}


def test_what_cannot_be_read_is_counted_without_an_emotion(face: Face) -> None:
    stage = Stage(RAW)
    assert stage.show(face()).readings[0].probabilities is not None
    [reading] = stage.show(face(), textured=False).readings
    assert (reading.probabilities, reading.valence, reading.expressiveness) == (None, None, None)
    assert (reading.withheld, reading.uncertain, reading.attentive) == ("too dark", True, True)
    assert reading.quality < 0.5
    assert stage.show(face()).readings[0].withheld is None


def test_a_smoothed_emotion_starts_anew_after_a_pause(face: Face) -> None:
    stage = Stage()
    stage.show(face(), level=50)
    for _ in range(30):
        stage.show(face(), textured=False)
    [reading] = stage.show(face(), level=200).readings
    assert reading.probabilities[HAPPY] == pytest.approx(14 / 20, abs=0.01)


def test_zones_leave_faces_out_or_only_count_them(face: Face) -> None:
    zones = (Zone(kind="ignore", box=(0, 0, 0.4, 1)), Zone(kind="count", box=(0.6, 0, 0.4, 1)))
    stage = Stage(AnalysisSettings(zones=zones))
    inside, counted = stage.show(face(0.2), face(0.5), face(0.8)).readings
    assert inside.box.centre[0] == pytest.approx(0.5)
    assert inside.withheld is None
    assert counted.box.centre[0] == pytest.approx(0.8)
    assert (counted.withheld, counted.probabilities) == ("count only", None)
    assert sum(shape[0] for shape in stage.classifier.shapes) == 1


def test_a_face_that_never_changes_is_taken_for_a_picture(face: Face) -> None:
    stage = Stage(AnalysisSettings(static_after_s=5))
    static = [stage.show(face()).readings[0].static for _ in range(100)]
    assert not any(static[:45])
    assert all(static[60:])
    classified = len([shape for shape in stage.classifier.shapes if shape[0]])
    assert classified < 70  # none any more


def test_the_cameras_place_turns_the_pose_to_the_screen(face: Face) -> None:
    above = AnalysisSettings(camera=CameraMount(above_cm=100))
    [seen], [mounted] = Stage().show(face()).readings, Stage(above).show(face()).readings
    # Whoever looks straight into a camera above the screen looks above the screen.
    assert mounted.pose.pitch > seen.pose.pitch + 10
    assert mounted.pose.yaw == pytest.approx(seen.pose.yaw, abs=1)


def test_probabilities_are_calibrated_by_the_card(face: Face) -> None:
    [reading] = Stage(RAW, temperature=2.0).show(face()).readings
    root = 14**0.5
    assert reading.probabilities[HAPPY] == pytest.approx(root / (root + 6))


@pytest.mark.parametrize(("threshold", "uncertain"), [(0.69, False), (0.71, True)])
def test_a_reading_is_uncertain_below_the_cards_threshold(
    face: Face, threshold: float, uncertain: bool
) -> None:
    [reading] = Stage(RAW, uncertain_below=threshold).show(face()).readings
    assert reading.uncertain is uncertain


def test_probabilities_follow_a_change_with_the_stated_delay(face: Face) -> None:
    stage = Stage()
    stage.show(face(), level=50)
    [reading] = stage.show(face(), level=200, after_ns=round(DELAY_S * 1e9)).readings
    assert reading.probabilities[HAPPY] == pytest.approx(1 / 20 + 13 / 20 * (1 - np.exp(-1)))
    assert sum(reading.probabilities) == pytest.approx(1)
    assert reading.valence == pytest.approx(
        reading.probabilities[HAPPY] - reading.probabilities[SAD]
    )


def test_every_viewer_is_smoothed_apart(face: Face) -> None:
    stage = Stage()
    stage.show(face(0.2), level=50)
    readings = stage.show(face(0.2), face(0.8), level=200).readings
    assert [reading.viewer for reading in readings] == [1, 2]
    assert readings[0].probabilities[HAPPY] < 0.5
    assert readings[1].probabilities[HAPPY] == pytest.approx(14 / 20)


def test_attention_follows_the_head_with_its_settings(face: Face) -> None:
    turned = np.array(
        [[0.37, 0.4], [0.65, 0.4], [0.56, 0.58], [0.54, 0.71], [0.18, 0.49], [0.8, 0.49]]
    )
    narrow, wide = (
        Stage(AnalysisSettings(max_yaw_deg=10, hysteresis_deg=0)),
        Stage(AnalysisSettings(camera=CameraMount(above_cm=0, screen_width_cm=150))),
    )
    for stage, attentive in ((narrow, False), (wide, True)):
        [reading] = stage.show(face(points=turned)).readings
        assert 12 < reading.pose.yaw < 22
        assert reading.attentive is attentive
        looks = [stage.show(face()).readings[0].attentive for _ in range(4)]
        assert looks[0] is attentive  # one frame changes nothing
        assert looks[-1]


def test_attention_does_not_flicker_at_the_limit(face: Face) -> None:
    stage = Stage()
    [reading] = stage.show(face()).readings
    limit = abs(reading.pose.yaw) + abs(reading.pose.pitch) + 2
    stage = Stage(AnalysisSettings(max_pitch_deg=limit, max_yaw_deg=limit, hysteresis_deg=30))
    nod = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.53], [0.5, 0.70], [0.16, 0.50], [0.84, 0.50]])
    assert stage.show(face()).readings[0].attentive
    for _ in range(10):
        [nodding] = stage.show(face(points=nod)).readings
        assert abs(nodding.pose.pitch) > limit
        assert nodding.attentive


def test_who_is_gone_is_forgotten(face: Face) -> None:
    stage = Stage()
    for _ in range(50):
        stage.show(face())
        stage.show(after_ns=FaceAnalyser.FORGET_AFTER_NS + 1)
    assert stage.show(face()).readings[0].viewer == 51
    assert len(stage.analyser._viewers) == 1


def test_a_box_beyond_the_frame_does_no_harm(face: Face) -> None:
    odd = FaceDetection(Box(-3, -3, 0.2, 0.2), 0.9, face().keypoints)
    assert len(Stage().show(odd, face()).readings) == 2


def test_time_is_accounted_for_by_stage(face: Face) -> None:
    stage = Stage()
    for _ in range(3):
        stage.show(face())
    times = stage.analyser.times
    assert times.frames == 3
    assert tuple(times.seconds) == STAGES
    assert all(spent > 0 for spent in times.seconds.values())
    assert sum(times.milliseconds().values()) == pytest.approx(
        1000 * sum(times.seconds.values()) / 3
    )


def test_closing_closes_the_detector() -> None:
    stage = Stage()
    stage.analyser.close()
    assert stage.detector.closed == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_yaw_deg": 0},
        {"max_pitch_deg": 91},
        {"hysteresis_deg": -1},
        {"smoothing_delay_s": 6},
        {"blur": 1},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    [name] = wrong
    with pytest.raises(ValueError, match=name):
        AnalysisSettings(**wrong)


def analysed(video: Path, until_s: float) -> list[AnalysedFrame]:
    analyser = mediapipe_analyser(load_classifier(device="cpu"))
    frames = []
    with Recording(video) as source:
        while (frame := source.read()) is not None and frame.captured_ns < until_s * 1e9:
            frames.append(analyser.analyse(frame))
    analyser.close()
    return frames


@pytest.fixture(scope="module")
def demo_run() -> list[AnalysedFrame]:
    from detector.sources.video_source import DEMO_VIDEO

    return analysed(DEMO_VIDEO, 16)


def mean_probability(
    frames: Sequence[AnalysedFrame], emotion: int, start_s: float, end_s: float
) -> float:
    return float(
        np.mean(
            [
                reading.probabilities[emotion]
                for frame in frames
                if start_s <= frame.captured_ns / 1e9 < end_s
                for reading in frame.readings
            ]
        )
    )


def test_the_demo_viewer_is_one_viewer_throughout(demo_run: list[AnalysedFrame]) -> None:
    assert len(demo_run) == 400
    counted = [frame.readings for frame in demo_run[10:]]
    assert {reading.viewer for readings in counted for reading in readings} == {1}
    assert np.mean([len(readings) == 1 for readings in counted]) > 0.98
    assert np.mean([readings[0].attentive for readings in counted if readings]) > 0.9


def test_the_demo_viewers_smile_is_seen(demo_run: list[AnalysedFrame]) -> None:
    before, smile, after = (
        mean_probability(demo_run, HAPPY, *span) for span in ((1, 4.5), (6.2, 10.8), (12, 15.5))
    )
    assert smile > 0.5
    assert smile > before + 0.1
    assert smile > after + 0.1


def test_the_demo_viewer_is_read_the_same_every_time(
    demo_run: list[AnalysedFrame], demo_video: Path
) -> None:
    again = analysed(demo_video, 5)
    assert again == demo_run[: len(again)]
    assert len(again) == 125


def test_a_model_that_sorts_people_is_refused() -> None:
    with pytest.raises(ModelLoadError, match="sorts people: its labels include male, female"):
        Stage(labels=("male", "female"))
