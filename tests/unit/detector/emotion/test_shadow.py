"""A candidate beside the model in use: what is counted, and that it is never in the way."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from detector.emotion.labels import EMOTIONS, valence
from detector.emotion.model_card import ModelCard
from detector.emotion.shadow import WINDOW_NS, ShadowReader, require_comparable
from detector.errors import ModelLoadError
from detector.types import ShadowCounts
from tests.helpers.classifiers import ScriptedClassifier, model_card
from tests.helpers.waiting import Stopwatch, wait_until

S = 1_000_000_000
HAPPY, SAD, NEUTRAL = (EMOTIONS.index(name) for name in ("happy", "sad", "neutral"))


def card(name: str = "in-use", **changes: Any) -> ModelCard:
    return model_card(name, **({"uncertain_below": 0.3, "sha256": name.ljust(64, "0")} | changes))


class Candidate(ScriptedClassifier):
    """Says the emotion that the first pixel names; waits or fails when told to."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**card("candidate", **changes).model_dump())
        self.go = threading.Event()
        self.go.set()
        self.fails = False

    def answer(self, crops: np.ndarray) -> np.ndarray:
        assert self.go.wait(60)
        if self.fails:
            raise RuntimeError("broken")
        return 5.0 * np.eye(len(self.card.labels))[crops[:, 0, 0]]


def observe(
    reader: ShadowReader, at_ns: int, faces: dict[int, tuple[int, int]], share: float = 1.0
) -> None:
    """Faces by viewer: what the model in use says, and what the candidate will say."""
    crops = np.zeros((len(faces), 48, 48), np.uint8)
    crops[:] = np.array([said for _, said in faces.values()], np.uint8)[:, None, None]
    scores = np.full((len(faces), 7), 0.05)
    scores[np.arange(len(faces)), [said for said, _ in faces.values()]] = 0.7
    reader.observe(
        list(faces), crops, scores, captured_ns=at_ns, cpu_ms=2.0 * len(faces), share=share
    )


def closed(reader: ShadowReader) -> ShadowCounts:
    counts = reader.close()
    assert counts is not None
    return counts


def test_labels_valence_confidence_and_cost_are_added_up() -> None:
    reader = ShadowReader(card(), Candidate(), lossless=True)
    observe(reader, 0, {1: (HAPPY, HAPPY), 2: (SAD, NEUTRAL)})
    observe(reader, S, {1: (HAPPY, HAPPY), 2: (SAD, SAD)})
    counts = closed(reader)
    assert (counts.since_ns, counts.until_ns, counts.model) == (0, S, "candidate")
    cells = {(cell.label, cell.shadow_label): cell for cell in counts.cells}
    assert {pair: cell.faces for pair, cell in cells.items()} == {
        ("happy", "happy"): 2,
        ("sad", "neutral"): 1,
        ("sad", "sad"): 1,
    }
    happy = cells["happy", "happy"]
    said = np.full(7, 0.05)
    said[HAPPY] = 0.7
    shadow = np.exp(5.0 * np.eye(7)[HAPPY])
    shadow /= shadow.sum()
    assert happy.sum_valence == pytest.approx(2 * float(valence(said)))
    assert happy.sum_shadow_valence == pytest.approx(2 * float(valence(shadow)))
    assert happy.sum_confidence == pytest.approx(1.4)
    assert happy.sum_shadow_confidence == pytest.approx(2 * shadow[HAPPY])
    assert happy.cpu_ms == pytest.approx(4.0)
    assert happy.shadow_cpu_ms > 0


def test_each_viewer_counts_at_most_twice_a_second() -> None:
    reader = ShadowReader(card(), Candidate(), lossless=True)
    for frame in range(300):
        observe(reader, frame * S // 30, {1: (HAPPY, HAPPY), 2: (SAD, SAD)})
    cells = {cell.label: cell.faces for cell in closed(reader).cells}
    assert cells.keys() == {"happy", "sad"}
    assert all(20 <= faces <= 21 for faces in cells.values())


def test_nothing_is_compared_under_load() -> None:
    reader = ShadowReader(card(), Candidate(), lossless=True)
    observe(reader, 0, {1: (HAPPY, HAPPY)}, share=0.66)
    assert reader.close() is None


def test_a_slow_candidate_delays_nobody() -> None:
    candidate = Candidate()
    candidate.go.clear()
    reader = ShadowReader(card(), candidate)
    watch = Stopwatch()
    for second in range(60):
        observe(reader, second * S, {1: (HAPPY, HAPPY)})
    assert watch.seconds < 30, "it would have waited for ever"
    candidate.go.set()
    wait_until(reader._tasks.empty)
    assert sum(cell.faces for cell in closed(reader).cells) < 60


def test_a_candidate_that_hangs_does_not_keep_the_sensor_from_ending() -> None:
    candidate = Candidate()
    candidate.go.clear()
    reader = ShadowReader(card(), candidate)
    for second in range(20):
        observe(reader, second * S, {1: (HAPPY, HAPPY)})
    watch = Stopwatch()
    assert reader.close() is None
    assert watch.seconds < 30
    candidate.go.set()


@pytest.mark.logs_errors
def test_a_candidate_that_fails_ends_only_itself() -> None:
    candidate = Candidate()
    candidate.fails = True
    reader = ShadowReader(card(), candidate, lossless=True)
    for second in range(30):
        observe(reader, second * S, {1: (HAPPY, HAPPY)})
    assert reader.close() is None


def test_counts_are_handed_over_by_windows() -> None:
    reader = ShadowReader(card(), Candidate(), lossless=True)
    assert reader.take(0) is None
    observe(reader, S, {1: (HAPPY, SAD)})
    while reader._since_ns is None:
        time.sleep(0.01)
    assert reader.take(WINDOW_NS) is None
    counts = reader.take(S + WINDOW_NS)
    assert counts is not None
    assert [cell.faces for cell in counts.cells] == [1]
    assert reader.close() is None, "each face is handed over once"


def test_a_candidate_with_other_labels_and_size_has_no_valence() -> None:
    candidate = Candidate(labels=("bored", "keen"), input_side_px=64)
    reader = ShadowReader(card(), candidate, lossless=True)
    observe(reader, 0, {1: (HAPPY, 1)})
    [cell] = closed(reader).cells
    assert (cell.label, cell.shadow_label) == ("happy", "keen")
    assert cell.sum_valence is not None
    assert cell.sum_shadow_valence is None
    assert {shape[1] for shape in candidate.shapes} == {64}


def test_a_happy_sad_candidate_has_a_valence() -> None:
    reader = ShadowReader(card(), Candidate(labels=("happy", "sad")), lossless=True)
    observe(reader, 0, {1: (SAD, 1)})
    [cell] = closed(reader).cells
    assert (cell.label, cell.shadow_label) == ("sad", "sad")
    assert cell.sum_shadow_valence == pytest.approx(-np.tanh(2.5))


def test_the_model_itself_and_other_framing_are_refused() -> None:
    with pytest.raises(ModelLoadError, match="is the model in use itself"):
        require_comparable(card(), card())
    with pytest.raises(ModelLoadError, match="framed otherwise"):
        require_comparable(card(), card("other", crop_scale=1.4))
    with pytest.raises(ModelLoadError, match="sorts people"):
        require_comparable(card(), card("other", labels=("man", "woman")))
    require_comparable(card(), card("other"))
