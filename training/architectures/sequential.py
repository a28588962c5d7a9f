"""The plain stack of most tutorials: five convolutions, pooling, two dense layers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keras import layers

from training.architectures.layers import CLASSIC_RECIPE, face_input, standardised, with_heads
from training.fit.schedule import Stage

if TYPE_CHECKING:
    import keras

RECIPE = replace(CLASSIC_RECIPE, stages=(Stage(48, 60),), patience=12)


def build(
    heads: dict[str, int], *, side_px: int = 48, dropout: float = 0.25, units: int = 256
) -> keras.Model:
    """Build the network, see `Architecture.build`; its dense layers fit one side of 8 px or more.

    `dropout` is the share of the values dropped after each pooling in training, 0 to 0.5, and half
    of the share after the dense layer; `units` is the width of that layer.
    """
    inputs = face_input("sequential", side_px, 8)
    x = standardised(inputs)
    for block, widths in enumerate(((32,), (64, 64), (128, 128)), start=1):
        for number, width in enumerate(widths, start=1):
            name = f"block{block}_conv{number}"
            x = layers.Conv2D(
                width, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
            )(x)
            x = layers.BatchNormalization(momentum=0.95, name=f"{name}_norm")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
        x = layers.Dropout(dropout, name=f"block{block}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(units, use_bias=False, kernel_initializer="he_normal", name="dense")(x)
    x = layers.BatchNormalization(momentum=0.95, name="dense_norm")(x)
    x = layers.ReLU(name="dense_relu")(x)
    x = layers.Dropout(2 * dropout, name="dropout")(x)
    return with_heads(inputs, x, heads, "sequential")
