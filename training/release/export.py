"""From trained weights to a model that can be shipped: LiteRT form, calibration, figures, card."""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np

from detector.emotion.classifier import (
    LiteRTClassifier,
    convert_to_litert,
    load_network,
    probabilities,
)
from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import ModelCard, read_card, sha256_of
from detector.emotion.preprocessing import FER_GEOMETRY, fitted
from detector.emotion.prevalence import fit_calibration
from training.datasets.labels import FITTED_TO_ORIGINAL, ORIGINAL
from training.errors import DatasetError, TrainingError
from training.evaluation import figures
from training.evaluation.calibration import fit_temperature, reliability_bins, uncertain_threshold
from training.evaluation.evaluate import document, restricted, select
from training.evaluation.robustness import CONDITIONS, by_condition
from training.fit.devices import predict
from training.release.card_text import FRAMING, card_text, licences, limits
from training.release.packing import save_packed
from training.release.promotion import LITERT_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from detector.emotion.prevalence import PrevalenceCalibration
    from training.datasets.faces import FaceDataset
    from training.datasets.labels import Head
    from training.evaluation.calibration import ReliabilityBins
    from training.evaluation.evaluate import Against, Selection

logger = logging.getLogger(__name__)


class NetworkClassifier:
    """A network in memory as an `EmotionClassifier`, to measure many faces with Keras' backend."""

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
    """Return the network to ship: one output of logits, `emotions`, in float32.

    Other classes of the head (contempt, in FER+'s votes) are dropped; a softmax over the remaining
    logits is the distribution given that it is none of them.
    """
    layer = trained.get_layer(head.name)
    kernel, bias = layer.get_weights()
    columns = [head.labels.index(label) for label in labels]
    output = keras.layers.Dense(len(columns), name="emotions", dtype="float32")
    network = keras.Model(trained.inputs[0], output(layer.input), name=trained.name)
    output.set_weights([kernel[:, columns], bias[columns]])
    return _in_float32(network)


@dataclass(frozen=True)
class TrainedNetwork:
    """What a run has made.

    Attributes:
        network: With an output for each head.
        heads: What it learnt, the main one first.
        labels: What the shipped model tells, some of the main head's.
        facts: Of the run, for the card; `framing`, `limits` and `licences` among them replace the
            defaults.
        history: An entry for each epoch.
    """

    network: keras.Model
    heads: Sequence[Head]
    labels: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()


def export(
    trained: TrainedNetwork,
    folder: Path,
    name: str,
    validation: FaceDataset,
    *,
    test: FaceDataset | None = None,
    h5: bool = False,
    conditions: bool = True,
) -> Path:
    """Write a finished model with everything known of it; return its `.keras` file.

    The first head becomes `NAME.keras` with its LiteRT form, cards and figures; a second one for
    the original labels becomes `NAME-original.keras`, calibrated against these. `scores.json` has
    all figures, measured against the FER+ majority if the head learnt votes: on the `test` rows
    first, if there are any, and on the validation rows, which the calibration is fitted to.
    `conditions` measures accuracy by face size, blur and so on, in a minute or more. Raises
    `DatasetError` if the rows have none of the labels.
    """
    heads, history = trained.heads, trained.history
    served = [head for head in heads if head is heads[0] or head.name == ORIGINAL]
    parts = [_Part(head, trained.labels, validation, test) for head in served]
    folder.mkdir(parents=True, exist_ok=True)
    drawn = ["curves.png"] if history else []
    if history:
        main = heads[0].name if len(heads) > 1 else None
        figures.draw_curves(history, folder / "curves.png", head=main)
    scores: dict[str, Any] = {}
    models = []
    for index, part in enumerate(parts):
        suffix = "" if index == 0 else f"-{part.head.name}"
        tested = None if part.tested is None else test
        writer = _Writer(
            folder, f"{name}{suffix}", suffix, validation, tested, trained.facts, conditions
        )
        network = serving_network(trained.network, part.head, trained.labels)
        model, found = writer.write(network, part, drawn, litert=index == 0, h5=h5)
        models.append(model)
        scores[model.stem] = found
    _write_json(folder / "scores.json", {"models": scores, "history": list(history)})
    return models[0]


