"""What can go wrong between a record and the disk."""

from __future__ import annotations


class DatabaseError(Exception):
    """Base of every error of this package; the message is one sentence that says what to do."""


class DatabaseOpenError(DatabaseError):
    """A database is missing, cannot be created, read or written, or is not one of this program."""


class DatabaseUnavailableError(DatabaseOpenError):
    """The world keeps a database from being used now (lock held, disk full, server away); it may be better later."""


class DatabaseDamagedError(DatabaseOpenError):
    """The file of a database of ours can no longer be read."""


class SchemaVersionError(DatabaseError):
    """A database has a schema that this version of the program does not work with."""


class DatabaseWriteError(DatabaseError):
    """Records could not be written; those that are lost are counted."""


class BackupError(DatabaseError):
    """A backup could not be made, or is not whole; what there was before is untouched."""


class BackupTargetError(BackupError):
    """The name that was given for a backup belongs to something else."""


class PurgeError(DatabaseError):
    """Data could not be deleted; what was deleted before the trouble stays deleted."""


class WriterClosedError(DatabaseError):
    """A record was submitted to a writer that had been closed."""


class NoSuchSessionError(DatabaseError):
    """A session was asked for that the database does not hold."""
