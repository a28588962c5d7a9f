"""Stands in for the sensor where nothing is to be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.sensor.live import SensorHealth
from monitor.sensor.messages import HealthReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.sensor.messages import Failed, Message


class NoSensor:
    """Opens no camera and starts no process; says that there is none, and why.

    Args:
        reason: In one sentence.
        on_message: Called once, with the state.

    Attributes:
        failure: Always `None`: that there is no sensor is no failure.
        worked: Always false.
    """

    failure: Failed | None = None
    worked = False

    def __init__(self, reason: str, on_message: Callable[[Message], None]) -> None:
        self._reason = reason
        self._on_message = on_message

    def start(self) -> None:
        """Tell the state."""
        self._on_message(HealthReport(SensorHealth("unavailable", self._reason)))

    def wait_settled(self, _timeout_s: float) -> bool:
        """True at once."""
        return True

    def stop(self) -> bool:
        """True: there is nothing to stop."""
        return True
