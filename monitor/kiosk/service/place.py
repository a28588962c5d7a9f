"""Puts the files in their places, takes them away, and asks systemd to read them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from monitor.errors import SetupError
from monitor.kiosk.service.desktop_entry import ENTRY_NAME
from monitor.kiosk.service.systemd_unit import UNIT_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

SYSTEMCTL_LIMIT_S = 30.0


def user_unit_path() -> Path:
    """Where a user's systemd looks for units that the user has added."""
    return Path(platformdirs.user_config_dir()) / "systemd" / "user" / UNIT_NAME


def autostart_path() -> Path:
    """Where desktops look for what starts at login."""
    return Path(platformdirs.user_config_dir()) / "autostart" / ENTRY_NAME


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        SetupError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise SetupError(
            f"{path} cannot be written ({error.strerror}): expected a folder that can."
        ) from error


def make_folders(folders: Iterable[Path]) -> None:
    """Make folders; where a unit opens a way to write, something has to be there already.

    Raises:
        SetupError: One cannot be made.
    """
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"{error.filename} cannot be made ({error.strerror}): expected a folder to write to."
        ) from error


def remove(path: Path) -> bool:
    """Delete a file; whether it was there.

    Raises:
        SetupError: It cannot be deleted.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SetupError(f"{path} cannot be deleted ({error.strerror}).") from error
    return True


def systemctl(*arguments: str) -> str | None:
    """Ask the user's systemd for something.

    Returns:
        Why that did not work, in words; `None` when it did.
    """
    program = shutil.which("systemctl")
    if program is None:
        return "there is no systemd on this machine"
    try:
        done = subprocess.run(
            [program, "--user", *arguments],
            capture_output=True,
            text=True,
            timeout=SYSTEMCTL_LIMIT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"systemctl does not answer ({error})"
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    return said[0] if said else f"systemctl ended with status {done.returncode}"
