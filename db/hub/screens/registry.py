"""The screens of a hub: where each one is, and how its kiosk was when it last said so."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import bindparam, insert, select, update

from db.errors import DatabaseError
from db.hub.tables.screens import KioskKey, Screen, ScreenState, StateChange
from db.sqlite_file import dump_json
from db.transfer.envelope import MAX_NUMBER
from db.write.store import upsert
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection, Row

logger = logging.getLogger(__name__)

MAX_HEALTH_BYTES = 64 * 1024
"""A kiosk's health takes about one kilobyte; one that is larger is not stored."""


class NoSuchScreenError(DatabaseError):
    """The hub has no such screen."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a screen is and what it is called, as people enter it.

    Attributes:
        name: What people call it.
        site: The shop or building; empty if nobody said.
        group: For example a region or a chain; a screen is in one group at most.
        tags: Any number of words.
        venue_type: As in the OpenOOH taxonomy, such as `retail.grocery`.
        time_zone: IANA name.
        opening: Time spans such as "Mon-Fri 08:00-20:00"; empty for always.
    """

    name: str
    site: str = ""
    group: str = ""
    tags: tuple[str, ...] = ()
    venue_type: str = ""
    time_zone: str = "UTC"
    opening: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScreenInfo:
    """A screen; its `uid` names it outside of the database. Times are aware."""

    id: int
    uid: str
    place: Place
    created_at: datetime
    retired_at: datetime | None


def create_screen(connection: Connection, place: Place, now: datetime) -> ScreenInfo:
    """Store a new screen, which no kiosk fills yet."""
    values = {"uid": uuid.uuid4().hex, "created_at": now, **_columns(place)}
    result = connection.execute(insert(Screen).values(**values))
    screen_id = int(result.inserted_primary_key[0])  # type: ignore[index]
    return ScreenInfo(screen_id, values["uid"], place, now, None)


def find_screen(connection: Connection, uid: str) -> ScreenInfo:
    """Return a screen, also a retired one.

    Raises:
        NoSuchScreenError: There is none of this uid.
    """
    row = connection.execute(select(Screen.__table__).where(Screen.uid == uid)).one_or_none()
    if row is None:
        raise NoSuchScreenError(
            lazy(
                "There is no screen %(uid)s; the page of screens lists those there are.",
                uid=repr(uid),
            )
        )
    return screen_info(row)


def screen_of(connection: Connection, screen_id: int) -> ScreenInfo:
    """Return the screen of a row that there is."""
    row = connection.execute(select(Screen.__table__).where(Screen.id == screen_id)).one()
    return screen_info(row)


def list_screens(connection: Connection, *, retired: bool = False) -> list[ScreenInfo]:
    """Return the screens by site and name, those in use or the retired ones."""
    which = Screen.retired_at.is_not(None) if retired else Screen.retired_at.is_(None)
    query = select(Screen.__table__).where(which).order_by(Screen.site, Screen.name, Screen.id)
    return [screen_info(row) for row in connection.execute(query)]


def screens_at(connection: Connection, sites: Collection[str]) -> list[int]:
    """Return the rows of the screens in use at some sites; none in the database of a kiosk."""
    there = Screen.retired_at.is_(None) & Screen.site.in_(sites)
    return list(connection.scalars(select(Screen.id).where(there).order_by(Screen.id)))


def edit_screen(connection: Connection, uid: str, place: Place) -> ScreenInfo:
    """Give a screen another name or place; return it as it was before.

    Raises:
        NoSuchScreenError: There is none of this uid.
    """
    before = find_screen(connection, uid)
    connection.execute(update(Screen).where(Screen.id == before.id).values(**_columns(place)))
    return before


def screen_settings(connection: Connection, screen_id: int) -> dict[str, Any]:
    """Return the settings that were made for a screen, by key."""
    found = connection.scalars(select(Screen.settings).where(Screen.id == screen_id)).one()
    return dict(found)


def set_settings(connection: Connection, screen_id: int, settings: Mapping[str, Any]) -> None:
    """Store the settings of a screen, by key; then call `monitor.hub.shows.publishing.refresh`."""
    changed = update(Screen).where(Screen.id == screen_id)
    connection.execute(changed.values(settings=dict(settings)))


def retire_screen(connection: Connection, uid: str, now: datetime) -> ScreenInfo:
    """Take a screen off the wall and revoke its kiosk's key; what it measured is kept.

    Returns the screen as it was before; a retired one stays as it is.

    Raises:
        NoSuchScreenError: There is none of this uid.
    """
    before = find_screen(connection, uid)
    if before.retired_at is None:
        connection.execute(update(Screen).where(Screen.id == before.id).values(retired_at=now))
        in_use = (KioskKey.screen_id == before.id, KioskKey.revoked_at.is_(None))
        connection.execute(update(KioskKey).where(*in_use).values(revoked_at=now))
    return before


def screen_info(row: Row[Any]) -> ScreenInfo:
    """Return the screen of a row that has all columns of `screens`."""
    place = Place(
        row.name,
        row.site,
        row.group_name,
        tuple(row.tags),
        row.venue_type,
        row.time_zone,
        tuple(row.opening),
    )
    return ScreenInfo(row.id, row.uid, place, row.created_at, row.retired_at)


