"""From trained weights to a model that can be shipped: network, twin, calibration, figures, card."""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import keras
import numpy as np

from detector.emotion.classifier import LiteRTClassifier, convert_to_litert, probabilities
from detector.emotion.model_card import ModelCard, sha256_of
from detector.emotion.preprocessing import FER_GEOMETRY, fitted
from training.errors import DatasetError, TrainingError
from training.evaluation import figures
from training.evaluation.calibration import fit_temperature, reliability_bins, uncertain_threshold
from training.evaluation.evaluate import document, judge, restricted
from training.evaluation.robustness import NAMES, PASSES, by_condition
from training.fit.devices import predict
from training.release.card_text import FRAMING, card_text, licences, limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from training.datasets.faces import FaceDataset
    from training.datasets.labels import Head
    from training.evaluation.evaluate import Against, Selection

logger = logging.getLogger(__name__)

OUTPUT = "emotions"
SCORES = "scores.json"
ORIGINAL: Final = "original"
FITTED_TO_ORIGINAL = "the original labels"
TWIN_TOLERANCE = 1e-3
"""Largest difference in a probability between a network and its twin; floats explain no more."""
TWIN_ROWS = 256
CONDITIONS_S = 60.0
"""Time that the conditions may take; a slow network is measured on fewer rows."""
FEWEST_CONDITION_ROWS = 200
VERSIONS = ("keras", "tensorflow", "jax", "torch", "numpy", "opencv-python")
_CONVERT = (
    "import sys; from pathlib import Path; from detector.emotion.classifier import convert_to_litert, load_network; "
    "Path(sys.argv[2]).write_bytes(convert_to_litert(load_network(Path(sys.argv[1])), int(sys.argv[3])))"
)