class _Part:
    """One served head and the rows to evaluate it on; made first, so errors come early."""

    def __init__(
        self,
        head: Head,
        labels: tuple[str, ...],
        validation: FaceDataset,
        test: FaceDataset | None,
    ) -> None:
        self.head, self.labels = head, labels
        voted = validation.votes is not None and head.name != ORIGINAL
        self.against: Against = "majority" if voted else "original"
        self.selection = select(validation, self.against, labels, labels)
        self.tested: Selection | None = None
        if test is not None:
            try:
                self.tested = select(test, self.against, labels, labels)
            except DatasetError as error:
                logger.warning("The test rows are left out: %s", error)
        self.fitted_to = "the distribution of the votes" if voted else FITTED_TO_ORIGINAL
        # Scattered votes pull the temperature too far: fitted to the rows with a majority, the
        # calibration error is lower on these and on all rows (0.026, 0.010 against 0.038, 0.019).
        self.calibrated = select(validation, "majority" if voted else ORIGINAL, labels, labels)
        # The threshold must hold for every face, ambiguous ones too.
        self.met = select(validation, "plurality" if voted else ORIGINAL, labels, labels)
        # An audience's shares are of what most people see, whatever labels the head learnt.
        self.agreed = self.calibrated
        if validation.votes is not None and labels == EMOTIONS:
            self.agreed = select(validation, "majority", labels, labels)

    def targets(self) -> NDArray[np.float64]:
        if self.fitted_to != FITTED_TO_ORIGINAL and self.calibrated.votes is not None:
            return self.calibrated.votes
        return np.eye(len(self.labels))[self.calibrated.truth]

    def reliability(
        self, selection: Selection, logits: NDArray[np.float64], temperature: float
    ) -> dict[str, ReliabilityBins]:
        """Return the bins of the selected rows before and after calibration."""
        bins = {}
        for when, divisor in (("before", 1.0), ("after", temperature)):
            scores = probabilities(logits[selection.rows], divisor)
            predicted = scores.argmax(axis=1)
            correctness = selection.correctness(predicted)
            if self.fitted_to == FITTED_TO_ORIGINAL:
                correctness = np.asarray(predicted == selection.truth, dtype=np.float64)
            bins[when] = reliability_bins(scores.max(axis=1), correctness)
        return bins


