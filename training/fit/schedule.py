"""How far a run has come, and what follows from it: picture size, learning rate, strength of the variation."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Stage:
    """Some epochs at one picture size.

    Attributes:
        side_px: Side of the pictures.
        epochs: How many epochs; in a run with a time limit, its share of the time by the same
            proportions.
    """

    side_px: int
    epochs: int


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Read `side:epochs` pairs, such as `32:12,48:18`.

    Raises:
        TrainingError: The text is not of this form.
    """
    try:
        pairs = [part.split(":") for part in text.split(",")]
        stages = tuple(Stage(int(side), int(epochs)) for side, epochs in pairs)
    except ValueError as error:
        raise TrainingError(
            f"Invalid stages {text!r}: expected side:epochs pairs such as 32:12,48:18."
        ) from error
    if any(stage.side_px < 16 or stage.epochs < 1 for stage in stages):
        raise TrainingError(
            f"Invalid stages {text!r}: expected sides from 16 pixels up and at least one epoch each."
        )
    return stages


class RunProgress:
    """How far a run has come, 0 to 1: by its epochs, or by the clock where it was given a time.

    A run with a time limit ends when it said it would, whatever else the machine does meanwhile,
    and its learning rate still comes down to zero; a run without one depends on nothing but its
    settings and repeats exactly.
    """

    def __init__(
        self,
        stages: tuple[Stage, ...],
        steps_per_epoch: int,
        *,
        limit_s: float | None = None,
        epochs_done: int = 0,
        spent_s: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stages = stages
        self._steps_per_epoch = max(1, steps_per_epoch)
        self._limit_s = limit_s
        self._steps = epochs_done * self._steps_per_epoch
        self._spent_s = spent_s
        self._now = now
        self._started = now()

    @property
    def epochs(self) -> int:
        """Epochs planned; a run with a time limit may take more or fewer."""
        return sum(stage.epochs for stage in self._stages)

    @property
    def steps(self) -> int:
        """Steps done since the start of the run."""
        return self._steps

    @property
    def spent_s(self) -> float:
        """Seconds spent since the start of the run, earlier parts of it included."""
        return self._spent_s + self._now() - self._started

    @property
    def timed(self) -> bool:
        """Whether the clock ends the run."""
        return self._limit_s is not None

    @property
    def share(self) -> float:
        """How far the run has come, 0 to 1."""
        return self.share_at(self._steps)

    def share_at(self, step: int) -> float:
        """How far the run has come at a step, which may be one ahead of the run; by the clock it is now."""
        if self._limit_s is not None:
            return min(1.0, self.spent_s / self._limit_s)
        return min(1.0, step / (self.epochs * self._steps_per_epoch))

    @property
    def left_s(self) -> float | None:
        """Seconds left as things go; `None` before there is anything to go by."""
        if self._limit_s is not None:
            return max(0.0, self._limit_s - self.spent_s)
        if self._steps == 0 or self.share == 0:
            return None
        return self.spent_s / self.share * (1 - self.share)

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return self.share >= 1.0

    @property
    def stage(self) -> Stage:
        """The stage the run is in; the last one when it is over."""
        end = 0.0
        for stage in self._stages:
            end += stage.epochs / self.epochs
            if self.share < end - 1e-9:
                return stage
        return self._stages[-1]

    def step(self) -> None:
        """Count one step."""
        self._steps += 1


def learning_rate(share: float, peak: float, warmup_share: float) -> float:
    """A linear rise, then one cosine down to zero (Loshchilov and Hutter, 2017).

    Args:
        share: How far the run has come, 0 to 1.
        peak: Highest rate.
        warmup_share: Share of the run in which the rate rises.
    """
    if share < warmup_share:
        return peak * max(share / warmup_share, 0.01)
    down = (share - warmup_share) / (1 - warmup_share)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, down)))
