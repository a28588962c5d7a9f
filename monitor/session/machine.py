"""What the operating system says about this machine: disk, memory, temperature, names."""

from __future__ import annotations

import platform
import shutil
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

ETC: Final = Path("/etc")
SYSTEM: Final = Path("/sys")
PROC: Final = Path("/proc")

_PROCESSOR = ("cpu", "soc", "x86_pkg_temp", "coretemp", "k10temp", "zenpower")
"""How the names of a processor's thermometers begin."""


class Disk(NamedTuple):
    """Room on a disk, in bytes."""

    total: int
    free: int


def disk_of(path: Path) -> Disk | None:
    """Return the disk that holds a path, or will hold it; `None` if it cannot be read."""
    folder = next((one for one in (path, *path.absolute().parents) if one.exists()), None)
    try:
        usage = None if folder is None else shutil.disk_usage(folder)
    except OSError:
        return None
    return None if usage is None else Disk(usage.total, usage.free)


def temperature_c(system: Path = SYSTEM) -> float | None:
    """Return the processor's temperature in degrees Celsius; `None` where the system has none.

    Of several thermometers the hottest of the processor counts, or the hottest of all if none is
    named after it. `system` is where sysfs is mounted.
    """
    readings = [
        *_readings(system / "class" / "thermal", "thermal_zone*", "type", "temp"),
        *_readings(system / "class" / "hwmon", "hwmon*", "name", "temp*_input"),
    ]
    plausible = [one for one in readings if -40 <= one[1] <= 150]
    own = [one for one in plausible if one[0].startswith(_PROCESSOR)]
    return max((degrees for _, degrees in own or plausible), default=None)


def _readings(folder: Path, devices: str, name: str, values: str) -> list[tuple[str, float]]:
    found = []
    for device in folder.glob(devices):
        for value in device.glob(values):
            try:
                called = (device / name).read_text("ascii", "replace").strip().lower()
                found.append((called, int(value.read_text("ascii")) / 1000))
            except (OSError, ValueError):
                continue  # A sensor may be listed and yet not answer.
    return found


def resident_bytes(*pids: int, proc: Path = PROC) -> int | None:
    """Return the memory that processes hold; `None` where the system does not say.

    A process that has ended holds none.
    """
    total = 0
    for pid in pids:
        try:
            status = (proc / str(pid) / "status").read_text("ascii", "replace")
        except OSError:
            continue
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
    return total or None


def machine_id(etc: Path = ETC) -> str:
    """Return an id of this machine that stays the same over restarts.

    It is a digest of the system's id (`man 5 machine-id`), which must not be shown to others, else
    of the host's name.
    """
    try:
        own = (etc / "machine-id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        own = ""
    return sha256(f"ad-monitor {own or platform.node()}".encode()).hexdigest()


@cache
def system_name() -> str:
    """Return name and version of the operating system, and the processor's architecture."""
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = f"{platform.system()} {platform.release()}"
    return f"{name} ({platform.machine()})"