@dataclass(frozen=True)
class _Writer:
    folder: Path
    name: str
    suffix: str
    validation: FaceDataset
    test: FaceDataset | None
    facts: Mapping[str, Any]
    measure_conditions: bool

    @property
    def split(self) -> str:
        return ", ".join(self.validation.splits())

    @property
    def measured(self) -> FaceDataset:
        """The rows of the main figures: of the test, where there is one."""
        return self.validation if self.test is None else self.test

    def write(
        self, network: keras.Model, part: _Part, curves: Sequence[str], *, litert: bool, h5: bool
    ) -> tuple[Path, dict[str, Any]]:
        if self.measure_conditions:
            logger.info(
                "Measuring %s on %d faces, also when they are small, dark, blurred or covered: "
                "about a minute",
                self.name,
                len(self.measured),
            )
        model = self.folder / f"{self.name}.keras"
        save_packed(network, model)
        if h5:
            write_h5(network, model.with_suffix(".h5"))
        card = self._first_card(network, part, model)
        classifier = NetworkClassifier(network, card)
        crops = fitted(self.validation.images, card.input_side_px)
        started = time.monotonic()
        logits = classifier.logits(crops)
        seconds_per_face = (time.monotonic() - started) / len(crops)
        card, bins = self._calibrated(card, part, logits)
        scores: dict[str, dict[str, Any]] = {}
        if self.test is not None and part.tested is not None:
            tested = classifier.logits(fitted(self.test.images, card.input_side_px))
            bins = part.reliability(part.tested, tested, card.temperature)
            scores = self._scores(card, part, tested, self.test, "test")
        scores |= self._scores(card, part, logits, self.validation, "validation")
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
        if litert and find_spec("tensorflow") is None:
            logger.warning(
                "TensorFlow is not installed, so %s has no LiteRT form, which the kiosk needs: run "
                "`ad-monitor models convert` with it on a machine with TensorFlow.",
                model.name,
            )
        elif litert:
            path = model.with_suffix(".tflite")
            found["twin_difference"] = _write_litert(network, path, card, crops[:256], logits[:256])
            card = card.model_copy(update={"twin_sha256": sha256_of(path)})
        if self.measure_conditions:
            found["conditions"] = self._conditions(network, card, part, seconds_per_face)
            card = card.model_copy(update={"conditions": _plain(found["conditions"], 4)})
        drawn = [*curves, *self._draw(card, next(iter(scores.values())), bins)]
        card = self._finished(card, network, scores, found.get("twin_difference"))
        model.with_suffix(".md").write_text(card_text(card, drawn), encoding="utf-8")
        _write_json(model.with_suffix(".json"), card.model_dump(mode="json"))
        return model, found

    def _first_card(self, network: keras.Model, part: _Part, model: Path) -> ModelCard:
        """Return a card that says how the file is used, without calibration and figures."""
        return ModelCard(
            name=self.name,
            labels=part.labels,
            input_side_px=int(network.input_shape[1]),
            crop_scale=FER_GEOMETRY.scale,
            crop_raise=FER_GEOMETRY.raise_by,
            temperature=1.0,
            uncertain_below=0.0,
            sha256=sha256_of(model),
            framing=str(self.facts.get("framing", FRAMING)),
        )

    def _conditions(
        self, network: keras.Model, card: ModelCard, part: _Part, seconds_per_face: float
    ) -> dict[str, list[dict[str, Any]]]:
        # A slow network is measured on fewer rows, to take a minute.
        passes = sum(len(condition.values) for condition in CONDITIONS.values())
        most = max(200, int(60 / passes / max(seconds_per_face, 1e-9)))
        classifier = NetworkClassifier(network, card)
        return by_condition(classifier, self.measured, part.against, part.labels, limit=most)

    def _finished(
        self,
        card: ModelCard,
        network: keras.Model,
        scores: dict[str, dict[str, Any]],
        difference: float | None,
    ) -> ModelCard:
        """Return the card with the run's facts and the figures; the first scores give limits."""
        own = {"framing", "limits", "licences"}
        rounded = ("used_for", "n", "accuracy", "macro_f1", "loss", "ece")
        weak = limits(self.validation, next(iter(scores.values()))["per_class"])
        training = {
            "architecture": network.name,
            "parameters": int(network.count_params()),
            **_plain({key: value for key, value in self.facts.items() if key not in own}),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": _versions(),
            "calibrated_on": f"{self.split}, {len(self.validation)} rows",
            "measured_on": f"{', '.join(self.measured.splits())}, {len(self.measured)} rows",
        }
        if difference is not None:
            training["twin_difference"] = float(f"{difference:.2g}")
        return card.model_copy(
            update={
                "training": training,
                "scores": {
                    against: _plain({key: score[key] for key in rounded}, 4)
                    | {"per_class": _plain(score["per_class"], 3)}
                    for against, score in scores.items()
                },
                "limits": tuple(self.facts.get("limits", weak)),
                "licences": tuple(self.facts.get("licences", licences(self.validation))),
            }
        )

    def _calibrated(
        self, card: ModelCard, part: _Part, logits: NDArray[np.float64]
    ) -> tuple[ModelCard, dict[str, ReliabilityBins]]:
        rows = part.calibrated.rows
        temperature = round(fit_temperature(logits[rows], part.targets()), 4)
        met = probabilities(logits[part.met.rows], temperature)
        threshold = uncertain_threshold(met.max(axis=1), met.argmax(axis=1) == part.met.truth)
        bins = part.reliability(part.selection, logits, temperature)
        changes = {
            "temperature": temperature,
            "uncertain_below": threshold,
            "prevalence": self._prevalence(part, probabilities(logits, temperature)),
            "calibration": {
                "fitted_to": part.fitted_to,
                "rows": len(rows),
                "split": self.split,
                "against": part.against if part.against != ORIGINAL else FITTED_TO_ORIGINAL,
                **{f"ece_{when}": round(found.error, 4) for when, found in bins.items()},
            },
        }
        return card.model_copy(update=changes), bins

    def _prevalence(self, part: _Part, scores: NDArray[np.float64]) -> PrevalenceCalibration | None:
        if part.labels != EMOTIONS:
            return None
        found = part.agreed
        split = f"{self.split}, {'original' if self.validation.votes is None else 'majority'}"
        try:
            return fit_calibration(scores[found.rows], found.truth, split)
        except ValueError as error:
            logger.warning(
                "The model %s cannot measure shares of an audience: %s", self.name, error
            )
            return None

    @staticmethod
    def _scores(
        card: ModelCard,
        part: _Part,
        logits: NDArray[np.float64],
        faces: FaceDataset,
        used_for: Literal["test", "validation"],
    ) -> dict[str, dict[str, Any]]:
        split = ", ".join(faces.splits())
        every: tuple[Against, ...] = ("majority", "plurality", "original", "happy-sad")
        found = {}
        for against in (part.against, *(other for other in every if other != part.against)):
            try:
                selection = select(faces, against, known=part.labels)
            except DatasetError:
                continue  # the data or the model has no such labels
            scores = probabilities(logits[selection.rows], card.temperature)
            found[f"{split}, {against}"] = {"used_for": used_for} | document(
                selection, restricted(scores, part.labels, selection.labels)
            )
        return found

    def _draw(
        self, card: ModelCard, main: dict[str, Any], bins: dict[str, ReliabilityBins]
    ) -> list[str]:
        split = ", ".join(self.measured.splits())
        where = f"{self.name} on {split}, against {main['against']}"
        kinds = ("confusion", "reliability", "per_class", "conditions")
        paths = {kind: self.folder / f"{kind}{self.suffix}.png" for kind in kinds}
        figures.draw_confusion(main["confusion"], main["labels"], paths["confusion"], title=where)
        before, after = bins["before"], bins["after"]
        figures.draw_reliability(before, after, paths["reliability"], title=where)
        figures.draw_per_class(main["per_class"], paths["per_class"], title=where)
        if card.conditions:
            words = {key: condition.name for key, condition in CONDITIONS.items()}
            figures.draw_conditions(card.conditions, paths["conditions"], names=words)
        else:
            del paths["conditions"]
        return [path.name for path in paths.values()]


