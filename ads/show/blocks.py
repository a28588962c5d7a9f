"""Blocks of an experiment: which ads a stretch of time leaves out."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of time that shows one arm of an experiment.

    Attributes:
        number: Counts the blocks of the site.
        arm: "treatment" or "control".
        starts_at, ends_at: Aware; the end is not part of it.
        withheld: Ids of the ads of the other arm.
    """

    experiment: str
    number: int
    arm: str
    starts_at: datetime
    ends_at: datetime
    withheld: frozenset[str]

    def context(self) -> dict[str, Any]:
        """Return what the context of a choice says of the block."""
        return {"experiment": self.experiment, "block": self.number, "arm": self.arm}


class BlockSchedule:
    """The coming blocks of a site, which do not overlap; may be replaced while the show runs."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self.replace(blocks)

    def replace(self, blocks: Iterable[Block]) -> None:
        """Take over other blocks, in one step, also from another thread."""
        self._blocks = tuple(sorted(blocks, key=lambda block: block.starts_at))

    def at(self, moment: datetime | None) -> Block | None:
        """Return the block of an aware moment; `None` outside of blocks, or without a moment."""
        blocks = self._blocks
        if moment is None or not blocks:
            return None
        place = bisect_right(blocks, moment, key=lambda block: block.starts_at) - 1
        if place < 0 or moment >= blocks[place].ends_at:
            return None
        return blocks[place]
