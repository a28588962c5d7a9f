"""Codes of a second factor: TOTP (RFC 6238), and codes of recovery for when the phone is lost."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

STEP_S = 30
RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_MADE_FOR = "Ad monitor"


def new_secret() -> str:
    """Return a new secret of 160 random bits, in Base32 as authenticator apps take it."""
    from pyotp import random_base32  # noqa: PLC0415 (rarely needed)

    return str(random_base32())


def is_secret(text: str) -> bool:
    """Whether a text is a secret as `new_secret` makes them."""
    try:
        return len(base64.b32decode(text)) == 20
    except (binascii.Error, ValueError):
        return False


def code_at(secret: str, step: int) -> str:
    """Return the code of a time step."""
    from pyotp import HOTP  # noqa: PLC0415 (rarely needed)

    return str(HOTP(secret).at(step))


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step that a code belongs to, the present one or one beside it.

    Phones and hubs may differ by 30 seconds. `None`: the code is wrong.
    """
    present = int(now.timestamp()) // STEP_S
    found = None
    for step in (present - 1, present, present + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), typed_code(code).encode()):
            found = step
    return found


def enrolment_address(secret: str, name: str) -> str:
    """Return the address that an authenticator app reads from a QR code."""
    from pyotp import TOTP  # noqa: PLC0415 (rarely needed)

    return str(TOTP(secret).provisioning_uri(name=name, issuer_name=_MADE_FOR))


def qr_picture(address: str) -> str:
    """Return the QR code of an address as a `data:` address of an SVG picture."""
    import segno  # noqa: PLC0415 (slow to import)

    return str(segno.make(address, error="m", micro=False).svg_data_uri(scale=5, light="#fff"))


def new_recovery_codes() -> tuple[str, ...]:
    """Return codes that each replace one code of the phone, with 79 random bits each."""
    return tuple(
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
        for _ in range(RECOVERY_CODES)
    )


def typed_code(text: str) -> str:
    """Return a code of the phone as it was meant, without spaces."""
    return re.sub(r"\s", "", text)[:64]


def typed_recovery_code(text: str) -> str:
    """Return a code of recovery as it was meant, also if typed without hyphens or in capitals."""
    letters = re.sub(r"[^a-z0-9]", "", text.lower())[:64]
    return "-".join(_groups(letters, 4))


def is_recovery_code(text: str) -> bool:
    """Whether a recovery code was typed rather than a code from the phone."""
    return not typed_code(text).isdecimal()


def _groups(text: str, size: int) -> Iterable[str]:
    return (text[start : start + size] for start in range(0, len(text), size))
