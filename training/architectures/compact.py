"""The shipped default: a small residual network for 48 x 48 grey faces, made for one core.

Most of the arithmetic happens at 24 x 24 and below, in dense convolutions, with
squeeze-and-excitation (Hu et al., 2018).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import layers

from training.architectures.layers import face_input, standardised, with_heads
from training.fit.schedule import Stage
from training.fit.trainer import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

RECIPE = TrainingSettings(stages=(Stage(32, 18), Stage(40, 16), Stage(48, 22)))


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
        kernel_regularizer=keras.regularizers.L2(2.5e-4),
        name=name,
    )(x)
    return layers.BatchNormalization(momentum=0.95, epsilon=1e-4, name=f"{name}_norm")(x)


def _excite(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    width = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = layers.Conv2D(width // 8, 1, activation="relu", name=f"{name}_reduce")(gate)
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
    side_px: int = 48,
    dropout: float = 0.25,
    widths: Sequence[int] = (48, 96, 192),
    blocks: Sequence[int] = (1, 1, 2),
    name: str = "compact",
) -> keras.Model:
    """Build the network, see `Architecture.build`; its weights fit pictures of any side.

    `widths` and `blocks` are channels and residual blocks of the stages, at a half, a quarter and
    an eighth of the side; `dropout` is the share of the pooled features dropped in training.
    """
    inputs = face_input(name, side_px)
    x = layers.ReLU(name="stem_relu")(_conv(standardised(inputs), 24, "stem"))
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
        for block in range(1, count + 1):
            x = _residual_block(x, width, 2 if block == 1 else 1, f"stage{stage}_block{block}")
    x = layers.GlobalAveragePooling2D(name="features")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return with_heads(inputs, x, heads, name)
