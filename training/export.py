"""From trained weights to a model that can be shipped: network, twin, calibration, card."""

from __future__ import annotations

import json
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from scipy.optimize import minimize_scalar

from detector.classifier import TwinClassifier, convert_twin, probabilities
from detector.emotions import EMOTIONS
from detector.model_card import ModelCard, sha256_of
from detector.preprocessing import FER_GEOMETRY
from training.evaluation import evaluate, judged_rows
from training.fit import VOTES_HEAD

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from training.datasets import FaceDataset

LIMITS = (
    "It names expressions, not feelings: people smile without joy and grieve with a still face.",
    "Disgust and fear are rare in the data and are recognised worst; a slightly sad face is often taken for neutral.",
    "Faces below 24 pixels, turned far to a side, rolled by more than 20 degrees, noisy, or with a covered mouth are read "
    "less well.",
    "The data are photographs found by web search in 2013, labelled by ten people each; groups that are rare in them are "
    "likely to be read less well.",
)


def serving_network(trained: keras.Model) -> keras.Model:
    """The network that is shipped: one output of seven logits, in the order of `EMOTIONS`.

    The eighth emotion of FER+, contempt, is dropped from the votes head; a softmax over the other seven logits is then
    the distribution given that it is none of it.

    Args:
        trained: A model with the votes head.
    """
    head = trained.get_layer(VOTES_HEAD)
    kernel, bias = head.get_weights()
    seven = keras.layers.Dense(len(EMOTIONS), name="emotions", dtype="float32")
    network = keras.Model(trained.input, seven(head.input), name=trained.name)
    seven.set_weights([kernel[:, : len(EMOTIONS)], bias[: len(EMOTIONS)]])
    return network


def fit_temperature(logits: NDArray[np.float64], votes: NDArray[np.float64]) -> float:
    """The temperature that makes the probabilities fit the votes best (Guo et al., 2017, on soft labels).

    Args:
        logits: `(n, 7)`.
        votes: `(n, 10)` as in `FaceDataset.votes`.

    Returns:
        The minimiser of the cross-entropy with the distribution of the votes over the seven emotions.
    """
    seven = votes[:, : len(EMOTIONS)]
    chosen = seven.sum(axis=1) > 0
    target = seven[chosen] / seven[chosen].sum(axis=1, keepdims=True)

    def cross_entropy(temperature: float) -> float:
        predicted = probabilities(logits[chosen], temperature)
        return float(-(target * np.log(np.maximum(predicted, 1e-12))).sum(axis=1).mean())

    return float(minimize_scalar(cross_entropy, bounds=(0.3, 4.0), method="bounded").x)


