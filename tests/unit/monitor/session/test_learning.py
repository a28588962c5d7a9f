"""The loop of `learn` on faces whose plain valence misleads: it must not pay for looking away.

Two ads, and the same faces before both. The faces of the default test are synthetic: their
probabilities are exact posteriors for a mix of photographs in which a third is neutral, as those of
a calibrated network, and neutral faces read about -0.1 in plain valence.
"""

from __future__ import annotations

import csv
import lzma
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ads.playlists.playlist import Ad
from ads.policies import make_policy
from ads.policies.audience import Audience, Reward
from ads.policies.base import Situation
from ads.policies.settings import PolicySettings
from ads.show.playback import Play, PlaybackLog, PlayEnd
from detector.emotion.classifier import classify, load_classifier
from detector.emotion.labels import EMOTIONS
from detector.emotion.prevalence import PrevalenceCalibration, fit_calibration
from detector.types import AnalysedFrame, FaceReading
from monitor.session.audience import AudienceMeter, RewardMeter

Faces = NDArray[np.float64]

STEP_NS = 500_000_000
STEPS = 2
ADS = tuple(Ad(name, Path(f"{name}.png"), name, "image", 1.5, "0" * 64) for name in ("on", "off"))
NEUTRAL, HAPPY = EMOTIONS.index("neutral"), EMOTIONS.index("happy")
CROWDS = {
    "97/3": {"neutral": 0.97, "happy": 0.03},
    "85/10/5": {"neutral": 0.85, "happy": 0.10, "surprise": 0.02, "sad": 0.015, "angry": 0.015},
    "all neutral": {"neutral": 1.0},
}


def plain_valence(p: Faces) -> Faces:
    return p[:, HAPPY] - p[:, [EMOTIONS.index(e) for e in ("angry", "disgust", "fear", "sad")]].max(
        axis=1
    )


