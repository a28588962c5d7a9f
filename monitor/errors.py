"""Errors of the application itself."""

from __future__ import annotations


class MonitorError(Exception):
    """Base of the application's errors; the message is one sentence that says what to do."""


class SetupError(MonitorError):
    """A source, model, file or option that was named on the command line is wrong."""


class SessionFailedError(MonitorError):
    """A session ended badly; what was measured before is kept."""

    def __init__(self, message: str, session_id: int | None = None) -> None:
        super().__init__(message)
        self.session_id = session_id


class SessionInterruptedError(SessionFailedError):
    """A session was ended by Ctrl+C or SIGTERM."""


class WorkersLostError(MonitorError):
    """Workers die again and again, or the cluster is gone."""


class PictureError(MonitorError):
    """A picture could not be fetched or decoded."""
