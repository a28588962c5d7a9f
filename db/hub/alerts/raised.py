"""What is wrong with screens and campaigns, from when to when, and the events that tell others."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

from sqlalchemy import func, select, update

from db.hub.tables.alerts import Alert, Channel, Delivery
from db.hub.tables.screens import Screen
from db.hub.tables.shows import Campaign
from db.write.store import upsert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.engine import Connection

ScreenAlertKind: TypeAlias = Literal[
    "silent",  # no contact within opening hours
    "camera",  # nobody can be measured: lost, covered or frozen
    "notice",  # a camera measures without a visible notice
    "disk",  # almost full
    "clock",  # wrong
    "readings",  # some were never stored
    "not_applied",  # it does not show what it is to show
    "set_aside",  # the kiosk sent what the hub cannot store
]

BEHIND = "campaign_behind"
"""The kind of alerts about campaigns."""

AlertKind: TypeAlias = Literal[ScreenAlertKind, "campaign_behind"]

SCREEN_ALERT_KINDS: tuple[ScreenAlertKind, ...] = get_args(ScreenAlertKind)

Event: TypeAlias = Literal["raised", "ended", "test"]


@dataclass(frozen=True, slots=True)
class KnownAlert:
    """An alert, and the screen or the campaign that it is about.

    What describes a screen is empty in one about a campaign, and `campaign_uid` and `campaign` in
    one about a screen; `ended_at` is `None` while it is open.
    """

    id: int
    uid: str
    kind: str
    raised_at: datetime
    ended_at: datetime | None
    detail: str
    screen_id: int | None
    screen_uid: str
    screen: str
    site: str
    group: str
    time_zone: str
    campaign_uid: str = ""
    campaign: str = ""


def raise_alert(
    connection: Connection, screen_id: int, kind: ScreenAlertKind, detail: str, now: datetime
) -> str | None:
    """Open an alert, unless one of this kind is open for the screen, and queue its messages.

    Several processes may do so at once: one of them opens it.

    Args:
        connection: In a transaction; the alert and its messages are stored with it.
        screen_id: The row of the screen.
        kind: What is wrong.
        detail: What is wrong in a sentence, for people; names nobody.
        now: When it began to be known.

    Returns:
        The uid of the new alert; `None` if one was open.
    """
    return _raise(connection, {"screen_id": screen_id}, kind, detail, now)


def raise_campaign_alert(
    connection: Connection, campaign_id: int, detail: str, now: datetime
) -> str | None:
    """Open the alert that a campaign is behind, as `raise_alert` does."""
    return _raise(connection, {"campaign_id": campaign_id}, BEHIND, detail, now)


def _raise(
    connection: Connection, about: dict[str, int], kind: str, detail: str, now: datetime
) -> str | None:
    uid = uuid.uuid4().hex
    values = {"uid": uid, "kind": kind, "detail": detail, **about}
    row = upsert(connection, cast("Table", Alert.__table__)).on_conflict_do_nothing()
    row = row.values(**values, raised_at=now, ended_at=None)
    if connection.scalar(row.returning(Alert.id)) is None:
        return None
    columns = (Channel.id, Channel.alert_kinds)
    channels = connection.execute(select(*columns).where(Channel.disabled_at.is_(None))).tuples()
    told = [channel for channel, kinds in channels if not kinds or kind in kinds]
    _queue(connection, _alert(connection, Alert.uid == uid), "raised", now, told)
    return uid


def end_alert(connection: Connection, screen_id: int, kind: ScreenAlertKind, now: datetime) -> bool:
    """End the open alert of a kind, if there is one, and queue messages for those told of it.

    Returns:
        Whether this call ended it.
    """
    return _end(connection, Alert.screen_id == screen_id, kind, now)


def end_campaign_alert(connection: Connection, campaign_id: int, now: datetime) -> bool:
    """End the alert that a campaign is behind, as `end_alert` does."""
    return _end(connection, Alert.campaign_id == campaign_id, BEHIND, now)


def _end(connection: Connection, about: ColumnElement[bool], kind: str, now: datetime) -> bool:
    is_open = (about, Alert.kind == kind, Alert.ended_at.is_(None))
    alert = connection.execute(select(Alert.id, Alert.raised_at).where(*is_open)).first()
    if alert is None:
        return False
    # A clock that was set back must not make an alert end before it began.
    ended = update(Alert).where(Alert.id == alert.id, *is_open)
    if not connection.execute(ended.values(ended_at=max(now, alert.raised_at))).rowcount:
        return False
    known = _alert(connection, Alert.id == alert.id)
    told = (
        select(Channel.id)
        .join(Delivery)
        .where(Delivery.event == event_id(known.uid, "raised"), Channel.disabled_at.is_(None))
    )
    _queue(connection, known, "ended", now, connection.scalars(told).all())
    return True


def event_id(uid: str, event: Event) -> str:
    """Return the name of one event of an alert, the same in every attempt to send it."""
    return f"{uid}.{event}"


def find_alerts(
    connection: Connection,
    *,
    is_open: bool | None = None,
    site: str = "",
    group: str = "",
    kind: str = "",
    screen_id: int | None = None,
    limit: int = 100,
    offset: int = 0,
) -> tuple[Sequence[KnownAlert], int]:
    """Return alerts, the latest first, and how many there are in all.

    Args:
        connection: To the hub's database.
        is_open: Only open ones, or only past ones.
        site: Only of screens at a site.
        group: Only of screens in a group.
        kind: Only of a kind.
        screen_id: Only of one screen.
        limit: Return at most so many.
        offset: Leave out so many before.
    """
    which: list[ColumnElement[bool]] = []
    if is_open is not None:
        which.append(Alert.ended_at.is_(None) if is_open else Alert.ended_at.is_not(None))
    for column, value in ((Screen.site, site), (Screen.group_name, group), (Alert.kind, kind)):
        if value:
            which.append(column == value)
    if screen_id is not None:
        which.append(Alert.screen_id == screen_id)
    count = select(func.count()).select_from(Alert).outerjoin(Screen).where(*which)
    latest = _alerts().where(*which).order_by(Alert.raised_at.desc(), Alert.id.desc())
    rows = connection.execute(latest.limit(limit).offset(offset))
    return [KnownAlert(*row) for row in rows], connection.scalar(count) or 0


def open_alerts(connection: Connection) -> dict[tuple[int, ScreenAlertKind], datetime]:
    """Return screen and kind of all open alerts about screens, and when each was raised."""
    query = select(Alert.screen_id, Alert.kind, Alert.raised_at).where(Alert.ended_at.is_(None))
    return {
        (screen, cast("ScreenAlertKind", kind)): raised
        for screen, kind, raised in connection.execute(query).tuples()
        if screen is not None
    }


def open_campaign_alerts(connection: Connection) -> set[int]:
    """Return the rows of the campaigns about which an alert is open."""
    query = select(Alert.campaign_id).where(
        Alert.campaign_id.is_not(None), Alert.ended_at.is_(None)
    )
    return {campaign for campaign in connection.scalars(query) if campaign is not None}


def _alerts() -> Any:
    return (
        select(
            *(Alert.id, Alert.uid, Alert.kind, Alert.raised_at, Alert.ended_at, Alert.detail),
            Screen.id,
            *(
                func.coalesce(column, "")
                for column in (
                    *(Screen.uid, Screen.name, Screen.site, Screen.group_name, Screen.time_zone),
                    *(Campaign.uid, Campaign.name),
                )
            ),
        )
        .select_from(Alert)
        .outerjoin(Screen)
        .outerjoin(Campaign)
    )


def _alert(connection: Connection, which: ColumnElement[bool]) -> KnownAlert:
    return KnownAlert(*connection.execute(_alerts().where(which)).one())


def _queue(
    connection: Connection, alert: KnownAlert, event: Event, now: datetime, channels: Sequence[int]
) -> None:
    """Queue an event for channels, once each."""
    name = event_id(alert.uid, event)
    row = upsert(connection, cast("Table", Delivery.__table__)).on_conflict_do_nothing()
    values = {"event": name, "payload": payload(name, alert, event), "created_at": now}
    for channel in channels:
        connection.execute(row.values(**values, channel_id=channel, next_at=now))


def payload(name: str, alert: KnownAlert, event: Event) -> dict[str, Any]:
    """Return what is sent of an event: a JSON document that receivers rely on.

    Args:
        name: Of the event, its `id`; receivers know by it what they have got before.
        alert: With its screen or its campaign.
        event: What happened to it.
    """
    about: dict[str, Any]
    if alert.campaign_uid:
        about = {"screen": None, "campaign": {"id": alert.campaign_uid, "name": alert.campaign}}
    else:
        screen = {"id": alert.screen_uid, "name": alert.screen, "site": alert.site}
        about = {"screen": screen | {"group": alert.group, "time_zone": alert.time_zone}}
    return {
        "id": name,
        "event": event,
        "alert": alert.uid,
        "kind": alert.kind,
        **about,
        "raised_at": _utc_text(alert.raised_at),
        "ended_at": None if alert.ended_at is None else _utc_text(alert.ended_at),
        "detail": alert.detail,
    }


def _utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
