"""Progress of a run, and what follows from it: picture size and learning rate."""

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
    """Some epochs at one picture size; with a time limit, their share of the time."""

    side_px: int
    epochs: int


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Parse `side:epochs` pairs, such as `32:12,48:18`, or raise `TrainingError`."""
    try:
        pairs = [part.split(":") for part in text.split(",")]
        stages = tuple(Stage(int(side), int(epochs)) for side, epochs in pairs)
    except ValueError as error:
        raise TrainingError(
            f"Invalid stages {text!r}: expected side:epochs pairs such as 32:12,48:18."
        ) from error
    if any(stage.side_px < 16 or stage.epochs < 1 for stage in stages):
        raise TrainingError(
            f"Invalid stages {text!r}: expected sides from 16 pixels up and at least one epoch "
            "each."
        )
    return stages


class RunProgress:
    """How far a run has come, 0 to 1: by its epochs, or by the clock if its time is limited.

    A timed run ends on time whatever else the machine does, and its learning rate still reaches
    zero; other runs depend on their settings only and repeat exactly. `epochs` are the planned
    ones, `steps` those done, `steps_per_epoch` those of a whole epoch.
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
        self.epochs = sum(stage.epochs for stage in stages)
        self.steps_per_epoch = max(1, steps_per_epoch)
        self._limit_s = limit_s
        self.timed = limit_s is not None
        self.steps = epochs_done * self.steps_per_epoch
        self._spent_s = spent_s
        self._now = now
        self._started = now()

    @property
    def spent_s(self) -> float:
        """Seconds spent since the start of the run, earlier parts of it included."""
        return self._spent_s + self._now() - self._started

    @property
    def share(self) -> float:
        """How far the run has come, 0 to 1."""
        return self.share_at(self.steps)

    def share_at(self, step: int) -> float:
        """Return the share at a step, which may lie ahead; by the clock, it is now."""
        if self._limit_s is not None:
            return min(1.0, self.spent_s / self._limit_s)
        return min(1.0, step / (self.epochs * self.steps_per_epoch))

    @property
    def left_s(self) -> float | None:
        """Estimated seconds left; `None` before there is a basis."""
        if self._limit_s is not None:
            return max(0.0, self._limit_s - self.spent_s)
        if self.steps == 0 or self.share == 0:
            return None
        return self.spent_s / self.share * (1 - self.share)

    @property
    def finished(self) -> bool:
        """Whether the run is over."""
        return self.share >= 1.0

    @property
    def stage(self) -> Stage:
        """The current stage; the last one when the run is over."""
        end = 0.0
        for stage in self._stages:
            end += stage.epochs / self.epochs
            if self.share < end - 1e-9:
                return stage
        return self._stages[-1]


def learning_rate(share: float, peak: float, warmup_share: float) -> float:
    """Return a linear rise, then one cosine down to zero (Loshchilov and Hutter, 2017)."""
    if share < warmup_share:
        return peak * max(share / warmup_share, 0.01)
    down = (share - warmup_share) / (1 - warmup_share)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, down)))
