"""The gate: better models pass, worse ones are refused with the figures, and everything is in the
log.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.emotion.classifier import load_classifier
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import ModelCard
from detector.emotion.model_store import (
    DEFAULT_MODEL,
    LOG,
    ModelStoreError,
    find_model,
    promotions,
    roll_back,
    shipped_default,
    store_folder,
)
from detector.errors import ModelLoadError
from tests.helpers.classifiers import ScriptedClassifier, write_card
from training.datasets.faces import FaceDataset
from training.datasets.splits import HELD_OUT_OF, divide
from training.errors import DatasetError, PromotionRefusedError
from training.release import promotion as module
from training.release.promotion import face_times_ms, held_out_by, promote

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROWS = 200


class Keyed(ScriptedClassifier):
    """Right on the first `right` faces of `numbered`, wrong by one class on the others."""

    def __init__(self, card: ModelCard, right: int, off: float = 0.0) -> None:
        super().__init__(**card.model_dump())
        self._right, self._off = right, off

    def answer(self, crops: np.ndarray) -> np.ndarray:
        number = crops[:, 0, 0].astype(int)
        said = (number + (number >= self._right)) % 7
        known = [EMOTIONS.index(name) if name in EMOTIONS else 0 for name in self.card.labels]
        return (5.0 + self._off) * np.eye(7)[said][:, known]


@pytest.fixture
def numbered() -> FaceDataset:
    images = np.zeros((ROWS, 48, 48), np.uint8)
    images[:, 0, 0] = np.arange(ROWS)
    return FaceDataset(images, np.arange(ROWS) % 7, None, np.array(["PublicTest"] * ROWS))


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a candidate that is right on so many faces; the shipped model is right on 150 of the
    200.
    """
    store = tmp_path / "store"
    monkeypatch.setenv("AD_MONITOR_MODELS", str(store))
    right: dict[str, int] = {DEFAULT_MODEL: 150}
    off: dict[str, float] = {}
    times = {DEFAULT_MODEL: 1.0}

    def make(
        name: str,
        correct: int,
        *,
        labels: tuple[str, ...] = EMOTIONS,
        twin_off: float = 0.0,
        size: int = 100,
        ms: float = 1.5,
    ) -> Path:
        right[name], off[name], times[name] = correct, twin_off, ms
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        model = folder / f"{name}.keras"
        model.write_bytes(name.encode().ljust(size))
        write_card(model, labels=labels)
        return model

    def load(model: Path, device: str) -> Keyed:
        assert device == "cpu"
        return Keyed(module.read_card(model), right[model.stem])

    monkeypatch.setattr(module, "load_classifier", load)
    monkeypatch.setattr(
        module,
        "KerasClassifier",
        lambda model, card: Keyed(card, right[model.stem], off.get(model.stem, 0.0)),
    )
    monkeypatch.setattr(
        module, "face_times_ms", lambda pair, _images: [times[one.card.name] for one in pair]
    )
    return make


def test_a_better_model_is_promoted_and_logged(
    gate: Callable[..., Path], numbered: FaceDataset
) -> None:
    entry = promote(
        gate("better", 170), numbered, "original", dataset="fer2013.csv, PublicTest", now=NOW
    )
    assert find_model() == module.find_model("better")
    assert promotions() == [entry]
    assert (entry.event, entry.model, entry.origin, entry.replaced) == (
        "promoted",
        "better",
        "own",
        DEFAULT_MODEL,
    )
    assert (entry.time, entry.forced, entry.reasons) == ("2026-11-21T12:00:00+00:00", False, ())
    figures = entry.figures
    assert (figures["dataset"], figures["rows"], figures["against"]) == (
        "fer2013.csv, PublicTest",
        ROWS,
        "original",
    )
    first = figures["comparison"]["first"]
    assert (first["model"], first["accuracy"]) == (DEFAULT_MODEL, 0.75)
    assert {"macro_f1", "ece"} <= set(first)
    assert figures["comparison"]["second"]["accuracy"] == 0.85
    assert figures["comparison"]["p_value"] == pytest.approx(2 / 2**20)
    assert (figures["current_ms"], figures["candidate_ms"], figures["twin_difference"]) == (
        1.0,
        1.5,
        0.0,
    )
    # The next one is measured against the model now in use.
    with pytest.raises(PromotionRefusedError, match=r"5\.00 points lower than that of better"):
        promote(gate("between", 160), numbered, "original", now=NOW)
    assert roll_back(NOW).model == DEFAULT_MODEL
    assert promote(gate("between", 160), numbered, "original").model == "between"


