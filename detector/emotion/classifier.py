"""Classify face crops: calibrated probabilities of the emotions, all faces of a frame in one call.

One `.keras` file, two runtimes behind one interface: Keras where TensorFlow finds a GPU, else the
network's LiteRT form, which needs neither TensorFlow's start-up time nor its memory.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import sys
import warnings
import zipfile
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import platformdirs
from boltons.fileutils import atomic_save

from detector.emotion.model_card import ModelCard, read_card, sha256_of
from detector.emotion.model_store import find_model
from detector.emotion.own_network import OwnClassifier, OwnModel, in_keras_3_form
from detector.emotion.preprocessing import CropGeometry
from detector.errors import MissingExtraError, ModelLoadError, first_line, import_extra

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from detector.settings import Device

logger = logging.getLogger(__name__)


class EmotionClassifier(Protocol):
    """Classifies face crops; used by one thread. `runtime` names library and processor."""

    card: ModelCard
    runtime: str

    def logits(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return `(n, labels)` raw outputs for `(n, side, side)` grey levels; n may be 0."""
        ...


def probabilities(logits: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return the softmax of `(n, classes)` logits with a temperature (Guo et al., 2017)."""
    scaled = logits / temperature
    scaled = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True))


def classify(classifier: EmotionClassifier, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return calibrated probabilities: `(n, side, side)` grey levels to `(n, labels)`."""
    return probabilities(classifier.logits(crops), classifier.card.temperature)


def crop_geometry(card: ModelCard) -> CropGeometry:
    """Return the framing that a model was trained on."""
    return CropGeometry(card.input_side_px, card.crop_scale, card.crop_raise)


class KerasClassifier:
    """The network itself, compiled once; used where TensorFlow finds a GPU.

    Raises `ModelLoadError` if the file has not one output of a logit for each label.
    """

    def __init__(self, model: Path, card: ModelCard) -> None:
        self.card = card
        network = load_network(model)
        tf = import_extra("tensorflow")

        # Calling the compiled function takes a twentieth of the time of `Model.predict`.
        self._function = tf.function(network, reduce_retracing=True)
        gpus = tf.config.list_physical_devices("GPU")
        self.runtime = f"Keras on {'GPU' if gpus else 'CPU'}"
        blank = np.zeros((2, card.input_side_px, card.input_side_px), dtype=np.uint8)
        expected = (1, len(card.labels))
        try:
            received = self.logits(blank[:1]).shape
            # A second number of faces makes TensorFlow compile again, for all numbers: do it now.
            self.logits(blank)
        except (ValueError, TypeError) as error:
            raise ModelLoadError(
                f"{model} does not take the faces that its card describes ({first_line(error)})."
            ) from error
        if received != expected:
            raise ModelLoadError(
                f"{model} has other outputs than its card says: expected {expected}, got "
                f"{received}."
            )

    def logits(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """See `EmotionClassifier.logits`."""
        if len(crops) == 0:
            return np.zeros((0, len(self.card.labels)))
        return np.asarray(self._function(crops[..., None].astype(np.float32)), dtype=np.float64)


class LiteRTClassifier:
    """The network's LiteRT form, a `.tflite` file, on the CPU with XNNPACK.

    Raises `ModelLoadError` if the file is not such a form of the card's model.
    """

    BATCHES = (8, 4, 2, 1)
    """Prepared batch sizes; the faces of a frame are split into as few as possible, unpadded."""

    def __init__(self, model: Path, card: ModelCard) -> None:
        self.card = card
        self.runtime = "LiteRT on CPU"
        self._content = model.read_bytes()
        self._name = model.name
        self._interpreters: dict[int, _FixedBatch | None] = {}
        try:
            self._interpreters[1] = _FixedBatch(self._content, 1, card)
        except (ValueError, RuntimeError) as error:
            raise ModelLoadError(
                f"{model} is not a usable LiteRT form of {card.name}: {error}; delete it, and it "
                "is made again."
            ) from error

    def _for_batch(self, size: int) -> _FixedBatch | None:
        if size not in self._interpreters:
            try:
                self._interpreters[size] = _FixedBatch(self._content, size, self.card)
            except (ValueError, RuntimeError) as error:
                # Some layers keep the batch size of the conversion: classify one face at a time.
                logger.info("%s cannot take %d faces at once: %s", self._name, size, error)
                self._interpreters[size] = None
        return self._interpreters[size]

    def logits(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """See `EmotionClassifier.logits`."""
        result = np.zeros((len(crops), len(self.card.labels)))
        done = 0
        for size in self.BATCHES:
            while len(crops) - done >= size and (interpreter := self._for_batch(size)) is not None:
                result[done : done + size] = interpreter.run(crops[done : done + size])
                done += size
        return result


class _FixedBatch:
    """One interpreter per batch size: resizing a live one would plan its memory again each time."""

    def __init__(self, content: bytes, size: int, card: ModelCard) -> None:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 (native library)

        # One face takes half a millisecond; more threads would only take cores from the ads.
        self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
        [taken] = self._interpreter.get_input_details()
        [given] = self._interpreter.get_output_details()
        self._input, self._output = taken["index"], given["index"]
        shape = (size, card.input_side_px, card.input_side_px, 1)
        self._interpreter.resize_tensor_input(self._input, shape)
        self._interpreter.allocate_tensors()
        self._batch = np.zeros(shape, dtype=np.float32)
        expected = (size, len(card.labels))
        produced = tuple(self._interpreter.get_output_details()[0]["shape"])
        if produced != expected:
            raise ValueError(f"expected an output of shape {expected}, received {produced}")

    def run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._batch[..., 0] = crops
        self._interpreter.set_tensor(self._input, self._batch)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output))


def load_network(model: Path, file: Path | None = None) -> Any:
    """Load a `.keras` or HDF5 file in Keras' safe mode, or raise `ModelLoadError`.

    `file`, if given, is read instead of the model; errors name the model.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    keras = import_extra("keras")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the style of old files
            return keras.saving.load_model(file or model, compile=False, safe_mode=True)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        reason = first_line(error)
        if "No model config" in reason:
            raise ModelLoadError(
                f"{model} holds weights without their network: expected a whole model; save it "
                "with `model.save(...)`, not `model.save_weights(...)`."
            ) from error
        if "File not found" in reason and Path(file or model).is_file():
            # What Keras says of every .keras file that is no archive.
            reason = "damaged, cut off or of another kind"
        raise ModelLoadError(
            f"{model} is not a Keras model: expected a .keras file, or an .h5 file that Keras 3 "
            f"reads ({reason})."
        ) from error


def convert_to_litert(network: Any, side_px: int) -> bytes:
    """Convert a Keras model of `(n, side_px, side_px, 1)` float32 pictures into a `.tflite`.

    Weights have 8 bits; activations are quantised by their range in each face. That moves no
    probability of the shipped model by more than 0.024, and takes a quarter of the time of float32
    with AVX-512 VNNI. Ranges fixed on 300 faces moved them by up to 0.17, and took longer.
    """
    keras, tf = import_extra("keras"), import_extra("tensorflow")
    # The converter handles fixed batch sizes reliably; the interpreter resizes them afterwards.
    inputs = keras.Input(batch_shape=(1, side_px, side_px, 1))
    fixed = keras.Model(inputs, network(inputs))
    with _silent_console():
        converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return bytes(converter.convert())


@contextmanager
def _silent_console() -> Iterator[None]:
    """Silence the console, native code included: the converter's pages would break `--json`."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {}
    try:
        with Path(os.devnull).open("wb") as nowhere:
            for number in (1, 2):
                with suppress(OSError):  # a console that is closed needs no silencing
                    kept[number] = os.dup(number)
                    os.dup2(nowhere.fileno(), number)
        # Python's own streams too: they may lead elsewhere.
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        for number, console in kept.items():
            os.dup2(console, number)
            os.close(console)


def _litert_file(model: Path, card: ModelCard) -> Path:
    """Return the LiteRT form beside the model if it matches, else the one cached or made now."""
    beside = model.with_suffix(".tflite")
    if beside.is_file() and card.twin_sha256 and sha256_of(beside) == card.twin_sha256:
        return beside
    cached = platformdirs.user_cache_path("ad-monitor") / "litert" / f"{card.sha256}.tflite"
    checksum = cached.with_suffix(".sha256")
    # After a power cut the file may exist and be empty.
    with suppress(OSError, UnicodeDecodeError):
        if checksum.read_text("ascii") == sha256_of(cached):
            return cached
    logger.info("Converting %s for this machine; this happens once", model.name)
    content = convert_to_litert(load_network(model), card.input_side_px)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(content).hexdigest().encode()
        for path, part in ((cached, content), (checksum, digest)):
            with atomic_save(str(path), overwrite_part=True) as file:
                file.write(part)
    except OSError as error:
        raise ModelLoadError(
            f"The CPU form of {model.name} cannot be kept in {cached.parent} ({error.strerror}): "
            "make that folder writable."
        ) from error
    return cached


@cache
def gpu_available() -> bool:
    """Return whether TensorFlow finds a GPU; asks it only if an NVIDIA driver is loaded."""
    if not Path("/proc/driver/nvidia/version").exists() and os.name == "posix":
        return False
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return bool(import_extra("tensorflow").config.list_physical_devices("GPU"))
    except MissingExtraError:
        logger.info("The GPU is not used: TensorFlow is not installed (the extra 'gpu')")
        return False


def load_classifier(
    name_or_path: str | Path | None = None, device: Device = "auto", own: OwnModel | None = None
) -> EmotionClassifier:
    """Load a model by name or path (default: the one in use) with a suitable runtime.

    On device `auto`, the GPU is used if TensorFlow finds one, else LiteRT; `gpu` forces Keras,
    `cpu` LiteRT. With `own`, a Keras file may have no card. Raises `ModelLoadError` if there is no
    such model or its card does not match, `MissingExtraError` if it needs TensorFlow, which is not
    installed.
    """
    model = find_model(name_or_path)
    if own is not None and not model.with_suffix(".json").exists():
        with in_keras_3_form(model) as file:
            network = load_network(model, file)
        return OwnClassifier(model, network, own)
    card = read_card(model)
    if device == "gpu" or (device == "auto" and gpu_available()):
        return KerasClassifier(model, card)
    return LiteRTClassifier(_litert_file(model, card), card)
