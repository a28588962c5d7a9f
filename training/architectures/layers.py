"""The input and outputs that all architectures share, and the recipe of the classic ones."""

from __future__ import annotations

import keras
from keras import layers

from training.errors import TrainingError
from training.fit.augmentation import Augmentation
from training.fit.trainer import TrainingSettings

CLASSIC_RECIPE = TrainingSettings(
    batch_size=64,
    optimizer="adam",
    peak_learning_rate=1e-3,
    augmentation=Augmentation(rotation_deg=12, scale=0.1, shift=0.08, erase_share=0.1),
)


def face_input(name: str, side_px: int, smallest_px: int = 1) -> keras.KerasTensor:
    """Return the input, or raise `TrainingError` if pooling would leave nothing of a picture."""
    if side_px < smallest_px:
        raise TrainingError(
            f"The architecture {name} cannot take pictures of {side_px} px: expected a side of "
            f"{smallest_px} px or more."
        )
    return keras.Input((side_px, side_px, 1), name="face")


def standardised(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Scale each picture to zero mean and unit deviation; explicit axes keep the graph static."""
    return layers.LayerNormalization(
        axis=[1, 2, 3], center=False, scale=False, epsilon=1.0, name="standardise"
    )(inputs)


def with_heads(
    inputs: keras.KerasTensor, features: keras.KerasTensor, heads: dict[str, int], name: str
) -> keras.Model:
    """Return the model with one output of logits, in full precision, for each head."""
    outputs = {
        head: layers.Dense(classes, name=head, dtype="float32")(features)
        for head, classes in heads.items()
    }
    return keras.Model(inputs, outputs, name=name)