def test_a_worse_model_is_refused_and_told_by_how_much(
    gate: Callable[..., Path], numbered: FaceDataset
) -> None:
    with pytest.raises(
        PromotionRefusedError,
        match=(
            rf"worse was not promoted; {DEFAULT_MODEL} stays in use\. Its accuracy is 10\.00 points lower than that of {DEFAULT_MODEL} \(65\.00% against "
            r"75\.00% on 200 faces, p = 1\.91e-06\); at most 0\.1 may be lost\. Its macro F1 is 1\d\.\d\d points lower .*"
            r"One trained with more pictures .*\(--force promotes it anyway\.\)$"
        ),
    ):
        promote(gate("worse", 130), numbered, "original", now=NOW)
    assert find_model() == shipped_default()
    [entry] = promotions()
    assert (entry.event, entry.model, len(entry.reasons)) == ("refused", "worse", 2)
    assert entry.figures["comparison"]["second"]["accuracy"] == 0.65


@pytest.mark.parametrize(
    ("correct", "tolerance", "passes"),
    [(150, 0.001, True), (149, 0.001, False), (149, 0.005, True)],
)
def test_the_tolerance(
    gate: Callable[..., Path],
    numbered: FaceDataset,
    correct: int,
    tolerance: float,
    *,
    passes: bool,
) -> None:
    model = gate("other", correct)
    if passes:
        assert promote(model, numbered, "original", tolerance=tolerance).event == "promoted"
    else:
        with pytest.raises(PromotionRefusedError, match=r"0\.50 points lower"):
            promote(model, numbered, "original", tolerance=tolerance)


