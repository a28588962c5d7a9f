"""The text of a systemd unit: a watchdog, restarts, and as few rights as possible."""

from __future__ import annotations

import grp
import re
from typing import TYPE_CHECKING

from monitor.errors import SetupError
from monitor.kiosk.service.plan import DESCRIPTION, PLAIN, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from monitor.kiosk.service.plan import Plan

UNIT_NAME = "ad-monitor.service"
HUB_UNIT_NAME = "ad-monitor-hub.service"

DEVICE_GROUPS = ("video", "render", "audio", "input")
"""Groups that own cameras, graphics cards, sound cards and keyboards."""

HARDENING = """\
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
# A crash leaves no core dump, which would hold pictures of people.
LimitCORE=0
UMask=0077
"""
"""Of kiosk and hub. Without options that hide devices, and without MemoryDenyWriteExecute, because
the classifier's runtime compiles its kernels."""


X_SERVER = """\
# The X server's socket lies in the temporary folder.
BindReadOnlyPaths=-/tmp/.X11-unix
"""


def user_unit(plan: Plan) -> str:
    """Return a user's unit, started with the desktop session, or at boot if none is needed."""
    target = "graphical-session.target" if plan.needs_desktop else "default.target"
    order = [f"After={target}", f"PartOf={target}"] if plan.needs_desktop else []
    writable = _writable(plan.writable_folders(own_places=True))
    return _unit(plan, order, writable, target)


def system_unit(plan: Plan, user: str) -> str:
    """Return a system unit that runs as a user; data and log are in folders such as /var/lib."""
    groups = [name for name in DEVICE_GROUPS if _exists(name)]
    service = [
        *_of_system(user),
        *([f"SupplementaryGroups={' '.join(groups)}"] if groups else []),
        *_writable(plan.writable_folders(own_places=False)),
    ]
    target = "graphical.target" if plan.needs_desktop else "multi-user.target"
    order = [
        "Wants=network-online.target",
        "After=network-online.target systemd-user-sessions.service",
    ]
    return _unit(plan, order, service, target)


def hub_unit(command: Sequence[str], writable: Iterable[Path], user: str | None = None) -> str:
    """Return the unit of a hub.

    Args:
        command: What starts it.
        writable: Folders that it writes to.
        user: Who runs a system unit, with data in folders such as /var/lib; `None` for a unit of
            the user's own, started at login.
    """
    lines = [
        "# Written by `ad-monitor hub install`, which also removes it (--uninstall).",
        "[Unit]",
        "Description=Ad-reaction hub",
        *(() if user is None else _WITH_NETWORK),
        "# Restart without limit: kiosks wait.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        f"ExecStart={_command(list(command))}",
        "TimeoutStopSec=60",
        "Restart=always",
        "RestartSec=5",
        *(() if user is None else (*_of_system(user), *_WITHOUT_RIGHTS)),
        *_writable(writable),
        HARDENING.rstrip("\n"),
        "",
        "[Install]",
        f"WantedBy={'default.target' if user is None else 'multi-user.target'}",
    ]
    return "\n".join(lines) + "\n"


_WITHOUT_RIGHTS = ("CapabilityBoundingSet=", "ProtectClock=yes", "RestrictRealtime=yes")

_WITH_NETWORK = (
    "Wants=network-online.target",
    "After=network-online.target postgresql.service",
)


def _of_system(user: str) -> list[str]:
    """Return the settings of a system unit that runs as a user."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", user):
        raise SetupError(f"Invalid user: expected a plain name, received {user!r}.")
    places = {
        "XDG_DATA_HOME": "%S",
        "XDG_STATE_HOME": "%S",
        "XDG_CONFIG_HOME": "%S",
        "XDG_CACHE_HOME": "%C/ad-monitor",
    }
    return [
        f"User={user}",
        "StateDirectory=ad-monitor",
        "CacheDirectory=ad-monitor",
        *(f"Environment={name}={value}" for name, value in places.items()),
    ]


def _unit(plan: Plan, order: Iterable[str], service: Iterable[str], target: str) -> str:
    lines = [
        "# Written by `ad-monitor install`, which also removes it (--uninstall).",
        "[Unit]",
        f"Description={DESCRIPTION}",
        *order,
        "# Restart without limit: a screen must not stay dark.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={_command(plan.command)}",
        f"WorkingDirectory={_folder(plan.folder)}",
        *_environment(plan.environment),
        # For the supervisor itself, which kills a hung window sooner.
        "WatchdogSec=60",
        "TimeoutStartSec=900",
        # The supervisor kills what does not end within a minute.
        "TimeoutStopSec=90",
        "Restart=always",
        "RestartSec=10",
        "# The supervisor handles a kiosk that ran out of memory.",
        "OOMPolicy=continue",
        *service,
        (HARDENING + X_SERVER).rstrip("\n"),
        "",
        "[Install]",
        f"WantedBy={target}",
    ]
    return "\n".join(lines) + "\n"


def _command(arguments: list[str]) -> str:
    # systemd refuses a program whose path has quotes; as an argument such a path is allowed.
    if set(arguments[0]) & set("\"'\\"):
        arguments = ["/usr/bin/env", *arguments]
    return " ".join(quoted(argument) for argument in arguments)


def quoted(argument: str) -> str:
    """Return an argument as `ExecStart=` takes it.

    Raises:
        SetupError: It has unprintable characters.
    """
    # Single percent and dollar signs would be replaced by systemd.
    escaped = printable(argument).replace("%", "%%").replace("$", "$$")
    if PLAIN.fullmatch(escaped):
        return escaped
    return _in_quotes(escaped)


def _in_quotes(text: str) -> str:
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def _environment(environment: Mapping[str, str]) -> list[str]:
    # A dollar sign has no meaning here, and doubling it would change the value.
    return [
        f"Environment={quoted(f'{name}={value}').replace('$$', '$')}"
        for name, value in environment.items()
    ]


def _folder(folder: object) -> str:
    """Return a folder for a setting that takes one path, without quotes."""
    return printable(str(folder)).replace("%", "%%")


def _writable(folders: Iterable[object]) -> list[str]:
    """Return settings that open folders for writing; each may be missing."""
    return [f"ReadWritePaths={_listed('-' + _folder(folder))}" for folder in folders]


def _listed(escaped: str) -> str:
    if PLAIN.fullmatch(escaped.replace("%", "")):
        return escaped
    return _in_quotes(escaped)


def _exists(group: str) -> bool:
    try:
        grp.getgrnam(group)
    except KeyError:
        return False
    return True
