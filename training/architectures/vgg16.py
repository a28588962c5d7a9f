"""Transfer learning: VGG16's convolutions (Simonyan and Zisserman, 2015), frozen, and a classifier.

Without pretrained weights the convolutions learn too, at their own rate. They were trained on the
colour photographs of ImageNet, so the network repeats grey three times and subtracts their mean.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import layers

from training.architectures.layers import CLASSIC_RECIPE, face_input, with_heads
from training.errors import TrainingError
from training.fit.schedule import Stage

logger = logging.getLogger(__name__)

WEIGHTS_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
WEIGHTS_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{WEIGHTS_FILE}"
RECIPE = replace(CLASSIC_RECIPE, stages=(Stage(48, 40),), patience=10)
RECIPE_FROM_SCRATCH = replace(RECIPE, peak_learning_rate=2e-4)
"""At the classifier's rate, thirteen convolutions without normalisation would diverge."""


def build(
    heads: dict[str, int],
    *,
    side_px: int = 48,
    weights: str | Path | None = "imagenet",
    dropout: float = 0.5,
    units: int = 256,
) -> keras.Model:
    """Build the network, see `Architecture.build`; its dense layer fits one side of 32 px or more.

    `weights` of the convolutions freeze them: `imagenet` fetches Keras' own, cached; a path names
    that file, or the saved weights of `keras.applications.VGG16(include_top=False)`. With `None`
    they start at random and learn.
    """
    inputs = face_input("vgg16", side_px, 32)
    # First, as it may fail.
    file = _imagenet_file() if weights == "imagenet" else None if weights is None else Path(weights)
    # In full precision: half precision would round the grey levels. Blue comes first, as in the
    # published weights.
    x = layers.Concatenate(name="grey_three_times", dtype="float32")([inputs] * 3)
    minus_mean = [-103.939, -116.779, -123.68]
    x = layers.Rescaling(1.0, minus_mean, name="mean_subtracted", dtype="float32")(x)
    # An input tensor makes the layers part of this network instead of a model inside it.
    features = keras.applications.VGG16(include_top=False, weights=None, input_tensor=x)
    if file is not None:
        _load(features, file)
    for layer in features.layers:
        if isinstance(layer, layers.Conv2D):
            if file is None:
                # Keras' default would halve the signal in each of the thirteen layers.
                layer.kernel.assign(keras.initializers.HeNormal()(layer.kernel.shape))
            layer.trainable = file is None
    x = layers.Flatten(name="flatten")(features.output)
    x = layers.Dense(units, activation="relu", name="dense")(x)
    x = layers.BatchNormalization(momentum=0.95, name="dense_norm")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return with_heads(inputs, x, heads, "vgg16")


def _imagenet_file() -> Path:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(15.0)  # of silence on new connections; Keras has no setting for it
    try:
        with contextlib.redirect_stdout(sys.stderr):
            file = keras.utils.get_file(
                WEIGHTS_FILE,
                WEIGHTS_URL,
                cache_subdir="models",
                file_hash="6d6bbae143d832006294945121d1f1fc",
            )
    except Exception as error:  # Keras raises a plain Exception
        # The message ends with the cause, after address and number.
        reason = (str(error).splitlines() or [type(error).__name__])[0].split(" -- ")[-1]
        raise TrainingError(
            f"The ImageNet weights of VGG16 could not be fetched ({reason.rstrip('.')}): fetch "
            f"{WEIGHTS_URL} on a machine that reaches it and name the file, --weights "
            f"{WEIGHTS_FILE}; or train without them, --weights none."
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return Path(file)


def _load(features: keras.Model, file: Path) -> None:
    if not file.is_file():
        raise TrainingError(
            f"There are no weights at {file}: expected a file such as {WEIGHTS_FILE}."
        )
    wrong = (
        f"{file} does not hold the convolutions of VGG16: expected {WEIGHTS_FILE}, or weights "
        "saved by keras.applications.VGG16(include_top=False)"
    )
    # Keras matches layers by their order, so use the network that the file was made of.
    plain = keras.applications.VGG16(include_top=False, weights=None)
    fresh = {layer.name: layer.get_weights() for layer in plain.layers if layer.weights}
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers that it skips; they are checked below.
            warnings.simplefilter("ignore")
            plain.load_weights(file)
    except (ValueError, OSError, KeyError, TypeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise TrainingError(f"{wrong} ({reason}).") from error
    for name, before in fresh.items():
        weights = plain.get_layer(name).get_weights()
        if np.array_equal(weights[0], before[0]):
            raise TrainingError(f"{wrong} (nothing in it for {name}).")
        features.get_layer(name).set_weights(weights)
    logger.info("VGG16 features from %s", file)