def _write_litert(
    network: keras.Model,
    path: Path,
    card: ModelCard,
    crops: NDArray[np.uint8],
    logits: NDArray[np.float64],
) -> float:
    """Write the LiteRT form; return its largest difference in a probability."""
    _convert(network, path.with_suffix(".keras"), path, card.input_side_px)
    given = probabilities(LiteRTClassifier(path, card).logits(crops), card.temperature)
    difference = float(np.abs(given - probabilities(logits, card.temperature)).max())
    if difference > LITERT_TOLERANCE:
        logger.warning(
            "The LiteRT form %s differs from its network by %.4f in a probability: expected at "
            "most %g. It will not be promoted.",
            path.name,
            difference,
            LITERT_TOLERANCE,
        )
    return difference


def add_litert(model: Path) -> float:
    """Make the LiteRT form of a model exported without TensorFlow, and update its card.

    Returns its largest difference in a probability. Raises `ModelLoadError` or `TrainingError`.
    """
    card = read_card(model)
    network = load_network(model)
    side = card.input_side_px
    noise = np.random.default_rng(0).integers(0, 256, (64, 8, 8)).astype(np.uint8)
    faces = fitted(noise, side)
    path = model.with_suffix(".tflite")
    difference = _write_litert(
        network, path, card, faces, NetworkClassifier(network, card).logits(faces)
    )
    training = card.training | {"twin_difference": float(f"{difference:.2g}")}
    card = card.model_copy(update={"twin_sha256": sha256_of(path), "training": training})
    _write_json(model.with_suffix(".json"), card.model_dump(mode="json"))
    return difference


