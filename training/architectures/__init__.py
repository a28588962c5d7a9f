"""Network architectures by name, one module each.

Every module offers `build(heads, *, side_px, ...)` and the settings that train it well (`RECIPE`).
A network takes `(n, side_px, side_px, 1)` grey levels, 0 to 255, does all scaling itself, and gives
a dictionary of `(n, classes)` logits, one for every head.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.errors import TrainingError

if TYPE_CHECKING:
    import keras

    from training.fit.trainer import TrainingSettings


@dataclass(frozen=True)
class Architecture:
    """One kind of network; its module, and Keras, are imported on first use.

    `name` is that on the command line, of its module and of the networks. A `pretrained` one takes
    `weights` trained on other pictures.
    """

    name: str
    summary: str
    pretrained: bool = False

    @property
    def input_side_px(self) -> int:
        """Side of the pictures that the network is made for."""
        return self.recipe().stages[-1].side_px

    def recipe(self, weights: str | None = None) -> TrainingSettings:
        """Return the settings that train it well on FER2013, with pretrained or no `weights`."""
        from_scratch = self.pretrained and weights == "none"
        settings: TrainingSettings = getattr(
            self._module(), "RECIPE_FROM_SCRATCH" if from_scratch else "RECIPE"
        )
        return settings

    def build(
        self, heads: dict[str, int], *, side_px: int | None = None, **options: Any
    ) -> keras.Model:
        """Build a network with an output for each head (name: classes); its own side is default.

        `options` go to the module's `build`. Raises `TrainingError` if the side is too small, or
        pretrained weights are unavailable.
        """
        side_px = self.input_side_px if side_px is None else side_px
        return self._module().build(heads, side_px=side_px, **options)

    def _module(self) -> Any:
        return importlib.import_module(f"{__name__}.{self.name}")


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("compact", "A small residual network for one core, the shipped default."),
        Architecture("wide", "The same, wider and deeper: a teacher for it, too slow for a kiosk."),
        Architecture(
            "sequential",
            "A plain stack of convolution, normalisation, pooling and dropout, quick to train.",
        ),
        Architecture("alexnet", "AlexNet at its published widths on 227 px pictures; large."),
        Architecture(
            "vgg16",
            "VGG16 features, frozen, under a small classifier (transfer learning).",
            pretrained=True,
        ),
    )
}


def find_architecture(name: str) -> Architecture:
    """Return the architecture of a name, or raise `TrainingError`."""
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    near = difflib.get_close_matches(name.lower(), ARCHITECTURES, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    raise TrainingError(
        f"Unknown architecture {name!r}: expected one of {', '.join(ARCHITECTURES)}{hint}"
    )
