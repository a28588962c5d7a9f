"""Takes each message of the sensor to the recording and to the overlay."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from monitor.languages import lazy
from monitor.sensor.live import UNMEASURED, LiveView, SensorHealth, fault_state
from monitor.sensor.messages import (
    Ended,
    FrameRead,
    HealthReport,
    Message,
    Ready,
    ShadowCounted,
    SourceLost,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.sensor.client import SensorDied
    from monitor.session.measuring import MeasuringSwitch

logger = logging.getLogger(__name__)


class MessageRouter:
    """Routes what the sensor says; its methods are called from the sensor's threads.

    Attributes:
        early_deaths: How the sensor died before it was ever ready and anything was recorded.
        since_ns: When the source was lost, found or over, monotonic clock.
    """

    def __init__(self, measuring: MeasuringSwitch, publish: Callable[[LiveView], None]) -> None:
        self._measuring = measuring
        self._publish = publish
        self._dropped = self._dropped_before = 0
        self.view = LiveView(SensorHealth("starting"))
        self.since_ns = time.monotonic_ns()
        self.is_ready = False
        self.ended: Ended | None = None
        self.early_deaths: list[str] = []

    @property
    def dropped(self) -> int:
        """Frames that were never analysed, by all of the session's sensors."""
        return self._dropped_before + self._dropped

    @property
    def gap(self) -> tuple[str, str] | None:
        """Cause and detail of a gap if nothing can be measured now, else `None`."""
        health = self.view.health
        if self.is_ready and health.state not in UNMEASURED:
            return None
        # A source that was never there is not lost.
        was_never_there = not self.is_ready and health.state == "reconnecting"
        cause = "" if was_never_there else health.cause
        return cause or "sensor_starting", health.detail or lazy("the sensor is not ready yet")

    def show(self, view: LiveView) -> None:
        """Publish a view."""
        before, self.view = self.view, view
        if _usable(before) != _usable(view):
            self.since_ns = time.monotonic_ns()
        self._publish(view)

    def on_message(self, message: Message) -> None:
        """Handle a message of the sensor."""
        view = self.view
        match message:
            case Ready():
                if not self.is_ready:
                    self.since_ns = time.monotonic_ns()
                self.is_ready = True
            case FrameRead():
                if not self._measuring.record(message.frame):
                    # Outside the hours of measuring nobody is shown in the overlay either.
                    self.show(LiveView(view.health))
                    return
                preview = view.preview if message.preview is None else message.preview
                self.show(LiveView(view.health, message.frame, preview))
            case ShadowCounted():
                self._measuring.record_shadow(message.counts)
            case HealthReport():
                self._dropped = message.health.dropped
                self.show(LiveView(message.health, view.frame, view.preview))
            case SourceLost():
                self._measuring.gap(message.cause, message.detail, message.at_ns, message.since_ns)
                if message.cause != "format_changed":
                    state = fault_state(message.cause)
                    self.show(LiveView(SensorHealth(state, message.detail, cause=message.cause)))
                logger.warning("%s", message.detail)
            case Ended():
                self.ended = message
                self.show(LiveView(SensorHealth("ended"), view.frame, view.preview))

    def on_died(self, death: SensorDied) -> None:
        """Handle the death of the sensor's process."""
        self._dropped_before += self._dropped
        self._dropped = 0
        if not self._measuring.gap(death.cause, death.detail, death.at_ns) and not self.is_ready:
            self.early_deaths.append(death.detail)
        self.show(LiveView(SensorHealth("restarting", death.detail, cause=death.cause)))


def _usable(view: LiveView) -> bool | None:
    """Return whether the source can be measured from; `None` once it is over."""
    state = view.health.state
    return None if state == "ended" else state not in UNMEASURED
