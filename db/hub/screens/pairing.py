"""Letting kiosks in: codes that join a kiosk and a screen, and the keys that kiosks then have.

A kiosk asks for a code, shows it, and waits until somebody accepts it; or somebody has a code made
for a screen and types it at the kiosk. Codes are short because people type them, so they are valid
for ten minutes, once, and guessing is locked out. Keys have 256 random bits; only their digests
are stored.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import and_, delete, func, insert, or_, select, update

from db.hub.attempts import (
    AttemptLimit,
    allowed_at,
    forget_old,
    hold_attempts,
    note_attempt,
)
from db.hub.audit import note
from db.hub.digests import key_digest
from db.hub.tables.screens import KioskKey, Pairing, Screen
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

SYMBOLS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Of codes; none looks like another one."""

CODE_LENGTH = 6

LIFETIME = timedelta(minutes=10)
"""Of a code, and the span over which wrong codes are counted."""

WRONG_CODES = (
    AttemptLimit("code", 10, LIFETIME),
    AttemptLimit("code", 100, LIFETIME, for_each=False),
)
"""Wrong codes from one network address, and from all, before no more are tried."""

MAX_WAITING, MAX_WAITING_IN_ALL = 20, 1000
"""Kiosks that wait to be accepted, of one network address and of all."""


class PairingError(ValueError):
    """A kiosk cannot be joined this way; the message says why, and what to do."""


class KnownKioskError(PairingError):
    """There is a kiosk of this id, and the applicant has not shown that it is the same.

    Otherwise somebody could change what another kiosk has sent.
    """

    def __init__(self) -> None:
        super().__init__(
            "The hub knows a kiosk of this id already: expected a key that it had, also a revoked "
            "one, or another id."
        )


