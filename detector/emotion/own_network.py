"""Networks without a card, such as the `.h5` files of FER2013 tutorials.

Such a file says neither which emotion an output stands for nor how pixels are scaled. The labels
must be given, because tutorials differ: FER2013's table and folders sorted by name differ in order.
"""

from __future__ import annotations

import importlib
import json
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from detector.emotion.labels import EMOTIONS
from detector.emotion.model_card import ModelCard, sha256_of
from detector.emotion.preprocessing import FER_GEOMETRY
from detector.errors import ModelLoadError, first_line, import_extra

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

LABEL_ORDERS = {
    "fer2013": EMOTIONS,
    "alphabetical": tuple(sorted(EMOTIONS)),
    "ferplus": (
        *("neutral", "happy", "surprise", "sad"),
        *("angry", "disgust", "fear", "contempt"),
    ),
}
"""Orders of outputs by name: FER2013's table, folders of pictures by class, FER+."""

Pixels = Literal["auto", "0-1", "-1-1", "0-255"]
SCALES = {"0-1": (1 / 255, 0.0), "-1-1": (2 / 255, -1.0), "0-255": (1.0, 0.0)}
"""What a network expects of grey levels from 0 to 255: times the first, plus the second."""


@dataclass(frozen=True)
class OwnModel:
    """What a network without a card does not say.

    Attributes:
        labels: A name of `LABEL_ORDERS`, or names in the order of its outputs, with commas.
        pixels: The range of pixels that it was trained on; `auto` is 0-255 if it scales them
            itself, else 0-1, as tutorials do.
    """

    labels: str | None = None
    pixels: Pixels = "auto"


@contextmanager
def in_keras_3_form(path: Path) -> Iterator[Path]:
    """Yield a file that Keras 3 can read: a converted copy of an HDF5 file from before Keras 2.4.

    Such a file states the size of its input at the first layer, where Keras 3 misreads it.
    """
    text = None
    if path.suffix.lower() in {".h5", ".hdf5"}:
        h5py = importlib.import_module("h5py")  # comes with Keras
        damage = (OSError, KeyError, ValueError, TypeError, AttributeError)
        with suppress(*damage), h5py.File(path, "r") as file:
            text = _with_input_layer(file.attrs["model_config"])
    if text is None:
        yield path
        return
    with TemporaryDirectory(prefix="ad-monitor-model-") as folder:
        copy = type(path)(folder, "model.h5")
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as file:
            file.attrs["model_config"] = text
        yield copy


def _with_input_layer(text: str | bytes) -> str | None:
    """Return the description of an old sequential network with a layer for its input, if needed."""
    network = json.loads(text)
    if network["class_name"] != "Sequential":
        return None
    inside = network["config"]
    layers = inside if isinstance(inside, list) else inside["layers"]
    shape = layers[0]["config"].pop("batch_input_shape", None)
    if shape is None or layers[0]["class_name"] == "InputLayer":
        return None
    first = {"class_name": "InputLayer", "config": {"batch_shape": shape, "name": "faces"}}
    return json.dumps({**network, "config": {"name": "network", "layers": [first, *layers]}})


class OwnClassifier:
    """A network without a card, in Keras; see `EmotionClassifier`.

    Raises:
        ModelLoadError: It does not take one face as a square picture, or its outputs are not the
            labels.
    """

    def __init__(self, path: Path, network: Any, own: OwnModel) -> None:
        side, self._channels = _input_of(path, network)
        outputs = _outputs_of(path, network)
        labels = _labels(path, outputs, own.labels)
        self._scale, self._offset = SCALES[_pixels(network, own.pixels)]
        self.card = ModelCard(
            name=path.stem,
            labels=labels,
            input_side_px=side,
            crop_scale=FER_GEOMETRY.scale,
            crop_raise=FER_GEOMETRY.raise_by,
            temperature=1.0,
            # Nothing is known about its calibration.
            uncertain_below=0.5,
            sha256=sha256_of(path),
        )
        tf = import_extra("tensorflow")
        self._function = tf.function(lambda faces: network(faces, training=False))
        self.runtime = "Keras"
        try:
            found = self._outputs(np.random.default_rng(0).integers(0, 256, (2, side, side)))
        except (ValueError, TypeError, tf.errors.OpError) as error:
            raise ModelLoadError(f"{path} does not take faces: {first_line(error)}.") from error
        self._gives_shares = bool(found.min() >= 0 and np.allclose(found.sum(axis=1), 1, atol=1e-3))

    def logits(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        """See `EmotionClassifier.logits`; of probabilities, their logarithms."""
        if len(crops) == 0:
            return np.zeros((0, len(self.card.labels)))
        found = self._outputs(crops)
        return np.log(np.maximum(found, 1e-12)) if self._gives_shares else found

    def _outputs(self, crops: NDArray[Any]) -> NDArray[np.float64]:
        scaled = crops[..., None].astype(np.float32) * self._scale + self._offset
        return np.asarray(
            self._function(np.repeat(scaled, self._channels, axis=-1)), dtype=np.float64
        )


def _input_of(path: Path, network: Any) -> tuple[int, int]:
    """Return the side and the channels of the picture that a network takes."""
    shape = network.input_shape if isinstance(network.input_shape, tuple) else ()
    _, *sizes = shape or (None,)
    if len(sizes) == 3 and sizes[2] in {1, 3} and sizes[0] == sizes[1]:
        return int(sizes[0] or 48), int(sizes[2])
    raise ModelLoadError(
        f"{path} takes input of shape {network.input_shape}: expected one square picture of a "
        "face, grey or in colours, such as (None, 48, 48, 1)."
    )


def _outputs_of(path: Path, network: Any) -> int:
    shape = network.output_shape
    if isinstance(shape, tuple) and len(shape) == 2 and isinstance(shape[1], int) and shape[1] > 1:
        return shape[1]
    raise ModelLoadError(
        f"{path} gives output of shape {shape}: expected one number for each emotion, such as "
        "(None, 7)."
    )


def _labels(path: Path, outputs: int, given: str | None) -> tuple[str, ...]:
    if given is None:
        orders = "; ".join(
            f"{name} ({', '.join(labels)})"
            for name, labels in LABEL_ORDERS.items()
            if len(labels) == outputs
        )
        names = f"one of {orders}, or " if orders else ""
        raise ModelLoadError(
            f"{path} has {outputs} outputs, but no card that says which emotion each stands for: "
            f"expected --model-labels with {names}{outputs} names in the order of the outputs, "
            "with commas between them."
        )
    labels = LABEL_ORDERS.get(given.strip().lower()) or tuple(
        name.strip() for name in given.split(",") if name.strip()
    )
    if len(labels) != outputs or len(set(labels)) != outputs:
        raise ModelLoadError(
            f"{path} has {outputs} outputs: expected --model-labels with {outputs} different "
            f"names, received {len(labels)} ({', '.join(labels)})."
        )
    return labels


def _pixels(network: Any, wanted: Pixels) -> str:
    if wanted != "auto":
        return wanted
    scales = any(type(layer).__name__ == "Rescaling" for layer in network.layers[:4])
    return "0-255" if scales else "0-1"