def test_force_promotes_and_is_logged(
    gate: Callable[..., Path], numbered: FaceDataset, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="training.release.promotion"):
        entry = promote(gate("worse", 130), numbered, "original", force=True)
    assert "worse was promoted by force although: Its accuracy is 10.00 points lower" in caplog.text
    assert (entry.event, entry.forced, len(entry.reasons)) == ("promoted", True, 2)
    assert find_model().stem == "worse"
    assert promote(gate("fine", 190), numbered, "original", force=True).forced is False


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"twin_off": -1.5},
            r"LiteRT form differs from the network by 0\.\d+ in a probability; at most 0\.05",
        ),
        ({"twin_off": float("nan")}, r"LiteRT form differs from the network by 1\.0000"),
        ({"size": 10_000_001}, r"needs 10\.0 MB; at most 10 MB"),
        (
            {"ms": 2.01},
            r"takes 2\.01 ms a face on one core, 2\.0 times the current model's 1\.00 ms; at most 2 times",
        ),
    ],
)
def test_a_model_that_cannot_serve_is_refused(
    gate: Callable[..., Path], numbered: FaceDataset, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(PromotionRefusedError, match=message):
        promote(gate("unfit", 200, **changes), numbered, "original")
    assert find_model() == shipped_default()
    assert json.loads((store_folder() / LOG).read_text())["event"] == "refused"


def test_other_labels_are_judged_by_those_that_both_have(
    gate: Callable[..., Path], numbered: FaceDataset
) -> None:
    entry = promote(gate("pair", 200, labels=("happy", "sad")), numbered, "original")
    assert (entry.event, entry.figures["labels"]) == ("promoted", ["happy", "sad"])
    assert entry.figures["rows"] == np.isin(numbered.original, [3, 4]).sum()


def test_labels_that_nothing_compares_need_force(
    gate: Callable[..., Path], numbered: FaceDataset
) -> None:
    model = gate("own", 200, labels=("bored", "keen"))
    with pytest.raises(
        PromotionRefusedError, match=r"It tells bored from keen only, and shares no two labels"
    ):
        promote(model, numbered, "original")
    entry = promote(model, numbered, "original", force=True)
    assert (entry.event, entry.forced, entry.figures["comparison"]) == ("promoted", True, None)
    assert find_model().stem == "own"


def test_the_model_in_use_is_not_promoted_again(
    gate: Callable[..., Path], numbered: FaceDataset
) -> None:
    with pytest.raises(PromotionRefusedError, match=f"{DEFAULT_MODEL} is the model in use already"):
        promote(shipped_default(), numbered, "original")
    model = gate("better", 170)
    promote(model, numbered, "original")
    with pytest.raises(PromotionRefusedError, match="better is the model in use already"):
        promote(model, numbered, "original")
    back = promote(shipped_default(), numbered, "original", force=True)
    assert (back.origin, find_model()) == ("shipped", shipped_default())


def test_what_cannot_be_measured_is_an_error(
    gate: Callable[..., Path], numbered: FaceDataset, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="needs the vote file"):
        promote(gate("other", 170), numbered)
    with pytest.raises(ModelLoadError, match="has no card"):
        promote(tmp_path / "nowhere.keras", numbered, "original")
    with pytest.raises(ModelStoreError, match="another model named"):
        promote(gate(DEFAULT_MODEL, 170), numbered, "original")
    assert promotions() == []


def test_times_are_measured_in_turns(numbered: FaceDataset) -> None:
    card = module.read_card(shipped_default())
    fast, slow = Keyed(card, 0), Keyed(card, 0)
    quick = slow.logits

    def slowly(crops: np.ndarray) -> np.ndarray:
        for _ in range(200):
            quick(crops)
        return quick(crops)

    slow.logits = slowly  # type: ignore[method-assign]
    times = face_times_ms((fast, slow), numbered.images[:3])
    assert 0 < times[0] < times[1]
    assert len(fast.shapes) == (module.TIMED_ROUNDS + 1) * 3


def test_the_shipped_model_and_its_twin_pass_the_gate_themselves(numbered: FaceDataset) -> None:
    """With real runtimes: the twin agrees, the size fits, and a model is about as fast as itself."""
    model = shipped_default()
    twin = load_classifier(model, "cpu")
    difference = module._litert_difference(model, twin, numbered.images[:16])
    assert difference < module.LITERT_TOLERANCE
    times = face_times_ms((twin, twin), numbered.images[:3])
    assert module._unfit("same", difference, model.stat().st_size, times) == []


def card_of(rows: dict[str, int], calibrated_on: str, **facts: Any) -> ModelCard:
    return ModelCard(
        name="any",
        labels=EMOTIONS,
        input_side_px=48,
        crop_scale=1,
        crop_raise=0,
        temperature=1,
        uncertain_below=0,
        sha256="",
        training={"rows": rows, "calibrated_on": calibrated_on, **facts},
    )


@pytest.fixture
def published() -> FaceDataset:
    """Rows to train on and to validate with, as FER2013 without its test."""
    images = np.random.default_rng(1).integers(0, 255, (400, 48, 48), dtype=np.uint8)
    usage = np.array(["Training"] * 300 + ["PublicTest"] * 100)
    return FaceDataset(images, np.arange(400) % 7, None, usage)


def test_rows_that_both_held_out_are_those_of_the_smaller_share(published: FaceDataset) -> None:
    cards, shares = [], {}
    for share in (0.1, 0.3):
        divided = divide(published, hold_out=share, seed=1)
        shares[share] = divided
        name = f"{HELD_OUT_OF}Training, {len(divided.validation)} rows"
        cards.append(card_of(divided.counts, name))
    for pair in (cards, cards[::-1]):
        rows = held_out_by(pair, published)
        assert rows is not None
        assert np.array_equal(rows.images, shares[0.1].validation.images)
        assert set(rows.usage) == {f"{HELD_OUT_OF}Training"}
    learnt = {image.tobytes() for part in shares.values() for image in part.training.images}
    assert not learnt & {image.tobytes() for image in rows.images}


@pytest.mark.parametrize(
    "other",
    [
        card_of({"training": 300, "validation": 100}, "PublicTest, 100 rows"),
        card_of({"training": 270, "validation": 31}, f"{HELD_OUT_OF}Training, 31 rows"),
        card_of(
            {"training": 270, "validation": 30},
            f"{HELD_OUT_OF}Training, 30 rows",
            may_know_validation=["compact-1"],
        ),
        card_of({}, ""),
    ],
    ids=["chosen by PublicTest", "of other rows", "of a teacher that knows them", "unknown"],
)
def test_no_rows_are_common_where_a_card_does_not_say_so(
    published: FaceDataset, other: ModelCard
) -> None:
    good = card_of({"training": 270, "validation": 30}, f"{HELD_OUT_OF}Training, 30 rows")
    assert held_out_by([good, good], published) is not None
    assert held_out_by([good, other], published) is None
    assert held_out_by([good, good], published.split("PublicTest")) is None