class NetworkClassifier:
    """A network in memory, as an `EmotionClassifier`: for measuring many faces, on whatever Keras runs on.

    Args:
        network: From `(n, side, side, 1)` to `(n, labels)` logits.
        card: Its card.
    """

    runtime = "Keras"

    def __init__(self, network: keras.Model, card: ModelCard) -> None:
        self.card = card
        self._network = network

    def logits(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """See `EmotionClassifier.logits`."""
        if len(crops) == 0:
            return np.zeros((0, len(self.card.labels)))
        found = predict(self._network, crops[..., None].astype(np.float32), batch_size=64)
        return np.asarray(found, dtype=np.float64)


def serving_network(trained: keras.Model, head: Head, labels: Sequence[str]) -> keras.Model:
    """The network that is shipped: one output of logits, `emotions`, in float32.

    Classes of the head that are not asked for (contempt, in FER+'s votes) are dropped; a softmax
    over the other logits is then the distribution given that it is none of them.

    Args:
        trained: A network with that head.
        head: Which output is served; only its name and labels are looked at.
        labels: The classes to keep, in order.
    """
    layer = trained.get_layer(head.name)
    kernel, bias = layer.get_weights()
    columns = [head.labels.index(label) for label in labels]
    output = keras.layers.Dense(len(columns), name=OUTPUT, dtype="float32")
    network = keras.Model(trained.inputs[0], output(layer.input), name=trained.name)
    output.set_weights([kernel[:, columns], bias[columns]])
    return _in_float32(network)


def export(  # noqa: PLR0917 (a model is written from its network, heads, place, name, rows and facts)
    trained: keras.Model,
    heads: Sequence[Head],
    folder: Path,
    name: str,
    validation: FaceDataset,
    facts: Mapping[str, Any],
    *,
    labels: Sequence[str],
    history: Sequence[Mapping[str, Any]] = (),
    h5: bool = False,
    against: Against | None = None,
    conditions: bool = True,
) -> Path:
    """Write a finished model with everything that is known of it.

    The first head becomes `NAME.keras` with its twin `NAME.tflite`, card (`NAME.json`, `NAME.md`)
    and figures; a second one for the original labels becomes `NAME-original.keras` with its own
    card, calibrated against these labels. All figures of both are in `scores.json`.

    Args:
        trained: The network, with an output for every head.
        heads: What it learnt; only names and labels are looked at.
        folder: Where; created if missing.
        name: Stem of the files.
        validation: Held-out rows; they give temperature, threshold and scores.
        facts: Data, counts, settings and device of the run, for the card; `framing`, `limits` and
            `licences` among them replace what the card would say.
        labels: The labels to serve, among those of the heads.
        history: One entry an epoch, for the curves.
        h5: Whether to write the older HDF5 form too. Defaults to not.
        against: Which labels the model is judged by in figures and calibration. Defaults to the
            FER+ majority where the head learnt votes and there are some, else to the original
            labels.
        conditions: Whether accuracy by size of the face, blur and so on is measured, which takes a
            minute or more. Defaults to yes.

    Returns:
        The `.keras` file of the first head.

    Raises:
        DatasetError: The validation rows say nothing of the labels.
        TrainingError: The twin, or the HDF5 form, cannot be made.
    """
    labels = tuple(labels)
    served = [head for head in heads if head is heads[0] or head.name == ORIGINAL]
    parts = [
        _Part(head, labels, validation, against if head is heads[0] else None) for head in served
    ]
    folder.mkdir(parents=True, exist_ok=True)
    drawn: list[str] = []
    if history:
        figures.draw_curves(
            history, folder / "curves.png", head=heads[0].name if len(heads) > 1 else None
        )
        drawn.append("curves.png")
    scores: dict[str, Any] = {}
    models = []
    for index, part in enumerate(parts):
        suffix = "" if index == 0 else f"-{part.head.name}"
        writer = _Writer(
            folder, f"{name}{suffix}", suffix, validation, facts, measure_conditions=conditions
        )
        model, found = writer.write(
            serving_network(trained, part.head, labels), part, drawn, twin=index == 0, h5=h5
        )
        models.append(model)
        scores[model.stem] = found
    _write_json(folder / SCORES, {"models": scores, "history": list(history)})
    return models[0]


class _Part:
    """One served head and the rows that judge it; made before anything is written, so that errors come early."""

    def __init__(
        self, head: Head, labels: tuple[str, ...], validation: FaceDataset, against: Against | None
    ) -> None:
        self.head, self.labels = head, labels
        voted = validation.votes is not None and head.name != ORIGINAL
        self.against: Against = against or ("majority" if voted else "original")
        self.judged = judge(validation, self.against, labels, labels)
        self.fitted_to = "the distribution of the votes" if voted else FITTED_TO_ORIGINAL
        # Scattered votes pull the temperature past the point where confidence fits them: fitted to
        # the rows with a majority, the calibration error came out lower on these and on all rows
        # (0.026 and 0.010 against 0.038, 0.019).
        self.calibrated = judge(validation, "majority" if voted else ORIGINAL, labels, labels)
        # What is uncertain must be so of every face that comes along, the ambiguous ones too.
        self.met = judge(validation, "plurality" if voted else ORIGINAL, labels, labels)

    def targets(self) -> NDArray[np.float64]:
        """`(m, labels)` what the probabilities of `calibrated` should be."""
        if self.fitted_to != FITTED_TO_ORIGINAL and self.calibrated.votes is not None:
            return self.calibrated.votes
        return np.eye(len(self.labels))[self.calibrated.truth]

    def correctness(self, predicted: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of the predictions for `judged`, by the labels that the head was calibrated to."""
        if self.fitted_to == FITTED_TO_ORIGINAL:
            return np.asarray(predicted == self.judged.truth, dtype=np.float64)
        return self.judged.correctness(predicted)


class _Writer:
    """Writes one served model and its figures."""

    def __init__(
        self,
        folder: Path,
        name: str,
        suffix: str,
        validation: FaceDataset,
        facts: Mapping[str, Any],
        *,
        measure_conditions: bool,
    ) -> None:
        self._folder, self._name, self._suffix = folder, name, suffix
        self._validation, self._facts = validation, facts
        self._measure_conditions = measure_conditions
        self._split = ", ".join(validation.splits())

    def write(
        self, network: keras.Model, part: _Part, curves: Sequence[str], *, twin: bool, h5: bool
    ) -> tuple[Path, dict[str, Any]]:
        """Returns the `.keras` file and all figures."""
        model = self._folder / f"{self._name}.keras"
        side = int(network.input_shape[1])
        network.save(model)
        if h5:
            write_h5(network, model.with_suffix(".h5"))
        card = ModelCard(
            name=self._name,
            labels=part.labels,
            input_side_px=side,
            crop_scale=FER_GEOMETRY.scale,
            crop_raise=FER_GEOMETRY.raise_by,
            temperature=1.0,
            uncertain_below=0.0,
            sha256=sha256_of(model),
            framing=str(self._facts.get("framing", FRAMING)),
        )
        classifier = NetworkClassifier(network, card)
        crops = fitted(self._validation.images, side)
        started = time.monotonic()
        logits = classifier.logits(crops)
        seconds_per_face = (time.monotonic() - started) / len(crops)
        card, bins = self._calibrated(card, part, logits)
        scores = self._scores(card, part, logits)
        main = next(iter(scores.values()))
        found: dict[str, Any] = {
            "labels": list(part.labels),
            "scores": scores,
            "calibration": card.calibration
            | {"temperature": card.temperature, "uncertain_below": card.uncertain_below},
            "reliability": {
                when: {key: values.tolist() for key, values in vars(of).items()}
                for when, of in bins.items()
            },
        }
        difference = None
        if twin:
            content, difference = self._twin(
                network, model, card, crops[:TWIN_ROWS], logits[:TWIN_ROWS]
            )
            card = card.model_copy(update={"twin_sha256": content})
            found["twin_difference"] = difference
        if self._measure_conditions:
            most = max(
                FEWEST_CONDITION_ROWS, int(CONDITIONS_S / PASSES / max(seconds_per_face, 1e-9))
            )
            measured = by_condition(
                NetworkClassifier(network, card),
                self._validation,
                part.against,
                part.labels,
                limit=most,
            )
            card = card.model_copy(update={"conditions": _rounded(measured)})
            found["conditions"] = measured
        drawn = [*curves, *self._draw(card, main, bins)]
        card = card.model_copy(
            update={
                "training": self._training(network, difference),
                "scores": {against: _short(score) for against, score in scores.items()},
                "limits": tuple(
                    self._facts.get("limits", limits(self._validation, main["per_class"]))
                ),
                "licences": tuple(self._facts.get("licences", licences(self._validation))),
            }
        )
        model.with_suffix(".md").write_text(card_text(card, drawn), encoding="utf-8")
        _write_json(model.with_suffix(".json"), card.model_dump(mode="json"))
        return model, found

    def _calibrated(
        self, card: ModelCard, part: _Part, logits: NDArray[np.float64]
    ) -> tuple[ModelCard, dict[str, Any]]:
        rows = part.calibrated.rows
        temperature = round(fit_temperature(logits[rows], part.targets()), 4)
        met = probabilities(logits[part.met.rows], temperature)
        threshold = uncertain_threshold(met.max(axis=1), met.argmax(axis=1) == part.met.truth)
        bins = {}
        for when, divisor in (("before", 1.0), ("after", temperature)):
            judged = probabilities(logits[part.judged.rows], divisor)
            bins[when] = reliability_bins(
                judged.max(axis=1), part.correctness(judged.argmax(axis=1))
            )
        calibration = {
            "fitted_to": part.fitted_to,
            "rows": len(rows),
            "split": self._split,
            "against": part.against if part.against != ORIGINAL else FITTED_TO_ORIGINAL,
            "ece_before": round(bins["before"].error, 4),
            "ece_after": round(bins["after"].error, 4),
        }
        changes = {
            "temperature": temperature,
            "uncertain_below": threshold,
            "calibration": calibration,
        }
        return card.model_copy(update=changes), bins

    def _scores(
        self, card: ModelCard, part: _Part, logits: NDArray[np.float64]
    ) -> dict[str, dict[str, Any]]:
        """The document of `evaluate` against every kind of label that there is, the main one first."""
        every: tuple[Against, ...] = ("majority", "plurality", "original", "happy-sad")
        found = {}
        for against in (part.against, *(other for other in every if other != part.against)):
            judged: Selection
            try:
                judged = judge(self._validation, against, known=part.labels)
            except DatasetError:
                continue  # the data or the model has no such labels
            scores = probabilities(logits[judged.rows], card.temperature)
            found[f"{self._split}, {against}"] = document(
                judged, restricted(scores, part.labels, judged.labels)
            )
        return found

    def _twin(
        self,
        network: keras.Model,
        model: Path,
        card: ModelCard,
        crops: NDArray[np.uint8],
        logits: NDArray[np.float64],
    ) -> tuple[str, float]:
        """Writes the twin; returns its checksum and how far its probabilities are off at most."""
        path = model.with_suffix(".tflite")
        _convert(network, model, path, card.input_side_px)
        given = probabilities(LiteRTClassifier(path, card).logits(crops), card.temperature)
        difference = float(np.abs(given - probabilities(logits, card.temperature)).max())
        if difference > TWIN_TOLERANCE:
            logger.warning(
                "The twin %s differs from its network by %.4f in a probability: expected at most %g. It will not be "
                "promoted.",
                path.name,
                difference,
                TWIN_TOLERANCE,
            )
        return sha256_of(path), difference

    def _draw(self, card: ModelCard, main: dict[str, Any], bins: dict[str, Any]) -> list[str]:
        where = f"{self._name} on {self._split}, against {main['against']}"
        names = {
            kind: f"{kind}{self._suffix}.png"
            for kind in ("confusion", "reliability", "per_class", "conditions")
        }
        figures.draw_confusion(
            main["confusion"], main["labels"], self._folder / names["confusion"], title=where
        )
        figures.draw_reliability(
            bins["before"], bins["after"], self._folder / names["reliability"], title=where
        )
        figures.draw_per_class(main["per_class"], self._folder / names["per_class"], title=where)
        if card.conditions:
            figures.draw_conditions(
                card.conditions, self._folder / names["conditions"], names=NAMES
            )
        else:
            del names["conditions"]
        return list(names.values())

    def _training(self, network: keras.Model, twin_difference: float | None) -> dict[str, Any]:
        told = {
            key: value
            for key, value in self._facts.items()
            if key not in {"framing", "limits", "licences"}
        }
        return {
            "architecture": network.name,
            "parameters": int(network.count_params()),
            **_plain(told),
            "finished_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "versions": _versions(),
            "calibrated_on": f"{self._split}, {len(self._validation)} rows",
        } | (
            {} if twin_difference is None else {"twin_difference": float(f"{twin_difference:.2g}")}
        )


def write_h5(network: keras.Model, path: Path) -> None:
    """Write the older HDF5 form of a network, in layers that survive it.

    Raises:
        TrainingError: What was written does not give the same numbers when it is read again.
    """
    with _quiet("absl"):  # Keras advises against this form; it was asked for
        _with_layers(network, _for_h5).save(path)
        again = keras.models.load_model(path, compile=False, safe_mode=True)
    side = int(network.input_shape[1])
    faces = np.random.default_rng(0).uniform(0, 255, (2, side, side, 1)).astype(np.float32)
    before, after = (keras.ops.convert_to_numpy(one(faces)) for one in (network, again))
    if not np.allclose(before, after, rtol=1e-3, atol=1e-3 * max(1.0, float(np.abs(before).max()))):
        path.unlink()
        raise TrainingError(
            f"The network {network.name} has layers that do not survive the HDF5 form: use its .keras file instead."
        )


def _for_h5(layer: keras.layers.Layer) -> keras.layers.Layer:
    config = layer.get_config()
    if (
        isinstance(layer, keras.layers.LayerNormalization)
        and layer.axis == [1, 2, 3]
        and not layer.weights
    ):
        # Keras forgets lists of axes when it reads HDF5; a normalisation in one group is the same.
        kept = {key: config[key] for key in ("name", "dtype", "epsilon")}
        return keras.layers.GroupNormalization(1, center=False, scale=False, **kept)
    return type(layer).from_config(config)


def _in_float32(network: keras.Model) -> keras.Model:
    """The same network without half precision, which a CPU has no use for and the twin cannot hold."""
    if all(layer.compute_dtype == "float32" for layer in network.layers):
        return network
    return _with_layers(
        network, lambda layer: type(layer).from_config(layer.get_config() | {"dtype": "float32"})
    )


def _with_layers(
    network: keras.Model, make: Callable[[keras.layers.Layer], keras.layers.Layer]
) -> keras.Model:
    """The same weights in layers made anew from those of a network."""
    clone = keras.models.clone_model(network, clone_function=make)
    clone.set_weights(network.get_weights())
    return clone


def _convert(network: keras.Model, model: Path, twin: Path, side_px: int) -> None:
    if keras.config.backend() == "tensorflow":
        twin.write_bytes(convert_to_litert(network, side_px))
        return
    # The converter reads what TensorFlow traced; a network of another backend is loaded anew in a
    # process of its own.
    done = subprocess.run(
        [sys.executable, "-c", _CONVERT, str(model), str(twin), str(side_px)],
        env=os.environ
        | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = next(
            iter(reversed(done.stderr.strip().splitlines())), f"exit status {done.returncode}"
        )
        raise TrainingError(
            f"{model.name} was written, but its CPU twin cannot be made ({reason}): expected TensorFlow in this "
            "environment beside Keras' own backend."
        )


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    chatty = logging.getLogger(name)
    level = chatty.level
    chatty.setLevel(logging.ERROR)
    try:
        yield
    finally:
        chatty.setLevel(level)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "backend": keras.config.backend()}
    for package in VERSIONS:
        if package in {"jax", "torch"} and package != found["backend"]:
            continue
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _rounded(conditions: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    return {
        name: [dict(entry) | {"accuracy": round(entry["accuracy"], 4)} for entry in entries]
        for name, entries in conditions.items()
    }


def _short(figures_found: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that a card carries: rounded, and without the confusion matrix."""
    kept = {key: figures_found[key] for key in ("n", "accuracy", "macro_f1", "ece")}
    rounded = {
        key: round(value, 4) if isinstance(value, float) else value for key, value in kept.items()
    }
    classes = {
        label: {
            key: round(value, 3) if isinstance(value, float) else value
            for key, value in scores.items()
        }
        for label, scores in figures_found["per_class"].items()
    }
    return rounded | {"per_class": classes}


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
