"""The kiosk's heartbeat for its supervisor: one byte each through a pipe."""

from __future__ import annotations

import logging
import os
import time
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

logger = logging.getLogger(__name__)

VARIABLE = "AD_MONITOR_HEARTBEAT_FD"
"""Names the end of the pipe that a supervised kiosk writes to."""

BEAT_S = 1.0
MIN_PAUSE_S = 0.5
"""Beats of one phase that follow each other sooner are left out."""


class Phase(Enum):
    """What the kiosk is doing; each phase has a limit of silence."""

    STARTING = b"s"
    """Reading the playlist, opening the database, waiting for the sensor."""
    SHOWING = b"."
    """The loop turns, and the window paints."""
    EXPLAINING = b"e"
    """It cannot start, and its window says why; a restart would mend nothing."""
    RESTARTING = b"a"
    """About to end, to be started again at once."""
    CLOSING = b"c"
    """Stopping the sensor, writing what waits."""
    REPORTING = b"r"
    """The session is closed; its report is being made."""


class Heartbeat:
    """Tells the supervisor, if a pipe leads to one, that the kiosk is alive."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._last: tuple[Phase | None, float] = None, 0.0

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] = os.environ) -> Heartbeat:
        """Return this process's heartbeat; remove `VARIABLE`, so that no child inherits it."""
        named = environ.pop(VARIABLE, "")
        if not named.isdecimal():
            return cls()
        descriptor = int(named)
        try:
            os.set_inheritable(descriptor, False)
            os.set_blocking(descriptor, False)
        except OSError as error:
            logger.warning("No heartbeat for the supervisor (%s); continuing without it", error)
            return cls()
        return cls(descriptor)

    @property
    def supervised(self) -> bool:
        """Whether a supervisor listens."""
        return self._descriptor is not None

    def beat(self, phase: Phase) -> None:
        """Say that the kiosk is alive, and what it is doing; never waits, never fails."""
        now_s = time.monotonic()
        last_phase, last_s = self._last
        if self._descriptor is None or (last_phase is phase and now_s - last_s < MIN_PAUSE_S):
            return
        self._last = phase, now_s
        try:
            os.write(self._descriptor, phase.value)
        except BlockingIOError:
            # The supervisor was stopped for hours, and finds enough beats when it continues.
            return
        except OSError:
            logger.warning("The supervisor is gone; continuing without it")
            self.close()

    def close(self) -> None:
        """Beat no more; harmless when repeated."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