@pytest.fixture(scope="module")
def synthetic() -> tuple[Faces, NDArray[np.int64]]:
    """Probabilities `(n, 7)` and true emotions `(n,)` of synthetic faces."""
    rng = np.random.default_rng(0)
    mix = np.array([0.10, 0.02, 0.04, 0.27, 0.13, 0.12, 0.32])
    means = np.diag([2.4, 2.4, 2.4, 3.6, 1.8, 3.0, 1.8])
    truth = rng.choice(len(EMOTIONS), 6000, p=mix)
    seen = means[truth] + rng.normal(size=(truth.size, len(EMOTIONS)))
    logs = np.log(mix) - ((seen[:, None] - means) ** 2).sum(axis=-1) / 2
    p = np.exp(logs - logs.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    assert -0.11 < plain_valence(p)[truth == NEUTRAL].mean() < -0.06
    return p, truth


class Shop:
    """Groups of one to four before a screen; each viewer shows a face of the crowd in each step."""

    def __init__(
        self,
        face: FaceReading,
        faces: Faces,
        truth: NDArray[np.int64],
        calibration: PrevalenceCalibration,
        seed: int,
    ) -> None:
        self.face = face
        self.rng = np.random.default_rng([2, seed])
        self.faces = faces
        self.by_emotion = [np.flatnonzero(truth == place) for place in range(len(EMOTIONS))]
        self.calibration = calibration
        self.policy = make_policy("learn", PolicySettings(seed=seed))
        self.log = PlaybackLog()
        self.present = AudienceMeter(calibration)
        self.meter = RewardMeter(self.log, self.learn, calibration)
        self.rewards: list[tuple[str, float]] = []

    def learn(self, play: Play, reward: Reward) -> None:
        self.rewards.append((play.ad.ad_id, reward.value))
        self.policy.learn(play.ad.ad_id, play.context, reward)

    def run(
        self, crowds: Sequence[dict[str, float]], attention: Sequence[float], plays: int
    ) -> list[str]:
        """Return what was shown; each ad has its crowd and its share of attentive time."""
        shown, seen = [], None
        for number in range(1, plays + 1):
            at_ns = number * 10_000_000_000
            choice = self.policy.choose(ADS, Situation(at_ns, None, seen or Audience(1)))
            shown.append(choice.ad.ad_id)
            ad = ADS.index(choice.ad)
            self.meter.play_started(Play(number, choice.ad, at_ns, "", 1.0, context=choice.context))
            self.log.start(number, at_ns)
            viewers = int(self.rng.integers(1, 5))
            looking = self.rng.beta(4 * attention[ad], 4 * (1 - attention[ad]), viewers)
            names, shares = list(crowds[ad]), list(crowds[ad].values())
            feels = self.rng.choice(len(names), viewers, p=shares)
            for step in range(STEPS + 1):
                captured = at_ns + step * STEP_NS
                readings = []
                for viewer in range(viewers):
                    pool = self.by_emotion[EMOTIONS.index(names[feels[viewer]])]
                    p = self.faces[pool[self.rng.integers(pool.size)]]
                    face = replace(
                        self.face,
                        viewer=10 * number + viewer,
                        probabilities=tuple(p.tolist()),
                        valence=float(plain_valence(p[None])[0]),
                        attentive=bool(self.rng.random() < looking[viewer]),
                    )
                    readings.append(face)
                self.meter.record(AnalysedFrame(step, captured, 640, 480, tuple(readings)))
                self.present.record(AnalysedFrame(step, captured, 640, 480, tuple(readings)))
            end_ns = at_ns + (STEPS + 1) * STEP_NS
            self.log.end(end_ns)
            self.meter.play_ended(PlayEnd(number, end_ns, "finished", 1500.0))
            self.meter.flush()
            seen = self.present.present(captured)
        return shown


@pytest.mark.parametrize("crowd", CROWDS)
def test_the_ad_that_people_watch_gets_the_plays(crowd, synthetic, reading):
    """Watched 80 and 30 % of the time by the same faces: at least 80 % of the last 500 plays."""
    shop = Shop(reading(), *synthetic, fit_calibration(*synthetic), seed=1)
    shown = shop.run([CROWDS[crowd]] * 2, (0.8, 0.3), 1500)
    assert shown[-500:].count("on") >= 400
    assert all(0 <= value <= 1 for _, value in shop.rewards)


@pytest.mark.slow
def test_where_attention_is_equal_a_taste_is_still_learnt(synthetic, reading):
    shop = Shop(reading(), *synthetic, fit_calibration(*synthetic), seed=3)
    liked = {"neutral": 0.70, "happy": 0.25, "sad": 0.05}
    shown = shop.run([liked, CROWDS["85/10/5"]], (0.6, 0.6), 1500)
    assert shown[-500:].count("on") >= 350


def labelled_faces() -> tuple[Faces, NDArray[np.int64]]:
    """The rows of FER2013's PublicTest that FER+ gives a majority of one of the seven emotions."""
    folder = Path(os.environ.get("AD_MONITOR_TEST_DATA", ""))
    if not (folder / "fer2013.csv.xz").is_file() or not os.environ.get("AD_MONITOR_TEST_DATA"):
        pytest.skip("needs FER2013 and FER+ in $AD_MONITOR_TEST_DATA")
    names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    rest = ("contempt", "unknown", "NF")
    with (
        lzma.open(folder / "fer2013.csv.xz", "rt") as faces,
        (folder / "fer2013new.csv").open(encoding="utf-8") as votes,
    ):
        pairs = [
            (row["pixels"], [int(vote[name]) for name in (*names, *rest)])
            for row, vote in zip(csv.DictReader(faces), csv.DictReader(votes), strict=True)
            if row["Usage"] == "PublicTest"
        ]
    count = np.array([pair[1] for pair in pairs])
    count[count <= 1] = 0
    known = (count.max(axis=1) > count.sum(axis=1) / 2) & (count.argmax(axis=1) < len(names))
    pixels = np.array([np.array(pair[0].split(), np.uint8).reshape(48, 48) for pair in pairs])
    return classify(load_classifier(device="cpu"), pixels[known]), count.argmax(axis=1)[known]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_labelled_faces_that_the_calibration_has_not_seen(reading):
    """The same on photographs: half of them calibrate, the others stand before the screen."""
    p, truth = labelled_faces()
    half = np.random.default_rng(0).random(truth.size) < 0.5
    calibration = fit_calibration(p[half], truth[half])
    for crowd in CROWDS.values():
        for seed in range(3):
            shop = Shop(reading(), p[~half], truth[~half], calibration, seed)
            shown = shop.run([crowd] * 2, (0.8, 0.3), 1500)
            assert shown[-500:].count("on") >= 400
