"""The shipped default: a small residual network for 48 x 48 grey faces.

Two heads share one trunk, because the two published label sets of FER2013 name the same emotion for only about two
pictures in three: one softmax cannot serve both. The `votes` head learns the distribution of the FER+ taggers, the
`original` head the single label of the first release and acts as a regulariser. Most of the arithmetic happens at
24 x 24 and below, which halves the cost of a network of the same depth that starts at full resolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

if TYPE_CHECKING:
    from collections.abc import Sequence

INPUT_SIDE_PX = 48
WIDTHS = (48, 96, 192)
BLOCKS = (1, 2, 2)
STEM_WIDTH = 24
WEIGHT_DECAY = 5e-4


def _conv(x: keras.KerasTensor, width: int, *, stride: int = 1, kernel: int = 3) -> keras.KerasTensor:
    x = layers.Conv2D(
        width,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(WEIGHT_DECAY / 2),
    )(x)
    return layers.BatchNormalization(momentum=0.95, epsilon=1e-4)(x)


def _residual_block(x: keras.KerasTensor, width: int, stride: int) -> keras.KerasTensor:
    shortcut = x
    if stride != 1 or x.shape[-1] != width:
        if stride != 1:
            shortcut = layers.AveragePooling2D(stride)(shortcut)
        shortcut = _conv(shortcut, width, kernel=1)
    y = layers.ReLU()(_conv(x, width, stride=stride))
    y = _conv(y, width)
    return layers.ReLU()(layers.Add()([y, shortcut]))


def build(
    heads: dict[str, int],
    *,
    side_px: int = INPUT_SIDE_PX,
    dropout: float = 0.3,
    widths: Sequence[int] = WIDTHS,
) -> keras.Model:
    """Build the network.

    Args:
        heads: Name and number of classes of each output; every output gives logits.
        side_px: Side of the input. The weights do not depend on it, so that the early epochs may run on smaller
            pictures. Defaults to 48.
        dropout: Share of the pooled features dropped in training, 0 to 1. Defaults to 0.3.
        widths: Channels of the three stages, at a half, a quarter and an eighth of the input's side.

    Returns:
        A model from `(n, side_px, side_px, 1)` grey levels, 0 to 255, to a dictionary of `(n, classes)` logits. The picture
        is standardised inside the network, so callers never scale it.
    """
    inputs = keras.Input((side_px, side_px, 1), name="face")
    # Zero mean and unit deviation per picture; the axes are spelled out so that the graph stays static.
    x = layers.LayerNormalization(axis=[1, 2, 3], center=False, scale=False, epsilon=1.0, name="standardise")(inputs)
    x = layers.ReLU()(_conv(x, STEM_WIDTH))
    for width, blocks in zip(widths, BLOCKS, strict=True):
        for block in range(blocks):
            x = _residual_block(x, width, stride=2 if block == 0 else 1)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    outputs = {name: layers.Dense(classes, name=name, dtype="float32")(x) for name, classes in heads.items()}
    return keras.Model(inputs, outputs, name="compact")
