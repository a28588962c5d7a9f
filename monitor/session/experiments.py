"""The blocks of experiments at a kiosk's site, kept up to date while the show runs."""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ads.show.blocks import Block, BlockSchedule
from db.errors import DatabaseError
from db.read.experiments import coming_blocks
from monitor.errors import MonitorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.engine import Engine

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
"""An experiment that is started or stopped reaches a running kiosk within this time; the first
block begins later than that."""


class BlockWatcher:
    """Read the site's blocks from the database every few seconds, without blocking the show.

    Blocks are stored before they begin, so a kiosk that starts anew goes on with the same one, and
    one whose database is away goes on with those that it knows. A hub's blocks came with what the
    screen is to show; those that overlap one of the kiosk's own database are left out.

    Called by one thread. Each look has its own short-lived thread, `experiment-watch`.

    Args:
        engine: Of the kiosk's database.
        site: Of the kiosk.
        of_hub: Returns the blocks that its hub sent.
    """

    def __init__(
        self,
        engine: Engine,
        site: str,
        of_hub: Callable[[], Sequence[Block]] = tuple,
    ) -> None:
        self._engine = engine
        self._site = site
        self._of_hub = of_hub
        self._own: Sequence[Block] = ()
        self._hubs: Sequence[Block] = ()
        self.schedule = BlockSchedule()
        self._thread: threading.Thread | None = None
        self._next_look_ns: int | None = None
        self._failing: set[Callable[[], Sequence[Block]]] = set()
        self._look()

    def poll(self, now_ns: int) -> None:
        """Start the next look when it is due. Never waits."""
        if self._next_look_ns is None:
            self._next_look_ns = now_ns + round(LOOK_EVERY_S * 1e9)
        if now_ns < self._next_look_ns or (self._thread is not None and self._thread.is_alive()):
            return
        self._next_look_ns = now_ns + round(LOOK_EVERY_S * 1e9)
        self._thread = threading.Thread(target=self._look, name="experiment-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait for a look that is under way. Idempotent."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _look(self) -> None:
        self._own = self._read(self._own_blocks, self._own)
        self._hubs = self._read(self._of_hub, self._hubs)
        self.schedule.replace((*self._own, *without_overlap(self._hubs, self._own)))

    def _own_blocks(self) -> list[Block]:
        found = coming_blocks(self._engine, self._site, datetime.now(UTC))
        return [Block(**asdict(block)) for block in found]

    def _read(
        self, read: Callable[[], Sequence[Block]], before: Sequence[Block]
    ) -> Sequence[Block]:
        try:
            found = read()
        except (DatabaseError, MonitorError, OSError) as error:
            # Once for each outage, which others report too.
            level = logging.DEBUG if read in self._failing else logging.WARNING
            logger.log(level, "The blocks of experiments stay as they were: %s", error)
            self._failing.add(read)
            return before
        except Exception:
            logger.exception("The blocks of experiments cannot be read")
            return before
        self._failing.discard(read)
        return found


def without_overlap(blocks: Iterable[Block], others: Sequence[Block]) -> list[Block]:
    """Return the blocks that share no moment with others.

    Args:
        blocks: In any order.
        others: In order, and not overlapping each other.
    """
    found = []
    for block in blocks:
        # The first of the others that ends after the block begins.
        place = bisect_right(others, block.starts_at, key=lambda other: other.ends_at)
        if place == len(others) or others[place].starts_at >= block.ends_at:
            found.append(block)
    return found
