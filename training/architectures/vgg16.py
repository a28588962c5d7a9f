"""Transfer learning: the convolutions of VGG16 (Simonyan and Zisserman, 2015), frozen, under a small classifier.

Without pretrained weights there is nothing worth freezing: then the convolutions learn too, at a
rate of their own.

The features were learnt on the colour photographs of ImageNet, so grey is given three times, in the
order and with the mean that they were trained with; all of it inside the network.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers

from training.architectures import require_side
from training.errors import TrainingError
from training.fit.augmentation import Augmentation
from training.fit.schedule import Stage
from training.fit.trainer import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

INPUT_SIDE_PX = 48
SMALLEST_SIDE_PX = 32
"""Five poolings halve the picture five times."""
CHANNELS = 1
MEAN_BGR = (103.939, 116.779, 123.68)
"""Mean of ImageNet's training pictures, blue first, as the published weights expect them."""
UNITS = 256
IMAGENET = "imagenet"
WEIGHTS_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
WEIGHTS_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{WEIGHTS_FILE}"
WEIGHTS_MD5 = "6d6bbae143d832006294945121d1f1fc"
"""As Keras publishes it."""
FETCH_TIMEOUT_S = 15.0
"""A server that says nothing for so long is not reached."""
_NOT_THE_CONVOLUTIONS = (
    f"does not hold the convolutions of VGG16: expected {WEIGHTS_FILE}, or weights saved by "
    "keras.applications.VGG16(include_top=False)"
)
RECIPE = TrainingSettings(
    stages=(Stage(INPUT_SIDE_PX, 40),),
    batch_size=64,
    optimizer="adam",
    peak_learning_rate=1e-3,
    patience=10,
    augmentation=Augmentation(rotation_deg=12, scale=0.1, shift=0.08, erase_share=0.1),
)
RECIPE_FROM_SCRATCH = replace(RECIPE, peak_learning_rate=2e-4)
"""Thirteen convolutions without normalisation between them diverge at the rate that suits the classifier alone."""


def build(
    heads: dict[str, int],
    *,
    side_px: int = INPUT_SIDE_PX,
    weights: str | Path | None = IMAGENET,
    dropout: float = 0.5,
    units: int = UNITS,
) -> keras.Model:
    """Build the network.

    Args:
        heads: Name and number of classes of each output; every output gives logits.
        side_px: Side of the input, 32 or more. The dense layer is sized for it. Defaults to 48.
        weights: Of the convolutions, which they freeze: `imagenet` takes Keras' own from its cache,
            or fetches them; a path names such a file (Keras' `notop` file, or the saved weights of
            `keras.applications.VGG16(include_top=False)`); `None` starts them at random, and lets
            them learn. Defaults to `imagenet`.
        dropout: Share of the features dropped before the outputs in training, 0 to 1. Defaults to
            0.5.
        units: Width of the dense layer. Defaults to 256.

    Returns:
        A model from `(n, side_px, side_px, 1)` grey levels, 0 to 255, to a dictionary of `(n,
        classes)` logits.

    Raises:
        TrainingError: The side is too small, or the weights cannot be fetched or read.
    """
    require_side("vgg16", side_px, SMALLEST_SIDE_PX)
    # Before anything is built: it may fail.
    file = _imagenet_file() if weights == IMAGENET else None if weights is None else Path(weights)
    inputs = keras.Input((side_px, side_px, CHANNELS), name="face")
    # In full precision: half of it would round the grey levels.
    x = layers.Concatenate(name="grey_three_times", dtype="float32")([inputs] * 3)
    x = layers.Rescaling(
        1.0, [-mean for mean in MEAN_BGR], name="mean_subtracted", dtype="float32"
    )(x)
    # Given a tensor of this network, the layers become its own instead of a model inside a model.
    features = keras.applications.VGG16(include_top=False, weights=None, input_tensor=x)
    if file is not None:
        _load(features, file)
    for layer in features.layers:
        if isinstance(layer, layers.Conv2D):
            if file is None:
                # Keras' default would halve the signal with every one of the thirteen layers.
                layer.kernel.assign(keras.initializers.HeNormal()(layer.kernel.shape))
            layer.trainable = file is None
    x = layers.Flatten(name="flatten")(features.output)
    x = layers.Dense(units, activation="relu", name="dense")(x)
    x = layers.BatchNormalization(momentum=0.95, name="dense_norm")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    outputs = {
        name: layers.Dense(classes, name=name, dtype="float32")(x)
        for name, classes in heads.items()
    }
    return keras.Model(inputs, outputs, name="vgg16")


def _imagenet_file() -> Path:
    """Keras' own weights, from its cache or from its server."""
    try:
        with _patience(FETCH_TIMEOUT_S), contextlib.redirect_stdout(sys.stderr):
            file = keras.utils.get_file(
                WEIGHTS_FILE, WEIGHTS_URL, cache_subdir="models", file_hash=WEIGHTS_MD5
            )
    except Exception as error:  # Keras raises a plain one
        # Its message is the address, a number and, last, the cause.
        reason = (str(error).splitlines() or [type(error).__name__])[0].split(" -- ")[-1]
        raise TrainingError(
            f"The ImageNet weights of VGG16 could not be fetched ({reason.rstrip('.')}): fetch {WEIGHTS_URL} on a machine "
            f"that reaches it and name the file, --weights {WEIGHTS_FILE}."
        ) from error
    return Path(file)


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Limits how long a new connection may say nothing; Keras has no setting for it."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _load(features: keras.Model, file: Path) -> None:
    """Read the weights of the convolutions.

    Raises:
        TrainingError: The file is missing or is not such a file.
    """
    if not file.is_file():
        raise TrainingError(
            f"There are no weights at {file}: expected a file such as {WEIGHTS_FILE}."
        )
    # Keras matches the layers by their order, so the network is the very one that the file was made
    # of.
    plain = keras.applications.VGG16(include_top=False, weights=None)
    fresh = {layer.name: layer.get_weights() for layer in plain.layers if layer.weights}
    try:
        with warnings.catch_warnings():
            # It warns of layers that it skips, and goes on; this is looked at below.
            warnings.simplefilter("ignore")
            plain.load_weights(file)
    except (ValueError, OSError, KeyError, TypeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise TrainingError(f"{file} {_NOT_THE_CONVOLUTIONS} ({reason}).") from error
    for name, before in fresh.items():
        weights = plain.get_layer(name).get_weights()
        if np.array_equal(weights[0], before[0]):
            raise TrainingError(f"{file} {_NOT_THE_CONVOLUTIONS} (nothing in it for {name}).")
        features.get_layer(name).set_weights(weights)
    logger.info("VGG16 features from %s", file)
