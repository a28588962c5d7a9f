"""All screens of a hub at one moment, in two queries."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from db.hub.screens.registry import screen_info
from db.hub.tables.alerts import Alert
from db.hub.tables.screens import KioskKey, Screen, ScreenState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from db.hub.screens.registry import ScreenInfo


@dataclass(frozen=True, slots=True)
class AlertInfo:
    """Something that is wrong with a screen, or was; `ended_at` is None while it is."""

    uid: str
    kind: str
    raised_at: datetime
    ended_at: datetime | None
    detail: str


@dataclass(frozen=True, slots=True)
class ScreenNow:
    """A screen, and how its kiosk was when it last said so; times are aware.

    Attributes:
        has_kiosk: Whether a kiosk holds a key for it that is not revoked.
        contact_at: When a kiosk that may still speak for it was last heard of, or said how it is;
            `None` if none ever was.
        received_at: When it last said how it is; `None` if it never did.
        clock_offset_s: Its clock then, less the hub's.
        health: As `monitor.health.KioskHealth` describes it; `None` if it never said.
        alerts: Those that are open, oldest first.
    """

    screen: ScreenInfo
    has_kiosk: bool
    contact_at: datetime | None
    received_at: datetime | None
    clock_offset_s: float | None
    health: Mapping[str, Any] | None
    alerts: tuple[AlertInfo, ...]


def read_wall(connection: Connection, uid: str | None = None) -> list[ScreenNow]:
    """Return all screens in use by site and name, or the one of a uid, also if it is retired."""
    which = Screen.retired_at.is_(None) if uid is None else Screen.uid == uid
    keys = (
        select(KioskKey.screen_id.label("of"), func.max(KioskKey.last_seen_at).label("seen_at"))
        .where(KioskKey.revoked_at.is_(None))
        .group_by(KioskKey.screen_id)
        .subquery()
    )
    query = (
        select(
            Screen.__table__,
            keys.c.of,
            keys.c.seen_at,
            ScreenState.received_at,
            ScreenState.clock_offset_s,
            ScreenState.health,
        )
        .outerjoin(keys, keys.c.of == Screen.id)
        .outerjoin(ScreenState, ScreenState.screen_id == Screen.id)
        .where(which)
        .order_by(Screen.site, Screen.name, Screen.id)
    )
    alerts = defaultdict(list)
    of_alert = (Alert.uid, Alert.kind, Alert.raised_at, Alert.ended_at, Alert.detail)
    open_now = (
        select(Alert.screen_id, *of_alert).join(Screen).where(Alert.ended_at.is_(None), which)
    )
    rows = connection.execute(query).all()
    for screen_id, *values in connection.execute(open_now.order_by(Alert.raised_at)):
        alerts[screen_id].append(AlertInfo(*values))
    return [
        ScreenNow(
            screen_info(row),
            row.of is not None,
            max(filter(None, (row.seen_at, row.received_at)), default=None),
            row.received_at,
            row.clock_offset_s,
            row.health,
            tuple(alerts[row.id]),
        )
        for row in rows
    ]
