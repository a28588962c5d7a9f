"""What the database keeps of keys and tokens: they have 256 random bits, so SHA-256 is enough."""

from __future__ import annotations

import hashlib


def key_digest(key: str) -> str:
    """Return what is stored of a key, claim or token, in hexadecimal digits."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
