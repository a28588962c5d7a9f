"""Turn measuring on and off during a run."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detector.types import AnalysedFrame, ShadowCounts
    from monitor.session.active_session import ActiveSession


class MeasuringSwitch:
    """Records frames and gaps while measuring is on, which it is not at first; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: ActiveSession | None = None

    @property
    def is_on(self) -> bool:
        """Whether frames are recorded."""
        with self._lock:
            return self._session is not None

    def start(self, session: ActiveSession) -> bool:
        """Turn measuring on; return whether it was off."""
        with self._lock:
            before, self._session = self._session, session
            return before is None

    def pause(self, cause: str, detail: str) -> None:
        """Turn measuring off and record the gap that this makes; then no frame is recorded."""
        with self._lock:
            if self._session is not None:
                self._session.recorder.gap(cause, detail, time.monotonic_ns())
            self._session = None

    def gap(self, cause: str, detail: str, at_ns: int, since_ns: int | None = None) -> bool:
        """Record a gap, see `Recorder.gap`; return whether measuring is on."""
        with self._lock:
            if self._session is not None:
                self._session.recorder.gap(cause, detail, at_ns, since_ns)
            return self._session is not None

    def record_shadow(self, counts: ShadowCounts) -> None:
        """Record the counts of a shadow run if measuring is on."""
        with self._lock:
            if self._session is not None:
                self._session.recorder.record_shadow(counts)

    def record(self, frame: AnalysedFrame) -> bool:
        """Record a frame if measuring is on; return `False` if the overlay must not show it."""
        with self._lock:
            if self._session is None:
                return True
            if not self._session.recorder.record(frame):
                return False
            self._session.feedback.record(frame)
            return True
