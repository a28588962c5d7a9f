"""What can go wrong when a report is made."""

from __future__ import annotations


class ReportError(Exception):
    """Base of all errors of the reports: the message is one sentence for the user."""


class UnknownFormatError(ReportError, ValueError):
    """A report was asked for in a format that does not exist."""


class ReportWriteError(ReportError):
    """The file of a report could not be written."""


class EmptyScopeError(ReportError):
    """No session is among those that were asked for."""


class ExperimentError(ReportError):
    """The plan of an experiment cannot be carried out, or there is no experiment of a name."""


class OutcomeFileError(ReportError):
    """A file of outcomes cannot be read."""
