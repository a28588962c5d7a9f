"""The key by which this kiosk speaks to its hub, in a file beside the database.

It is not in the database, because copies of that travel: backups, files sent to support.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Annotated, Literal

from boltons.fileutils import atomic_save
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from db.transfer.uplink import Joining
from monitor.errors import MonitorError
from monitor.languages import lazy
from monitor.uplink.messages import Hex, Secret


class KeyFileError(MonitorError):
    """The file with the hub's key cannot be read or written."""


class HubKey(BaseModel):
    """What a kiosk that has joined a hub knows about it.

    Attributes:
        hub: Address of the hub.
        kiosk: The id under which it knows this kiosk.
        screen, name, site: The screen that the kiosk fills.
        upload, min_viewers: What is sent, as in `db.transfer.uplink.Joining`.
        ca: File with the certificate authority of the hub; `None` for the system's.
        entered: Whether the database knows of it, too.
        sent: The highest number that was sent. A database that has not come so far is not the one
            that sent it.
        console: Whether it is no hub of many screens, but the console of this kiosk alone.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    hub: str
    kiosk: Hex
    key: Secret = Field(repr=False)
    screen: Hex
    name: str
    site: str = ""
    upload: Literal["sums", "cells"] = "sums"
    min_viewers: Annotated[int, Field(ge=1)] = 5
    ca: Path | None = None
    entered: bool = False
    sent: Annotated[int, Field(ge=0)] = 0
    console: bool = False

    @property
    def joining(self) -> Joining:
        """The part that is no secret, for the database."""
        return Joining(self.hub, self.screen, self.upload, self.min_viewers)


def key_path(database: Path) -> Path:
    """Return the key's file for a database in a file."""
    return database.with_name(f"{database.name}.hub.json")


def lock_path_of(database: Path) -> Path:
    """Return the file that is locked by the kiosk that speaks to the hub."""
    return key_path(database).with_suffix(".lock")


def read_key(path: Path) -> HubKey | None:
    """Return the key; `None` if this kiosk has joined no hub.

    Raises:
        KeyFileError: It cannot be read, others can read it, or it is no such file.
    """
    try:
        with path.open(encoding="utf-8") as file:
            others = stat.S_IMODE(path.stat().st_mode) & 0o077
            text = file.read(1 << 16)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(
            lazy("The key of the hub cannot be read from %(path)s (%(why)s).", path=path, why=error)
        ) from error
    if others:
        raise KeyFileError(
            lazy(
                "Other users can read the key of the hub: run `chmod 600 %(path)s`, and "
                "revoke the key on the hub if somebody may have read it.",
                path=path,
            )
        )
    try:
        return HubKey.model_validate_json(text)
    except ValidationError as error:
        raise KeyFileError(
            lazy("%(path)s is damaged: join the hub again with `ad-monitor join`.", path=path)
        ) from error


def write_key(path: Path, key: HubKey) -> None:
    """Write the key so that only this user can read it.

    Raises:
        KeyFileError: It cannot be written.
    """
    try:
        # A kill may have left a part of an earlier attempt.
        with atomic_save(str(path), text_mode=True, file_perms=0o600, overwrite_part=True) as file:
            file.write(key.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise KeyFileError(
            lazy(
                "The key of the hub cannot be written to %(path)s (%(why)s); check the folder.",
                path=path,
                why=error.strerror,
            )
        ) from error


def delete_key(path: Path) -> None:
    """Delete the key's file; harmless when repeated.

    Raises:
        KeyFileError: It cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise KeyFileError(
            lazy("%(path)s cannot be deleted (%(why)s).", path=path, why=error.strerror)
        ) from error
