"""The text of a systemd unit: a watchdog, restarts, and as few rights as possible."""

from __future__ import annotations

import grp
import re
from typing import TYPE_CHECKING

from monitor.errors import SetupError
from monitor.kiosk.service.plan import DESCRIPTION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.kiosk.service.plan import Plan

UNIT_NAME = "ad-monitor.service"

WATCHDOG_S = 60
"""Longer than the supervisor takes to notice a stuck window and to kill it: systemd is there for the supervisor itself."""

STOP_S = 90
"""The supervisor kills what does not end within a minute."""

START_S = 900
RESTART_S = 10

DEVICE_GROUPS = ("video", "render", "audio", "input")
"""Groups that own cameras, graphics cards, sound cards and keyboards."""

PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")

HARDENING = """\
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes
# The X server's socket lies in the temporary folder.
BindReadOnlyPaths=-/tmp/.X11-unix
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
# No image of its memory, with pictures of people in it, is left by a crash.
LimitCORE=0
UMask=0077
"""
"""Not among them: anything that hides devices (camera, graphics card, sound), and MemoryDenyWriteExecute, because the
classifier's runtime compiles its kernels."""


def user_unit(plan: Plan) -> str:
    """A unit of one user, started with their desktop session, or with the machine where no desktop is needed."""
    target = "graphical-session.target" if plan.needs_desktop else "default.target"
    order = [f"After={target}", f"PartOf={target}"] if plan.needs_desktop else []
    writable = [
        f"ReadWritePaths={_path(folder, '-')}" for folder in plan.writable_folders(own_places=True)
    ]
    return _unit(plan, order, writable, target)


def system_unit(plan: Plan, user: str) -> str:
    """A unit of the machine that runs as a user; data and log are kept in the machine's folders, such as /var/lib.

    Args:
        plan: What to start.
        user: Whose rights it has.
    """
    places = {
        "XDG_DATA_HOME": "%S",
        "XDG_STATE_HOME": "%S",
        "XDG_CONFIG_HOME": "%S",
        "XDG_CACHE_HOME": "%C/ad-monitor",
    }
    groups = [name for name in DEVICE_GROUPS if _exists(name)]
    service = [
        f"User={_plain_word(user, 'user')}",
        *([f"SupplementaryGroups={' '.join(groups)}"] if groups else []),
        "StateDirectory=ad-monitor",
        "CacheDirectory=ad-monitor",
        *(f"Environment={name}={value}" for name, value in places.items()),
        *(
            f"ReadWritePaths={_path(folder, '-')}"
            for folder in plan.writable_folders(own_places=False)
        ),
    ]
    target = "graphical.target" if plan.needs_desktop else "multi-user.target"
    order = [
        "Wants=network-online.target",
        "After=network-online.target systemd-user-sessions.service",
    ]
    return _unit(plan, order, service, target)


def _unit(plan: Plan, order: Iterable[str], service: Iterable[str], target: str) -> str:
    lines = [
        "# Written by `ad-monitor install`, which also removes it (--uninstall).",
        "[Unit]",
        f"Description={DESCRIPTION}",
        *order,
        "# It is started again for ever: a screen must not stay dark.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={' '.join(quoted(argument) for argument in plan.command)}",
        f"WorkingDirectory={_folder(plan.folder)}",
        *_environment(plan.environment),
        f"WatchdogSec={WATCHDOG_S}",
        f"TimeoutStartSec={START_S}",
        f"TimeoutStopSec={STOP_S}",
        "Restart=always",
        f"RestartSec={RESTART_S}",
        "# The supervisor decides what becomes of a kiosk that ran out of memory.",
        "OOMPolicy=continue",
        *service,
        HARDENING.rstrip("\n"),
        "",
        "[Install]",
        f"WantedBy={target}",
    ]
    return "\n".join(lines) + "\n"


def quoted(argument: str) -> str:
    """An argument as it stands in `ExecStart=`.

    Raises:
        SetupError: It holds a line break, which a unit cannot hold.
    """
    if any(not character.isprintable() for character in argument):
        raise SetupError(
            f"Invalid option {argument!r}: expected printable characters, because it is written into one line of a file."
        )
    # Single percent and dollar signs would be replaced by systemd.
    escaped = argument.replace("%", "%%").replace("$", "$$")
    if PLAIN.fullmatch(escaped):
        return escaped
    inner = escaped.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def _environment(environment: Mapping[str, str]) -> list[str]:
    # Here a dollar sign has no meaning of its own, and doubling it would change the value.
    return [
        f"Environment={quoted(f'{name}={value}').replace('$$', '$')}"
        for name, value in environment.items()
    ]


def _folder(folder: object) -> str:
    """Return a folder for a setting that takes one path, without quotes."""
    text = str(folder)
    if not text.isprintable() or text != text.strip():
        raise SetupError(f"Invalid folder {text!r}: expected printable characters in its name.")
    return text.replace("%", "%%")


def _path(path: object, prefix: str = "") -> str:
    """Return a path for a list, behind a sign such as `-` for one that may be missing."""
    escaped = prefix + _folder(path)
    if PLAIN.fullmatch(escaped.replace("%", "")):
        return escaped
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain_word(text: str, what: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", text):
        raise SetupError(f"Invalid {what}: expected a plain name, received {text!r}.")
    return text


def _exists(group: str) -> bool:
    try:
        grp.getgrnam(group)
    except KeyError:
        return False
    return True
