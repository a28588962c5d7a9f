"""The address where people can read more, as browsers take it. Imports no Qt."""

from __future__ import annotations

import re


def web_address(typed: str) -> str:
    """Return an address with its scheme: `https://` if it has none."""
    address = typed.strip()
    if not address or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:(?!\d)", address):
        return address
    return f"https://{address}"
