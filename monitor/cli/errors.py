"""Which errors are the caller's, which are expected, and how they are said in one sentence."""

from __future__ import annotations


def is_callers_mistake(error: Exception) -> bool:
    """Whether the command line, or a file that it names, is wrong."""
    from ads.errors import AdsError
    from db.errors import DatabaseOpenError, NoSuchSessionError, SchemaVersionError
    from detector.errors import ModelLoadError, SourceOpenError
    from monitor.errors import SetupError
    from monitor.reports.errors import ReportWriteError

    # Told by name: importing the offline room, or pydantic, only to ask would be slow.
    if type(error).__name__ in {"DatasetError", "ValidationError"}:
        return True
    wrong = (
        AdsError,
        DatabaseOpenError,
        NoSuchSessionError,
        SchemaVersionError,
        ModelLoadError,
        SourceOpenError,
        SetupError,
        ReportWriteError,
    )
    return isinstance(error, wrong)


def one_sentence(error: Exception) -> str:
    if type(error).__name__ != "ValidationError":
        return str(error)
    first = error.errors()[0]  # type: ignore[attr-defined]
    where = ".".join(str(part) for part in first["loc"])
    return f"Invalid {where.replace('_', ' ')}: {first['msg']}; received {first['input']!r}."


def is_known(error: Exception) -> bool:
    from db.errors import DatabaseError
    from detector.errors import DetectorError
    from monitor.errors import MonitorError

    return isinstance(error, (MonitorError, DatabaseError, DetectorError))
