"""Envelopes: records on their way to a hub, in bytes that say whose they are.

An envelope is JSON, compressed with zstd. Its digest travels beside it, as in RFC 9530.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import zstandard
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

if TYPE_CHECKING:
    from collections.abc import Sequence

USUAL_BYTES = 512 * 1024
"""An envelope holds as many records as fit into this, and at least one."""

MAX_BYTES = 8 * 1024 * 1024
"""A larger one is refused: one play of ten minutes before hundreds of people is smaller."""

MAX_PLAIN_BYTES = 64 * 1024 * 1024
"""No more is unpacked, whatever the envelope claims."""

USUAL_PLAIN_BYTES, MAX_RATIO = 8 * 1024 * 1024, 16
"""More is unpacked only of what is packed at most so tightly: sums are, by a factor of 2 to 10."""

PARTS_AT_LEAST, BYTES_EACH = 10_000, 16
"""So many lists and objects may be in an envelope, and one more for each so many bytes.

Each takes about a hundred bytes of memory, and could be spelt with three.
"""

MAX_NUMBER = 2**53
"""Of a record: every database and every reader of JSON can count on from here."""

HEX = r"[0-9a-f]{32}"
"""How kiosks and epochs are named."""

Hex = Annotated[str, Field(pattern=f"^{HEX}$")]


class EnvelopeError(ValueError):
    """The bytes received are not a valid envelope; the message says why."""


class Envelope(BaseModel):
    """Records of one origin, and how the kiosk is.

    Attributes:
        kiosk, epoch: The origin.
        base: The number before the first one of the epoch.
        first, last: The numbers that it stands for; rows that were deleted have no record.
        revision: Of the schema of the database that it comes from.
        records: As `db.transfer.records` makes them, by rising number.
        health: How the kiosk is, a `monitor.health.KioskHealth`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    kiosk: Hex
    epoch: Hex
    base: int = Field(ge=0, lt=MAX_NUMBER)
    first: int = Field(ge=1, le=MAX_NUMBER)
    last: int = Field(ge=0, le=MAX_NUMBER)
    revision: Annotated[str, Field(pattern=r"^\d{4}$")]
    records: tuple[dict[str, Any], ...] = Field(default=(), strict=False)
    health: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _is_in_order(self) -> Envelope:
        if self.first <= self.base:
            raise ValueError(f"first: expected more than {self.base}, received {self.first}")
        if self.last < self.first - 1:
            raise ValueError(f"last: expected at least {self.first - 1}, received {self.last}")
        return self


def pack(envelope: Envelope) -> bytes:
    """Return an envelope as bytes."""
    text = json.dumps(envelope.model_dump(), ensure_ascii=False, allow_nan=False)
    # Its header says how long the text is; see `is_acceptable`.
    return zstandard.ZstdCompressor(level=6).compress(text.encode("utf-8", "surrogatepass"))


def digest(packed: bytes) -> str:
    """Return the value of the header `Content-Digest`."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(packed).digest()).decode()}:"


def unpack(packed: bytes, stated_digest: str) -> Envelope:
    """Return the envelope in bytes that arrived.

    Raises:
        EnvelopeError: They are damaged, too large unpacked, or not an envelope.
    """
    if digest(packed) != stated_digest.strip():
        raise EnvelopeError("The envelope was damaged on the way: its digest is another one.")
    try:
        return Envelope.model_validate_json(_plain(packed))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "envelope"
        raise EnvelopeError(f"Invalid {where}: {first['msg']}.") from error


def salvage(packed: bytes) -> Envelope | None:
    """Return what an envelope that cannot be read stands for: whose it is, and which numbers.

    The result has no records. It is `None` if not even that can be read, or is of another version.
    """
    try:
        found = json.loads(_plain(packed))
        if found["version"] != 1:
            return None
        names = ("kiosk", "epoch", "base", "first", "last", "revision")
        envelope = Envelope(**{name: found[name] for name in names})
    except (EnvelopeError, ValueError, LookupError, TypeError, RecursionError):
        return None
    health = found.get("health")
    return envelope.model_copy(update={"health": health if isinstance(health, dict) else None})


def is_acceptable(packed: bytes) -> bool:
    """Return whether what `pack` made is small enough for a hub."""
    return len(packed) <= MAX_BYTES and zstandard.frame_content_size(packed) <= _most(packed)


def _most(packed: bytes) -> int:
    """Return how much is unpacked at most of so many bytes."""
    return min(MAX_PLAIN_BYTES, max(USUAL_PLAIN_BYTES, MAX_RATIO * len(packed)))


def _plain(packed: bytes) -> bytes:
    most = _most(packed)
    try:
        with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
            text = bytes(reader.read(most + 1))
    except zstandard.ZstdError as error:
        raise EnvelopeError(f"The envelope cannot be unpacked ({error}).") from error
    if len(text) > most:
        raise EnvelopeError(
            f"The envelope is too large: expected at most {most >> 20} MiB unpacked of "
            f"{len(packed)} bytes."
        )
    if text.count(b"[") + text.count(b"{") > PARTS_AT_LEAST + len(text) // BYTES_EACH:
        raise EnvelopeError("The envelope has too many lists and objects for its size.")
    return text


def fitting(envelope: Envelope) -> tuple[Envelope, bytes]:
    """Return the longest head of an envelope that is of usual size, and its bytes.

    What is left out follows in the next one.
    """
    packed = pack(envelope)
    while len(envelope.records) > 1:
        size = max(
            len(packed) / USUAL_BYTES, zstandard.frame_content_size(packed) / USUAL_PLAIN_BYTES
        )
        if size <= 1.0:
            break
        # A bit fewer than would fit if all records were of the same size.
        share = 0.9 / size
        kept: Sequence[dict[str, Any]] = envelope.records[
            : max(1, int(len(envelope.records) * share))
        ]
        envelope = envelope.model_copy(update={"records": tuple(kept), "last": kept[-1]["number"]})
        packed = pack(envelope)
    return envelope, packed
