"""Errors of the papers for the law."""

from __future__ import annotations

from monitor.errors import SetupError


class NoticeError(SetupError):
    """The notice cannot be printed with these settings."""


class PaperError(SetupError):
    """A paper cannot be written to the named file."""
