"""The shipped default: a small residual network for 48 x 48 grey faces.

Made for one core without a GPU: most of the arithmetic happens at 24 x 24 and below, in dense 3 x 3
convolutions, which cost less time there than depthwise ones. Squeeze-and-excitation (Hu et al.,
2018) lets a block weigh its channels by the whole face for next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

from training.fit.schedule import Stage
from training.fit.trainer import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

INPUT_SIDE_PX = 48
CHANNELS = 1
WIDTHS = (48, 96, 192)
BLOCKS = (1, 1, 2)
STEM_WIDTH = 24
SQUEEZE = 8
WEIGHT_DECAY = 5e-4
RECIPE = TrainingSettings(
    stages=(Stage(32, 18), Stage(40, 16), Stage(48, 22)),
    batch_size=128,
    optimizer="sgd",
    peak_learning_rate=0.12,
)


def _conv(
    x: keras.KerasTensor, width: int, name: str, *, stride: int = 1, kernel: int = 3
) -> keras.KerasTensor:
    x = layers.Conv2D(
        width,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(WEIGHT_DECAY / 2),
        name=name,
    )(x)
    return layers.BatchNormalization(momentum=0.95, epsilon=1e-4, name=f"{name}_norm")(x)


def _excite(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    width = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = layers.Conv2D(width // SQUEEZE, 1, activation="relu", name=f"{name}_reduce")(gate)
    gate = layers.Conv2D(width, 1, activation="sigmoid", name=f"{name}_gate")(gate)
    return layers.Multiply(name=f"{name}_excite")([x, gate])


def _residual_block(x: keras.KerasTensor, width: int, stride: int, name: str) -> keras.KerasTensor:
    shortcut = x
    if stride != 1 or x.shape[-1] != width:
        if stride != 1:
            shortcut = layers.AveragePooling2D(stride, name=f"{name}_pool")(shortcut)
        shortcut = _conv(shortcut, width, f"{name}_shortcut", kernel=1)
    y = layers.ReLU(name=f"{name}_first_relu")(_conv(x, width, f"{name}_first", stride=stride))
    y = _excite(_conv(y, width, f"{name}_second"), name)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([y, shortcut]))


def build(
    heads: dict[str, int],
    *,
    side_px: int = INPUT_SIDE_PX,
    dropout: float = 0.25,
    widths: Sequence[int] = WIDTHS,
    blocks: Sequence[int] = BLOCKS,
) -> keras.Model:
    """Build the network.

    Args:
        heads: Name and number of classes of each output; every output gives logits.
        side_px: Side of the input. The weights do not depend on it, so that the early epochs may
            run on smaller pictures. Defaults to 48.
        dropout: Share of the pooled features dropped in training, 0 to 1. Defaults to 0.25.
        widths: Channels of the stages, at a half, a quarter and an eighth of the input's side.
        blocks: Residual blocks of the stages.

    Returns:
        A model from `(n, side_px, side_px, 1)` grey levels, 0 to 255, to a dictionary of `(n,
        classes)` logits. The picture is standardised inside the network, so callers never scale it.
    """
    inputs = keras.Input((side_px, side_px, CHANNELS), name="face")
    # Zero mean and unit deviation per picture; the axes are spelled out so that the graph stays
    # static.
    x = layers.LayerNormalization(
        axis=[1, 2, 3], center=False, scale=False, epsilon=1.0, name="standardise"
    )(inputs)
    x = layers.ReLU(name="stem_relu")(_conv(x, STEM_WIDTH, "stem"))
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
        for block in range(1, count + 1):
            x = _residual_block(x, width, 2 if block == 1 else 1, f"stage{stage}_block{block}")
    x = layers.GlobalAveragePooling2D(name="features")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    outputs = {
        name: layers.Dense(classes, name=name, dtype="float32")(x)
        for name, classes in heads.items()
    }
    return keras.Model(inputs, outputs, name="compact")