def write_h5(network: keras.Model, path: Path) -> None:
    """Write the older HDF5 form of a network, or raise `TrainingError`."""
    logging.getLogger("absl").setLevel(logging.ERROR)  # Keras advises against this form
    _with_layers(network, _for_h5).save(path)
    again = keras.models.load_model(path, compile=False, safe_mode=True)
    side = int(network.input_shape[1])
    faces = np.random.default_rng(0).uniform(0, 255, (2, side, side, 1)).astype(np.float32)
    before, after = (keras.ops.convert_to_numpy(one(faces)) for one in (network, again))
    if not np.allclose(before, after, rtol=1e-3, atol=1e-3 * max(1.0, float(np.abs(before).max()))):
        path.unlink()
        raise TrainingError(
            f"The network {network.name} has layers that do not survive the HDF5 form: use its "
            ".keras file instead."
        )


def _for_h5(layer: keras.layers.Layer) -> keras.layers.Layer:
    config = layer.get_config()
    normalises = isinstance(layer, keras.layers.LayerNormalization)
    if normalises and layer.axis == [1, 2, 3] and not layer.weights:
        # Keras forgets lists of axes in HDF5; normalisation in one group is the same.
        kept = {key: config[key] for key in ("name", "dtype", "epsilon")}
        return keras.layers.GroupNormalization(1, center=False, scale=False, **kept)
    return type(layer).from_config(config)


def _in_float32(network: keras.Model) -> keras.Model:
    """Return the network without half precision, which neither CPUs nor LiteRT can use."""
    if all(layer.compute_dtype == "float32" for layer in network.layers):
        return network
    return _with_layers(
        network, lambda layer: type(layer).from_config(layer.get_config() | {"dtype": "float32"})
    )


def _with_layers(
    network: keras.Model, make: Callable[[keras.layers.Layer], keras.layers.Layer]
) -> keras.Model:
    clone = keras.models.clone_model(network, clone_function=make)
    clone.set_weights(network.get_weights())
    return clone


def _convert(network: keras.Model, model: Path, litert: Path, side_px: int) -> None:
    if keras.config.backend() == "tensorflow":
        litert.write_bytes(convert_to_litert(network, side_px))
        return
    # The converter needs TensorFlow: load a network of another backend again in a new process.
    script = (
        "import sys; from pathlib import Path; from detector.emotion.classifier import "
        "convert_to_litert, load_network; "
        "Path(sys.argv[2]).write_bytes(convert_to_litert(load_network(Path(sys.argv[1])), "
        "int(sys.argv[3])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(model), str(litert), str(side_px)],
        env=os.environ
        | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise TrainingError(
            f"{model.name} was written, but its LiteRT form cannot be made ({reason}): expected "
            "TensorFlow in this environment beside Keras' own backend."
        )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "backend": keras.config.backend()}
    for package in ("keras", "tensorflow", "jax", "torch", "numpy", "opencv-python"):
        if package in {"jax", "torch"} and package != found["backend"]:
            continue
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: Any, digits: int | None = None) -> Any:
    """Return a value as JSON can hold it, numbers rounded to so many digits."""
    if isinstance(value, dict):
        return {str(key): _plain(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, digits) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, float) and digits is not None:
        return round(value, digits)
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
