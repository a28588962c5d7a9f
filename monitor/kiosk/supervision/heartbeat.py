"""The signs of life that the kiosk gives the process above it, one byte each, through a pipe."""

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
"""How often a kiosk that is well says so."""

LEAST_PAUSE_S = 0.5
"""Beats of one phase that follow each other sooner are left out."""


class Phase(Enum):
    """What the kiosk is doing; each has its own limit of silence, because only the show is made of short steps."""

    STARTING = b"s"
    """Reading the playlist, opening the database, waiting for the sensor."""
    SHOWING = b"."
    """The loop turns, and what it was asked to paint was painted."""
    CLOSING = b"c"
    """Stopping the sensor, writing what waits."""
    REPORTING = b"r"
    """The session is closed; its report is being made."""


class Heartbeat:
    """Tells the supervisor, where there is one, that the kiosk is alive.

    Args:
        descriptor: The pipe's end to write to; `None` without a supervisor, and then nothing
            happens.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._last: tuple[Phase, float] | None = None

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] | None = None) -> Heartbeat:
        """The heartbeat of a process that was started by the supervisor, or one without effect.

        The variable is taken out, so that no process further down believes that it is meant.

        Args:
            environ: The environment; the process's own by default.
        """
        environ = os.environ if environ is None else environ
        named = environ.pop(VARIABLE, "")
        if not named.isdecimal():
            return cls()
        descriptor = int(named)
        try:
            os.set_inheritable(descriptor, False)
            os.set_blocking(descriptor, False)
        except OSError as error:
            logger.warning(
                "The supervisor cannot be told that all is well (%s); the show goes on without it",
                error,
            )
            return cls()
        return cls(descriptor)

    @property
    def supervised(self) -> bool:
        """Whether somebody listens."""
        return self._descriptor is not None

    def beat(self, phase: Phase) -> None:
        """Tell that the kiosk is alive, and what it is doing; never waits, and never fails."""
        now_s = time.monotonic()
        if self._descriptor is None:
            return
        if (
            self._last is not None
            and self._last[0] is phase
            and now_s - self._last[1] < LEAST_PAUSE_S
        ):
            return
        self._last = phase, now_s
        try:
            os.write(self._descriptor, phase.value)
        except BlockingIOError:
            # Nobody has read for hours: the supervisor is stopped, and finds enough beats when it
            # goes on.
            return
        except OSError:
            logger.warning("The supervisor is gone; the show goes on without it")
            self.close()

    def close(self) -> None:
        """Give no more signs; harmless when repeated."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
