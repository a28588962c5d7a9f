"""Write and remove the service files, and make systemd read them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from boltons.fileutils import atomic_save

from monitor.errors import SetupError
from monitor.kiosk.service.desktop_entry import ENTRY_NAME
from monitor.kiosk.service.systemd_unit import UNIT_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable


def user_unit_path(name: str = UNIT_NAME) -> Path:
    """Return where systemd looks for a user's own unit, by default that of the kiosk."""
    return Path(platformdirs.user_config_dir()) / "systemd" / "user" / name


def autostart_path() -> Path:
    """Return where desktops look for programs to start at login."""
    return Path(platformdirs.user_config_dir()) / "autostart" / ENTRY_NAME


def write(path: Path, text: str) -> None:
    """Write a file completely or not at all.

    Raises:
        SetupError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_save(str(path), file_perms=0o644, overwrite_part=True) as file:
            file.write(text.encode())
    except OSError as error:
        raise SetupError(
            f"{path} cannot be written ({error.strerror}): expected a writable folder."
        ) from error


def make_folders(folders: Iterable[Path]) -> None:
    """Make folders; a unit can open only folders that exist for writing.

    Raises:
        SetupError: One cannot be made.
    """
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"{error.filename} cannot be made ({error.strerror}): expected a writable folder."
        ) from error


def remove(path: Path) -> bool:
    """Delete a file, and return whether it was there.

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
    """Run `systemctl --user`, and return why it failed; `None` if it did not."""
    program = shutil.which("systemctl")
    if program is None:
        return "there is no systemd on this machine"
    try:
        done = subprocess.run(
            [program, "--user", *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"systemctl does not answer ({error})"
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    return said[0] if said else f"systemctl ended with status {done.returncode}"
