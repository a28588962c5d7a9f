"""Errors of the papers for the law."""

from __future__ import annotations

from monitor.errors import SetupError


class SignError(SetupError):
    """The sign cannot be made with these settings."""


class PaperError(SetupError):
    """A paper cannot be written to the named file."""
