"""AlexNet (Krizhevsky et al., 2012) on grey faces, with the published sizes and 58 million weights.

Batch normalisation after every convolution replaces the original's local response normalisation:
without it, the network does not learn from a few thousand faces.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from keras import layers

from training.architectures.layers import CLASSIC_RECIPE, face_input, standardised, with_heads
from training.fit.schedule import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras

RECIPE = replace(
    CLASSIC_RECIPE, stages=(Stage(227, 30),), batch_size=32, peak_learning_rate=2e-4, patience=8
)


def build(
    heads: dict[str, int],
    *,
    side_px: int = 227,
    dropout: float = 0.5,
    widths: Sequence[int] = (96, 256, 384, 384, 256),
    units: int = 4096,
) -> keras.Model:
    """Build the network, see `Architecture.build`; its dense layers fit one side of 67 px or more.

    `dropout` is the share of the values dropped around the dense layers in training, `widths` are
    the channels of the convolutions, `units` is the width of the two hidden dense layers.
    """
    first, second, third, fourth, fifth = widths
    inputs = face_input("alexnet", side_px, 67)
    x = _conv(standardised(inputs), first, 11, "conv1", strides=4, padding="valid")
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    x = _conv(x, second, 5, "conv2")
    x = layers.MaxPooling2D(3, strides=2, name="pool2")(x)
    for number, width in enumerate((third, fourth, fifth), 3):
        x = _conv(x, width, 3, f"conv{number}")
    x = layers.MaxPooling2D(3, strides=2, name="pool5")(x)
    x = layers.Flatten(name="flatten")(x)
    for number in (6, 7):
        x = layers.Dropout(dropout, name=f"dropout{number}")(x)
        x = layers.Dense(
            units, activation="relu", kernel_initializer="he_normal", name=f"dense{number}"
        )(x)
    return with_heads(inputs, x, heads, "alexnet")


def _conv(
    x: keras.KerasTensor, width: int, kernel: int, name: str, **options: Any
) -> keras.KerasTensor:
    options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"} | options
    x = layers.Conv2D(width, kernel, name=name, **options)(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
