"""Which errors are the caller's, which are expected, and how they are said in one sentence."""

from __future__ import annotations


def is_callers_mistake(error: Exception) -> bool:
    """Whether the command line, or a file that it names, is wrong."""
    from ads.errors import AdsError
    from db.errors import (
        BackupTargetError,
        DatabaseOpenError,
        NoSuchSessionError,
        SchemaVersionError,
    )
    from detector.errors import ModelLoadError, SourceOpenError, ZonesError
    from monitor.analytics.errors import EmptyScopeError, ReportWriteError
    from monitor.errors import SetupError
    from training.errors import TrainingError

    # Told by name: importing pydantic only to ask would be slow.
    if type(error).__name__ == "ValidationError":
        return True
    wrong = (
        AdsError,
        BackupTargetError,
        DatabaseOpenError,
        NoSuchSessionError,
        SchemaVersionError,
        ModelLoadError,
        SourceOpenError,
        ZonesError,
        SetupError,
        EmptyScopeError,
        ReportWriteError,
        TrainingError,
    )
    return isinstance(error, wrong)


def one_sentence(error: Exception) -> str:
    """What the error says, in one sentence for people."""
    from detector.errors import MissingExtraError, lacks_extra

    if lacks_extra(error):
        return str(MissingExtraError())
    if type(error).__name__ != "ValidationError":
        return str(error)
    first = error.errors()[0]  # type: ignore[attr-defined]
    where = ".".join(str(part) for part in first["loc"])
    return f"Invalid {where.replace('_', ' ')}: {first['msg']}; received {first['input']!r}."


def is_known(error: Exception) -> bool:
    """Whether the error is one of ours, whose message is written for people."""
    from db.errors import DatabaseError
    from detector.errors import DetectorError, lacks_extra
    from monitor.errors import MonitorError
    from training.errors import PromotionRefusedError, TrainingDivergedError

    known = (
        MonitorError,
        DatabaseError,
        DetectorError,
        PromotionRefusedError,
        TrainingDivergedError,
    )
    return isinstance(error, known) or lacks_extra(error)