class LockedOutError(Exception):
    """Too much was tried, from one network address or from all together.

    Attributes:
        retry_after_s: When trying again makes sense, in whole seconds.
    """

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"Too many codes were tried; wait {-(-retry_after_s // 60)} minutes, then try again."
        )
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Applicant:
    """A kiosk that wants to join.

    Attributes:
        kiosk: Its id, as in `origins`.
        facts: What it says about itself, to help people recognise it.
        address: Network address from which it asks.
        key: A key that it had before, also a revoked one, as proof of its id.
    """

    kiosk: str
    facts: Mapping[str, Any]
    address: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Answer to a kiosk that asks to join: a code to show, and a secret to claim its key with."""

    code: str
    claim: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Joined:
    """What a kiosk gets once: its key, and for which screen."""

    key: str
    screen: str
    name: str
    site: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class WaitingKiosk:
    """A kiosk that shows a code and waits until somebody accepts it."""

    code: str
    kiosk: str
    facts: Mapping[str, Any]
    address: str
    created_at: datetime
    expires_at: datetime


def typed_code(text_of_code: str) -> str:
    """Return a code as it is stored, whatever case, blanks and hyphens it was typed with."""
    return "".join(symbol for symbol in text_of_code.upper() if symbol.isalnum())


def shown_code(code: str) -> str:
    """Return a code as people read it, such as `K7M-2QX`."""
    return f"{code[:3]}-{code[3:]}"


def ask(connection: Connection, applicant: Applicant, now: datetime) -> Asked:
    """Give a kiosk a code to show; `collect` then says whether somebody accepted it.

    As everywhere here, the connection is in a transaction that `db.engine.writing` has begun.

    Raises:
        KnownKioskError: It has not shown that the id is its own.
        LockedOutError: Too many wait already.
    """
    _check_id(connection, applicant)
    _forget_expired(connection, now)
    source = _network(applicant.address)
    open_ones = select(func.count(), func.min(Pairing.expires_at)).where(
        Pairing.kiosk.is_not(None), Pairing.accepted_at.is_(None)
    )
    for query, limit in (
        (open_ones.where(Pairing.address == source), MAX_WAITING),
        (open_ones, MAX_WAITING_IN_ALL),
    ):
        waiting, first_end = connection.execute(query).one()
        if waiting >= limit:
            raise LockedOutError(_seconds_until(first_end, now))
    claim = secrets.token_urlsafe(32)
    expires_at = now + LIFETIME
    code = _insert(
        connection,
        claim_sha256=key_digest(claim),
        kiosk=applicant.kiosk,
        facts=dict(applicant.facts),
        address=source,
        created_at=now,
        expires_at=expires_at,
    )
    return Asked(code, claim, expires_at)


def collect(
    connection: Connection, claim: str, now: datetime
) -> Joined | Literal["waiting", "gone"]:
    """Return the key for a kiosk that asked, once somebody has accepted it.

    As the answer may be lost on the way, the kiosk may collect again until it has used its key;
    the key of before is then void.
    """
    pairing = connection.execute(
        select(Pairing).where(Pairing.claim_sha256 == key_digest(claim), Pairing.expires_at > now)
    ).first()
    if pairing is None:
        return "gone"
    if pairing.accepted_at is None:
        return "waiting"
    if connection.scalar(select(Screen.id).where(*_in_use(pairing.screen_id))) is None:
        return "gone"
    if pairing.collected_at is not None:
        unused = connection.scalar(
            select(KioskKey.id).where(
                KioskKey.screen_id == pairing.screen_id,
                KioskKey.kiosk == pairing.kiosk,
                KioskKey.created_at == pairing.collected_at,
                KioskKey.revoked_at.is_(None),
                KioskKey.last_seen_at.is_(None),
            )
        )
        if unused is None:
            return "gone"
    connection.execute(update(Pairing).where(Pairing.id == pairing.id).values(collected_at=now))
    return _hand_over(connection, pairing.kiosk, pairing.screen_id, pairing.accepted_by, now)


def join(connection: Connection, code: str, applicant: Applicant, now: datetime) -> Joined | None:
    """Return the key for a kiosk at which a screen's code was typed; `None` if it was wrong.

    Commit in both cases: wrong codes are counted.

    Raises:
        KnownKioskError: The code is right, but the kiosk has not shown that the id is its own. Roll
            back; the code stays valid.
        LockedOutError: Too many wrong codes were tried.
    """
    hold_attempts(connection)
    source = _network(applicant.address)
    _check_attempts(connection, source, now)
    pairing = connection.execute(
        select(Pairing)
        .join(Screen, and_(*_in_use(Pairing.screen_id)))
        .where(
            Pairing.code == typed_code(code),
            Pairing.claim_sha256.is_(None),
            Pairing.collected_at.is_(None),
            Pairing.expires_at > now,
        )
    ).first()
    if pairing is None:
        note_attempt(connection, "code", source, now)
        return None
    _check_id(connection, applicant)
    connection.execute(
        update(Pairing)
        .where(Pairing.id == pairing.id)
        .values(
            kiosk=applicant.kiosk, facts=dict(applicant.facts), address=source, collected_at=now
        )
    )
    return _hand_over(connection, applicant.kiosk, pairing.screen_id, pairing.accepted_by, now)


def accept(connection: Connection, code: str, screen_id: int, by: str, now: datetime) -> str:
    """Let the kiosk that shows a code fill a screen; return the kiosk's id.

    The key of the kiosk that filled the screen before is revoked when the new one has its own.

    Raises:
        PairingError: No kiosk waits with this code, or the screen is not in use.
    """
    _require_screen(connection, screen_id)
    found = connection.execute(
        update(Pairing)
        .where(
            Pairing.code == typed_code(code),
            Pairing.claim_sha256.is_not(None),
            Pairing.accepted_at.is_(None),
            Pairing.expires_at > now,
        )
        # It has ten minutes to notice.
        .values(screen_id=screen_id, accepted_at=now, accepted_by=by, expires_at=now + LIFETIME)
        .returning(Pairing.kiosk)
    ).scalar_one_or_none()
    if found is None:
        raise PairingError(
            lazy(
                "No kiosk waits with the code %(code)s: codes are valid for "
                "%(lifetime)s minutes and once. Type the one that the kiosk shows now.",
                code=repr(code[:20]),
                lifetime=LIFETIME.seconds // 60,
            )
        )
    note(connection, by, "kiosk.accept", f"screen {screen_id}", now, after={"kiosk": found})
    return str(found)


def code_for_screen(
    connection: Connection, screen_id: int, by: str, now: datetime
) -> tuple[str, datetime]:
    """Return a code to type at the kiosk of a screen, and when it expires.

    The screen's code of before is void.

    Raises:
        PairingError: The screen is not in use.
    """
    _require_screen(connection, screen_id)
    _forget_expired(connection, now)
    connection.execute(
        delete(Pairing).where(
            Pairing.screen_id == screen_id,
            Pairing.claim_sha256.is_(None),
            Pairing.collected_at.is_(None),
        )
    )
    expires_at = now + LIFETIME
    code = _insert(
        connection,
        screen_id=screen_id,
        facts={},
        address="",
        created_at=now,
        expires_at=expires_at,
        accepted_at=now,
        accepted_by=by,
    )
    note(connection, by, "screen.code", f"screen {screen_id}", now)
    return code, expires_at


def open_code(connection: Connection, screen_id: int, now: datetime) -> tuple[str, datetime] | None:
    """Return the unused code that `code_for_screen` made, and when it expires."""
    query = select(Pairing.code, Pairing.expires_at).where(
        Pairing.screen_id == screen_id,
        Pairing.claim_sha256.is_(None),
        Pairing.collected_at.is_(None),
        Pairing.expires_at > now,
    )
    row = connection.execute(query).first()
    return None if row is None else (row.code, row.expires_at)


def waiting_kiosks(connection: Connection, now: datetime) -> list[WaitingKiosk]:
    """Return the kiosks that wait to be accepted, the latest first."""
    query = (
        select(Pairing)
        .where(
            Pairing.claim_sha256.is_not(None),
            Pairing.accepted_at.is_(None),
            Pairing.expires_at > now,
        )
        .order_by(Pairing.created_at.desc(), Pairing.id.desc())
    )
    return [
        WaitingKiosk(row.code, row.kiosk, row.facts, row.address, row.created_at, row.expires_at)
        for row in connection.execute(query)
    ]


def revoke(connection: Connection, kiosk_key_id: int, by: str, now: datetime) -> bool:
    """Make a kiosk's key void; return whether it was valid until now. Its data stays."""
    row = connection.execute(
        update(KioskKey)
        .where(KioskKey.id == kiosk_key_id, KioskKey.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(KioskKey.kiosk, KioskKey.screen_id)
    ).first()
    if row is None:
        return False
    note(
        connection, by, "kiosk.revoke", f"screen {row.screen_id}", now, before={"kiosk": row.kiosk}
    )
    return True


def leave(connection: Connection, key: str, now: datetime) -> bool:
    """Make a key void because its kiosk leaves; return whether it was valid until now."""
    row = connection.execute(
        select(KioskKey.id, KioskKey.kiosk).where(KioskKey.key_sha256 == key_digest(key))
    ).first()
    return row is not None and revoke(connection, row.id, f"kiosk {row.kiosk}", now)


def _hand_over(
    connection: Connection, kiosk: str, screen_id: int, by: str, now: datetime
) -> Joined:
    """Make the key of a kiosk, and void those of the kiosks that filled the screen before."""
    # Two kiosks that come at the same moment would not see each other's key.
    connection.execute(select(Screen.id).where(Screen.id == screen_id).with_for_update())
    before = select(KioskKey.id).where(
        KioskKey.screen_id == screen_id, KioskKey.revoked_at.is_(None)
    )
    for key_id in connection.scalars(before).all():
        revoke(connection, key_id, by, now)
    key = secrets.token_urlsafe(32)
    connection.execute(
        insert(KioskKey).values(
            kiosk=kiosk,
            screen_id=screen_id,
            key_sha256=key_digest(key),
            created_at=now,
            created_by=by,
        )
    )
    note(connection, by, "kiosk.join", f"screen {screen_id}", now, after={"kiosk": kiosk})
    query = select(Screen.uid, Screen.name, Screen.site, Screen.time_zone)
    screen = connection.execute(query.where(Screen.id == screen_id)).one()
    return Joined(key, screen.uid, screen.name, screen.site, screen.time_zone)


def _check_id(connection: Connection, applicant: Applicant) -> None:
    query = select(KioskKey.key_sha256).where(KioskKey.kiosk == applicant.kiosk)
    known = connection.scalars(query).all()
    if known and (applicant.key is None or key_digest(applicant.key) not in known):
        raise KnownKioskError


def _require_screen(connection: Connection, screen_id: int) -> None:
    if connection.scalar(select(Screen.id).where(*_in_use(screen_id))) is None:
        raise PairingError(
            lazy("There is no screen with the number %(screen_id)s in use.", screen_id=screen_id)
        )


def _in_use(screen_id: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Screen.id == screen_id, Screen.retired_at.is_(None)


def _insert(connection: Connection, **values: Any) -> str:
    """Insert a pairing with a code that no other has; return the code."""
    while True:
        code = "".join(secrets.choice(SYMBOLS) for _ in range(CODE_LENGTH))
        if connection.scalar(select(Pairing.id).where(Pairing.code == code)) is None:
            connection.execute(insert(Pairing).values(code=code, **values))
            return code


def _forget_expired(connection: Connection, now: datetime) -> None:
    """Delete codes that led to nothing, and wrong codes that count no longer."""
    unused = or_(Pairing.accepted_at.is_(None), Pairing.collected_at.is_(None))
    connection.execute(delete(Pairing).where(unused, Pairing.expires_at <= now))
    forget_old(connection, WRONG_CODES[0], now)


def _check_attempts(connection: Connection, source: str, now: datetime) -> None:
    for limit in WRONG_CODES:
        allowed = allowed_at(connection, limit, source, now)
        if allowed is not None:
            raise LockedOutError(_seconds_until(allowed, now))


def _seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, round((moment - now).total_seconds()))


def _network(address: str) -> str:
    """Return whose address it is: a household or firm has a whole network of version 6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    if parsed.version == 4 or mapped is not None:
        return str(mapped or parsed)
    return str(ip_network((parsed, 64), strict=False))