def uncertain_threshold(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """The confidence at which predictions stop being wrong more often than right.

    Args:
        confidence: `(n,)` highest probability of each row.
        correct: `(n,)` whether the prediction is right.

    Returns:
        The highest confidence, rounded to two digits, around which fewer than half of the predictions are right (running
        mean over a fortieth of the rows, at least 20); 0 if there is none.
    """
    window = max(20, len(confidence) // 40)
    if len(confidence) < window:
        return 0.0
    order = np.argsort(confidence, kind="stable")
    around = np.convolve(correct[order], np.full(window, 1 / window), mode="valid")
    mostly_wrong = np.flatnonzero(around < 0.5)
    return round(float(confidence[order][mostly_wrong[-1] + window // 2]), 2) if len(mostly_wrong) else 0.0


def export(trained: keras.Model, folder: Path, name: str, calibration: FaceDataset, training: dict[str, Any]) -> Path:
    """Write `NAME.keras`, `NAME.tflite`, `NAME.json` and `NAME.md`.

    Args:
        trained: A model with the votes head.
        folder: Where; created if missing.
        name: Stem of the files.
        calibration: Held-out rows with votes; they give temperature, threshold and scores.
        training: Data and settings of the run, for the card.

    Returns:
        The `.keras` file.

    Raises:
        DatasetError: The calibration rows have no votes.
    """
    judged_rows(calibration, "plurality")  # raises before minutes are spent on files that nobody can calibrate
    folder.mkdir(parents=True, exist_ok=True)
    network = serving_network(trained)
    side = int(network.input_shape[1])
    model, twin = folder / f"{name}.keras", folder / f"{name}.tflite"
    network.save(model)
    twin.write_bytes(convert_twin(network, side))
    card = ModelCard(
        name=name,
        labels=EMOTIONS,
        input_side_px=side,
        crop_scale=FER_GEOMETRY.scale,
        crop_raise=FER_GEOMETRY.raise_by,
        temperature=1.0,
        uncertain_below=0.0,
        sha256=sha256_of(model),
        twin_sha256=sha256_of(twin),
        limits=LIMITS,
    )
    card = _calibrated(card, twin, calibration)
    classifier = TwinClassifier(twin, card)
    scores = {
        f"PublicTest, {against}": _short(evaluate(classifier, calibration, against))
        for against in ("majority", "plurality", "original", "happy-sad")
    }
    versions = {package: version(package) for package in ("keras", "tensorflow", "numpy", "opencv-python")}
    facts = {
        **training,
        "parameters": int(network.count_params()),
        "architecture": trained.name,
        "finished_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {**versions, "python": platform.python_version(), "backend": keras.backend.backend()},
        "calibrated_on": f"PublicTest, {len(calibration)} rows",
    }
    card = card.model_copy(update={"training": facts, "scores": scores})
    (folder / f"{name}.json").write_text(json.dumps(card.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    (folder / f"{name}.md").write_text(card_text(card), encoding="utf-8")
    return model


def _calibrated(card: ModelCard, twin: Path, faces: FaceDataset) -> ModelCard:
    rows, truth = judged_rows(faces, "plurality")
    if faces.votes is None:
        raise ValueError("Calibration needs the votes of the taggers; received a dataset without them.")
    logits = TwinClassifier(twin, card).logits(faces.images[rows])
    temperature = round(fit_temperature(logits, faces.votes[rows]), 4)
    scores = probabilities(logits, temperature)
    threshold = uncertain_threshold(scores.max(axis=1), scores.argmax(axis=1) == truth)
    return card.model_copy(update={"temperature": temperature, "uncertain_below": threshold})


def _short(figures: dict[str, Any]) -> dict[str, Any]:
    kept = {key: figures[key] for key in ("n", "accuracy", "macro_f1", "ece")}
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in kept.items()}
    recall = {label: round(scores["recall"], 3) for label, scores in figures["per_class"].items()}
    return rounded | {"recall": recall}


def card_text(card: ModelCard) -> str:
    """The card for people, as Markdown."""
    lines = [
        f"# Model {card.name}",
        "",
        f"Gives the probabilities of {', '.join(card.labels)} for a grey face of "
        f"{card.input_side_px} × {card.input_side_px} pixels.",
        "",
        "| | |",
        "|---|---|",
        f"| architecture | {card.training.get('architecture')}, {card.training.get('parameters'):,} parameters |",
        f"| trained on | {card.training.get('data')} |",
        f"| finished | {card.training.get('finished_at')} |",
        f"| framing | square of {card.crop_scale} box sides, centre {card.crop_raise} box sides above the box's centre |",
        f"| temperature | {card.temperature} |",
        f"| uncertain below | {card.uncertain_below} |",
        f"| SHA-256 | `{card.sha256}` |",
        "",
        "## Scores",
        "",
        "One pass over the rows, nothing varied. The PublicTest rows chose the best epoch and the temperature, so they are "
        "validation figures; they were never trained on, nor were their near-twins.",
        "",
        "| against | rows | accuracy | macro F1 | ECE |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {score['n']} | {score['accuracy']:.1%} | {score['macro_f1']:.3f} | {score['ece']:.3f} |"
        for name, score in card.scores.items()
    ]
    main = next(iter(card.scores.values()), None)
    if main is not None:
        lines += ["", "Recall by emotion against the majority:", "", "| emotion | recall |", "|---|---:|"]
        lines += [f"| {label} | {recall:.3f} |" for label, recall in main["recall"].items()]
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in card.limits), "", "## Training", ""]
    settings = json.dumps({key: value for key, value in card.training.items() if key != "data"}, indent=1)
    lines += ["```json", settings, "```", ""]
    return "\n".join(lines)
