"""Which errors are the caller's fault, and their text."""

from __future__ import annotations

import errno


def is_callers_mistake(error: Exception) -> bool:
    """Return whether the command line, or a file that it names, is wrong."""
    from ads.errors import AdsError
    from db import errors as db
    from detector.errors import ModelLoadError, SourceOpenError, ZonesError
    from monitor.analytics.errors import (
        EmptyScopeError,
        ExperimentError,
        OutcomeFileError,
        ReportWriteError,
    )
    from monitor.errors import SetupError
    from training.errors import TrainingError

    database = (
        db.AccountError
        | db.BackupTargetError
        | db.ChannelError
        | db.DatabaseOpenError
        | db.ExperimentExistsError
        | db.NoSuchSessionError
        | db.SchemaVersionError
    )
    report = EmptyScopeError | ExperimentError | OutcomeFileError | ReportWriteError
    detector = ModelLoadError | SourceOpenError | ZonesError
    monitor = SetupError | report
    known = AdsError | TrainingError | database | detector | monitor
    return isinstance(error, known) or _is_too_long(error)


def _is_too_long(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG


def one_sentence(error: Exception) -> str:
    """Return what the error says, in one sentence."""
    from ads.playlists.yaml_file import shortened
    from detector.errors import MissingExtraError, lacks_extra

    if _is_too_long(error):
        name = shortened(str(getattr(error, "filename", "")))
        return f"The path {name} is too long for a file: check it."
    return str(MissingExtraError()) if lacks_extra(error) else str(error)


def is_known(error: Exception) -> bool:
    """Return whether the error is one of ours, whose message is written for people."""
    from db.errors import DatabaseError
    from detector.errors import DetectorError, lacks_extra
    from monitor.errors import MonitorError
    from training.errors import PromotionRefusedError, TrainingDivergedError

    known = MonitorError | DatabaseError | DetectorError
    if lacks_extra(error):
        return True
    return isinstance(error, known | PromotionRefusedError | TrainingDivergedError)
