"""The plain stack that most tutorials on facial expressions build: convolutions, pooling, two dense layers.

Five convolutions, each with batch normalisation (Ioffe and Szegedy, 2015); only the first works at
full size, so that an epoch of FER2013 takes minutes on two cores.
"""

from __future__ import annotations

import keras
from keras import layers

from training.architectures import require_side
from training.fit.augmentation import Augmentation
from training.fit.schedule import Stage
from training.fit.trainer import TrainingSettings

INPUT_SIDE_PX = 48
CHANNELS = 1
BLOCKS = ((32,), (64, 64), (128, 128))
"""Widths of the convolutions before each pooling."""
UNITS = 256
RECIPE = TrainingSettings(
    stages=(Stage(INPUT_SIDE_PX, 60),),
    batch_size=64,
    optimizer="adam",
    peak_learning_rate=1e-3,
    patience=12,
    augmentation=Augmentation(rotation_deg=12, scale=0.1, shift=0.08, erase_share=0.1),
)


def build(
    heads: dict[str, int],
    *,
    side_px: int = INPUT_SIDE_PX,
    dropout: float = 0.25,
    units: int = UNITS,
) -> keras.Model:
    """Build the network.

    Args:
        heads: Name and number of classes of each output; every output gives logits.
        side_px: Side of the input, 8 or more. The dense layers are sized for it. Defaults to 48.
        dropout: Share of the values dropped after each pooling in training, 0 to 0.5; after the
            dense layer it is twice that. Defaults to 0.25.
        units: Width of the dense layer. Defaults to 256.

    Returns:
        A model from `(n, side_px, side_px, 1)` grey levels, 0 to 255, to a dictionary of `(n,
        classes)` logits.

    Raises:
        TrainingError: The side is too small.
    """
    require_side("sequential", side_px, 2 ** len(BLOCKS))
    inputs = keras.Input((side_px, side_px, CHANNELS), name="face")
    x = layers.LayerNormalization(
        axis=[1, 2, 3], center=False, scale=False, epsilon=1.0, name="standardise"
    )(inputs)
    for block, widths in enumerate(BLOCKS, start=1):
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
    outputs = {
        name: layers.Dense(classes, name=name, dtype="float32")(x)
        for name, classes in heads.items()
    }
    return keras.Model(inputs, outputs, name="sequential")