def store_health(
    connection: Connection, screen_id: int, health: Mapping[str, Any], received_at: datetime
) -> bool:
    """Store how the kiosk of a screen is, in place of what it said before.

    Args:
        connection: In a transaction.
        screen_id: Row id of the screen for which the kiosk speaks.
        health: As `monitor.health.KioskHealth` describes it, in JSON's types.
        received_at: When it arrived, by the hub's clock; aware.

    Returns:
        Whether its state, the state of its camera or `notice_shown` changed, which is then also
        stored in `state_changes`.

    Raises:
        ValueError: It is not such a description. Nothing has been written.
    """
    return bool(_store_checked(connection, {screen_id: (health, *_checked(health))}, received_at))


def store_healths(
    connection: Connection, healths: Mapping[int, Mapping[str, Any]], received_at: datetime
) -> set[int]:
    """Store how the kiosks of screens are; see `store_health`.

    A description that is wrong is logged and left out.

    Returns:
        The screens for which something changed.
    """
    checked = {}
    for screen_id, health in healths.items():
        try:
            checked[screen_id] = (health, *_checked(health))
        except ValueError as error:
            logger.warning("Screen %d: %s", screen_id, error)
    return _store_checked(connection, checked, received_at)


def _store_checked(
    connection: Connection, healths: Mapping[int, tuple[Any, ...]], received_at: datetime
) -> set[int]:
    """Store descriptions, each with when it was read and what of it makes a change."""
    if not healths:
        return set()
    states = cast("Table", ScreenState.__table__)
    query = select(states.c.screen_id, states.c.received_at, states.c.health)
    # Processes lock in the same order, so that none waits for another in a circle.
    query = query.where(states.c.screen_id.in_(healths)).order_by(states.c.screen_id)
    before = {row.screen_id: row for row in connection.execute(query.with_for_update())}
    updates, changes = [], []
    for screen_id, (health, at, now) in sorted(healths.items(), key=lambda one: one[0]):
        known = before.get(screen_id)
        if known is not None and known.received_at > received_at:
            continue  # Another process of the hub was faster with a later one.
        offset_s = (at - received_at) / timedelta(seconds=1)
        values = {"received_at": received_at, "clock_offset_s": offset_s, "health": dict(health)}
        if known is None:
            connection.execute(
                upsert(connection, states)
                .values(screen_id=screen_id, **values)
                .on_conflict_do_update(index_elements=[states.c.screen_id], set_=values)
            )
        else:
            updates.append(values | {"screen": screen_id})
        if known is None or _checked(known.health)[1] != now:
            state, camera, notice_shown = now
            row = {"state": state, "camera": camera, "notice_shown": notice_shown}
            row["detail"] = str(health["camera"].get("detail", ""))[:500]
            changes.append(row | {"screen_id": screen_id, "at": received_at})
    if updates:
        which = states.c.screen_id == bindparam("screen")
        connection.execute(update(states).where(which), updates)
    if changes:
        connection.execute(insert(StateChange), changes)
    return {row["screen_id"] for row in changes}


def _checked(health: Mapping[str, Any]) -> tuple[datetime, tuple[str, str, bool | None]]:
    """Return when a health was read, and of it what makes a change."""
    try:
        at = datetime.fromisoformat(health["at"])
        state, camera = health["state"], health["camera"]["state"]
        notice_shown = health["notice_shown"]
        is_right = (
            at.utcoffset() is not None
            and all(isinstance(word, str) and len(word) <= 32 for word in (state, camera))
            and (notice_shown is None or isinstance(notice_shown, bool))
            and _can_be_shown(health)
            and len(dump_json(dict(health))) <= MAX_HEALTH_BYTES
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"Invalid health of a kiosk ({error!r}).") from error
    if not is_right:
        raise ValueError(
            "Invalid health of a kiosk: expected the time 'at' with a time zone, words 'state' and "
            "'camera.state', 'notice_shown' true, false or null, no zero characters, numbers up to "
            f"{MAX_NUMBER} and {MAX_HEALTH_BYTES >> 10} kB at most."
        )
    return at, (state, camera, notice_shown)


def _can_be_shown(value: Any, depth: int = 0) -> bool:
    """Whether a value has no number that pages fail on, no NUL, which PostgreSQL does not take."""
    match value:
        case dict():
            parts: list[Any] = [*value, *value.values()]
        case list():
            parts = value
        case str():
            return "\0" not in value
        case int() | float():
            return -MAX_NUMBER <= value <= MAX_NUMBER
        case _:
            return True
    return depth < 10 and all(_can_be_shown(part, depth + 1) for part in parts)


def _columns(place: Place) -> dict[str, Any]:
    return {
        "name": place.name,
        "site": place.site,
        "group_name": place.group,
        "tags": list(place.tags),
        "venue_type": place.venue_type,
        "time_zone": place.time_zone,
        "opening": list(place.opening),
    }
