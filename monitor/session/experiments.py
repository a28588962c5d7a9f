"""The blocks of experiments at a kiosk's site, kept up to date while the show runs."""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ads.show.blocks import Block, BlockSchedule
from db.errors import DatabaseError
from db.read.experiments import coming_blocks

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
"""An experiment that is started or stopped reaches a running kiosk within this time; the first
block begins later than that."""


class BlockWatcher:
    """Read the site's blocks from the database every few seconds, without blocking the show.

    Blocks are stored before they begin, so a kiosk that starts anew goes on with the same one, and
    one whose database is away goes on with those that it knows.

    Called by one thread. Each look has its own short-lived thread, `experiment-watch`.
    """

    def __init__(self, engine: Engine, site: str) -> None:
        self._engine = engine
        self._site = site
        self.schedule = BlockSchedule()
        self._thread: threading.Thread | None = None
        self._next_look_ns: int | None = None
        self._has_warned = False
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
        try:
            found = coming_blocks(self._engine, self._site, datetime.now(UTC))
        except DatabaseError as error:
            # Once for each outage, which the writer reports too.
            level = logging.DEBUG if self._has_warned else logging.WARNING
            logger.log(level, "The blocks of experiments stay as they were: %s", error)
            self._has_warned = True
            return
        except Exception:
            logger.exception("The blocks of experiments cannot be read")
            return
        self._has_warned = False
        self.schedule.replace(Block(**asdict(block)) for block in found)
