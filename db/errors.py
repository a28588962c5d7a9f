"""The errors of this package."""

from __future__ import annotations


class DatabaseError(Exception):
    """Base class; the message is one sentence that says what to do."""


class DatabaseOpenError(DatabaseError):
    """A database is missing, cannot be created, read or written, or belongs to another program."""


class DatabaseUnavailableError(DatabaseOpenError):
    """A database cannot be used now (lock held, disk full, server away); a retry may help."""


class DatabaseDamagedError(DatabaseOpenError):
    """A database file of this program can no longer be read."""


class SchemaVersionError(DatabaseError):
    """This version of the program does not work with the schema of a database."""


class DatabaseWriteError(DatabaseError):
    """Records could not be written; lost ones are counted."""


class BackupError(DatabaseError):
    """A backup failed; the one before is untouched."""


class BackupSourceError(BackupError):
    """The database to copy is damaged."""


class BackupTargetError(BackupError):
    """Another file has the name of a backup."""


class ExperimentExistsError(DatabaseError):
    """An experiment of this name has been started, and its plan cannot be changed."""


class PurgeError(DatabaseError):
    """Data could not be deleted; some may already be."""


class WriterClosedError(DatabaseError):
    """A record was submitted to a closed writer."""


class NoSuchSessionError(DatabaseError):
    """The database has no such session."""


class ReadingsElsewhereError(DatabaseError):
    """The readings of a session are in the database of the kiosk that recorded it."""


class ChannelError(DatabaseError):
    """A hub has no such channel for alerts, or one of this name already."""


class AccountError(DatabaseError):
    """An account of a hub cannot be made or changed as asked."""
