"""What can go wrong with a lake."""

from __future__ import annotations

from monitor.errors import MonitorError


class LakeError(MonitorError):
    """The lake cannot be read or written, or lacks the requested data."""
