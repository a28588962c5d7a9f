"""AlexNet (Krizhevsky et al., 2012) on grey faces: five convolutions, three dense layers, ReLU, dropout.

Widths, kernels, strides and overlapping pooling are the published ones. The two halves that the
original spread over two GPUs are one here, and batch normalisation (Ioffe and Szegedy, 2015) after
every convolution stands where the original had local response normalisation after two: without it,
the network does not start to learn from a few thousand faces. It is large, 58 million weights, and
an epoch takes long without a GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

from training.architectures import require_side
from training.fit.augmentation import Augmentation
from training.fit.schedule import Stage
from training.fit.trainer import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

INPUT_SIDE_PX = 227
SMALLEST_SIDE_PX = 67
"""Below this, the last pooling has nothing left to pool."""
CHANNELS = 1
WIDTHS = (96, 256, 384, 384, 256)
UNITS = 4096
RECIPE = TrainingSettings(
    stages=(Stage(INPUT_SIDE_PX, 30),),
    batch_size=32,
    optimizer="adam",
    peak_learning_rate=2e-4,
    patience=8,
    augmentation=Augmentation(rotation_deg=12, scale=0.1, shift=0.08, erase_share=0.1),
)


def build(
    heads: dict[str, int],
    *,
    side_px: int = INPUT_SIDE_PX,
    dropout: float = 0.5,
    widths: Sequence[int] = WIDTHS,
    units: int = UNITS,
) -> keras.Model:
    """Build the network.

    Args:
        heads: Name and number of classes of each output; every output gives logits. They are the
            third dense layer.
        side_px: Side of the input, 67 or more. The dense layers are sized for it. Defaults to 227.
        dropout: Share of the values dropped around the dense layers in training, 0 to 1. Defaults
            to 0.5.
        widths: Channels of the five convolutions. Defaults to the published ones.
        units: Width of the two hidden dense layers. Defaults to the published 4,096.

    Returns:
        A model from `(n, side_px, side_px, 1)` grey levels, 0 to 255, to a dictionary of `(n,
        classes)` logits.

    Raises:
        TrainingError: The side is too small.
    """
    require_side("alexnet", side_px, SMALLEST_SIDE_PX)
    first, second, third, fourth, fifth = widths
    inputs = keras.Input((side_px, side_px, CHANNELS), name="face")
    x = layers.LayerNormalization(
        axis=[1, 2, 3], center=False, scale=False, epsilon=1.0, name="standardise"
    )(inputs)
    x = _conv(x, first, 11, "conv1", stride=4, padding="valid")
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    x = _conv(x, second, 5, "conv2")
    x = layers.MaxPooling2D(3, strides=2, name="pool2")(x)
    x = _conv(x, third, 3, "conv3")
    x = _conv(x, fourth, 3, "conv4")
    x = _conv(x, fifth, 3, "conv5")
    x = layers.MaxPooling2D(3, strides=2, name="pool5")(x)
    x = layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        x = layers.Dropout(dropout, name=f"dropout{number}")(x)
        x = layers.Dense(
            units, activation="relu", kernel_initializer="he_normal", name=f"dense{number}"
        )(x)
    outputs = {
        name: layers.Dense(classes, name=name, dtype="float32")(x)
        for name, classes in heads.items()
    }
    return keras.Model(inputs, outputs, name="alexnet")


def _conv(
    x: keras.KerasTensor,
    width: int,
    kernel: int,
    name: str,
    *,
    stride: int = 1,
    padding: str = "same",
) -> keras.KerasTensor:
    x = layers.Conv2D(
        width,
        kernel,
        strides=stride,
        padding=padding,
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
