"""Pass passwords to another process through its input: every user can read its command line."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from detector.sources.passwords import hide_passwords
from monitor.kiosk.supervision.supervisor import PASSWORDS_VARIABLE, kiosk_command

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence
    from typing import NoReturn, TextIO


def without_passwords(command: Sequence[str]) -> tuple[list[str], bytes]:
    """Return a command with its passwords hidden, and the child's input that restores them.

    The input is empty if there are none; else set `PASSWORDS_VARIABLE` in the child's environment.
    """
    shown = [hide_passwords(argument) for argument in command]
    secret = [whole for whole, part in zip(command, shown, strict=True) if whole != part]
    return shown, json.dumps(secret).encode() if secret else b""


def with_passwords(
    arguments: Sequence[str],
    environ: MutableMapping[str, str] = os.environ,
    stream: TextIO | None = None,
) -> list[str]:
    """Return the arguments of this process, with the passwords that its parent sent as input."""
    if environ.pop(PASSWORDS_VARIABLE, None) is None:
        return list(arguments)
    secret = json.load(sys.stdin if stream is None else stream)
    whole = []
    for argument in arguments:
        is_next = bool(secret) and argument == hide_passwords(secret[0])
        whole.append(secret.pop(0) if is_next else argument)
    return whole


def become(command: Sequence[str]) -> NoReturn:
    """Become the program anew, with another command and the passwords in it."""
    shown, secret = without_passwords(command)
    if secret:
        reader, writer = os.pipe()
        os.write(writer, secret)
        os.close(writer)
        os.dup2(reader, 0)
        os.environ[PASSWORDS_VARIABLE] = "1"
    program = kiosk_command(shown)
    os.execv(program[0], program)  # noqa: S606 (its own arguments)
