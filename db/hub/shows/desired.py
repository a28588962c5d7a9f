"""What each screen of a hub is to show, what that follows from, and what its kiosk said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from sqlalchemy import bindparam, insert, select, text, update

from db.hub.library.catalogue import newest_numbers
from db.hub.screens.registry import screen_info
from db.hub.shows.bookings import list_bookings
from db.hub.shows.playlists import newest_published
from db.hub.tables.library import Creative, CreativeVersion, MediaFile
from db.hub.tables.screens import KioskKey, Screen
from db.hub.tables.shows import DesiredState, PlaylistPlan, PlaylistRevision
from db.read.experiments import running_by_site
from db.write.store import upsert

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from db.hub.screens.registry import ScreenInfo
    from db.hub.shows.bookings import BookingInfo

State = Literal["fetching", "applied", "refused"]

_LOCK = 4_816_203
"""Names the lock of PostgreSQL under which shows are worked out; any number of our own."""


@dataclass(frozen=True, slots=True)
class ApprovedVersion:
    """The newest approved version of a creative, as `db.hub.library.catalogue` describes one."""

    sha256: str
    size: int
    ending: str
    kind: str
    length_s: float | None
    duration_s: float | None
    brand_at_s: tuple[float, ...]
    moods: tuple[str, ...]
    first_day: date | None
    last_day: date | None


@dataclass(frozen=True, slots=True)
class PlannedCreative:
    """A creative that a playlist may name.

    Attributes:
        approved: What may be shown of it; `None` if nothing may.
        newest: The approval of its newest version, such as `pending`.
    """

    uid: str
    ad_id: str
    name: str
    is_archived: bool
    approved: ApprovedVersion | None
    newest: str


@dataclass(frozen=True, slots=True)
class PlannedScreen:
    """A screen in use, and what it was told last.

    Attributes:
        settings: By key, as people set them for it.
        version: Of its document; 0 if it never had one.
        digest: Of that document's content.
        is_empty: Whether what was booked lately showed nothing, so that the document is older.
        experiments: Uids of those at its site that are neither over nor stopped.
    """

    screen: ScreenInfo
    settings: Mapping[str, Any]
    version: int = 0
    digest: str = ""
    is_empty: bool = False
    experiments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides what screens show.

    Attributes:
        screens: Those in use.
        bookings: The first made first, without those of archived playlists.
        bodies: The newest published body of each playlist, by its uid.
        creatives: All, by uid.
    """

    screens: Sequence[PlannedScreen]
    bookings: Sequence[BookingInfo]
    bodies: Mapping[str, Mapping[str, Any]]
    creatives: Mapping[str, PlannedCreative]


@dataclass(frozen=True, slots=True)
class NewDocument:
    """What a screen is to show from now on; its content has the keys of `Desired.content`."""

    screen_id: int
    content: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True)
class Reported:
    """What a kiosk says of a document: `progress` is the share of the media that it has, 0 to 1."""

    version: int
    state: State
    reason: str = ""
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class Desired:
    """What a screen is to show, and what its kiosk said of it last; times are aware.

    Attributes:
        version: Of the document; 0 before the first.
        serial: Grows with the version and with each command.
        content: With `name`, `playlist`, `media` and `settings`, and `experiments` where there are
            any; empty before the first.
        reported_version: Of which the kiosk spoke.
        progress: Share of the media that it had fetched, 0 to 1.
    """

    screen_id: int
    version: int
    serial: int
    content: Mapping[str, Any]
    made_at: datetime
    made_by: str
    is_empty: bool
    reported_version: int | None
    state: State | None
    reason: str
    progress: float | None
    reported_at: datetime | None

    @property
    def is_applied(self) -> bool:
        """Whether the kiosk shows this very version."""
        return self.state == "applied" and self.reported_version == self.version


def hold_plan(connection: Connection) -> None:
    """Let one transaction at a time work out what screens show; each sees what the last stored.

    On SQLite `db.engine.writing` does so already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def read_plan(
    connection: Connection, screens: Collection[int] | None = None, at: datetime | None = None
) -> Plan:
    """Return all that decides what screens show, in five queries.

    Args:
        connection: To the hub's database.
        screens: Rows of `screens`; `None` for all in use.
        at: Aware; of which time experiments are, `None` leaves them out.
    """
    experiments = {} if at is None else running_by_site(connection, at)
    query = (
        select(Screen.__table__, DesiredState.version, DesiredState.digest, DesiredState.is_empty)
        .outerjoin(DesiredState, DesiredState.screen_id == Screen.id)
        .where(Screen.retired_at.is_(None))
        .order_by(Screen.id)
    )
    if screens is not None:
        query = query.where(Screen.id.in_(screens))
    planned = [
        PlannedScreen(
            screen_info(row),
            row.settings,
            row.version or 0,
            row.digest or "",
            is_empty=bool(row.is_empty),
            experiments=experiments.get(row.site, ()),
        )
        for row in connection.execute(query)
    ]
    bodies = _published_bodies(connection)
    bookings = [one for one in list_bookings(connection) if one.plan.playlist in bodies]
    return Plan(
        planned,
        bookings,
        {uid: body for uid, body in bodies.items() if body is not None},
        _creatives(connection),
    )


def _published_bodies(connection: Connection) -> dict[str, Mapping[str, Any] | None]:
    """Return the newest published body of each playlist that is not archived."""
    newest = newest_published()
    query = (
        select(PlaylistPlan.uid, PlaylistRevision.body)
        .outerjoin(newest, newest.c.playlist_id == PlaylistPlan.id)
        .outerjoin(
            PlaylistRevision,
            (PlaylistRevision.playlist_id == PlaylistPlan.id)
            & (PlaylistRevision.number == newest.c.number),
        )
        .where(PlaylistPlan.archived_at.is_(None))
    )
    return dict(connection.execute(query).tuples().all())


def _creatives(connection: Connection) -> dict[str, PlannedCreative]:
    last = newest_numbers().subquery("last")
    last_approved = newest_numbers(CreativeVersion.approval == "approved").subquery("approved")
    of_creative = (Creative.id, Creative.uid, Creative.ad_id, Creative.name, Creative.archived_at)
    query = (
        select(*of_creative, CreativeVersion.approval)
        .outerjoin(last, last.c.creative_id == Creative.id)
        .outerjoin(
            CreativeVersion,
            (CreativeVersion.creative_id == Creative.id)
            & (CreativeVersion.number == last.c.number),
        )
    )
    approved = (
        select(
            *(CreativeVersion.creative_id, MediaFile.sha256, MediaFile.size, MediaFile.ending),
            *(MediaFile.kind, MediaFile.duration_s.label("length_s"), CreativeVersion.duration_s),
            *(CreativeVersion.brand_at_s, CreativeVersion.moods),
            *(CreativeVersion.first_day, CreativeVersion.last_day),
        )
        .join(
            last_approved,
            (last_approved.c.creative_id == CreativeVersion.creative_id)
            & (last_approved.c.number == CreativeVersion.number),
        )
        .join(MediaFile, MediaFile.id == CreativeVersion.media_file_id)
    )
    versions = {
        row.creative_id: ApprovedVersion(
            row.sha256,
            row.size,
            row.ending,
            row.kind,
            row.length_s,
            row.duration_s,
            tuple(row.brand_at_s),
            tuple(row.moods),
            row.first_day,
            row.last_day,
        )
        for row in connection.execute(approved)
    }
    return {
        uid: PlannedCreative(
            uid, ad_id, name, archived is not None, versions.get(row), approval or ""
        )
        for row, uid, ad_id, name, archived, approval in connection.execute(query)
    }


def store_documents(
    connection: Connection, documents: Sequence[NewDocument], by: str, now: datetime
) -> None:
    """Store what screens are to show from now on; each becomes the next version of its screen.

    Args:
        connection: In a transaction, after `hold_plan`.
        documents: Of screens whose document differs.
        by: Who changed it.
        now: Aware.
    """
    known = set(
        connection.scalars(
            select(DesiredState.screen_id).where(
                DesiredState.screen_id.in_([one.screen_id for one in documents])
            )
        )
    )
    made = {"made_at": now, "made_by": by}
    new, changed = [], []
    for one in documents:
        values = {"document": dict(one.content), "digest": one.digest, "is_empty": False, **made}
        if one.screen_id in known:
            changed.append(values | {"of": one.screen_id})
        else:
            first = {"version": 1, "serial": 1, "reason": ""}
            new.append(values | first | {"screen_id": one.screen_id})
    states = cast("Table", DesiredState.__table__)
    if new:
        connection.execute(insert(states), new)
    if changed:
        statement = (
            update(states)
            .where(states.c.screen_id == bindparam("of"))
            .values(version=states.c.version + 1, serial=states.c.serial + 1)
        )
        connection.execute(statement, changed)


def touch(connection: Connection, screen_ids: Collection[int], now: datetime) -> None:
    """Let the kiosks of screens see that there is something new, such as a command."""
    states = cast("Table", DesiredState.__table__)
    _upsert(connection, screen_ids, now, {"serial": states.c.serial + 1}, {"serial": 1})


def mark_empty(
    connection: Connection, screen_ids: Collection[int], now: datetime, *, is_empty: bool
) -> None:
    """Note whether what is booked for screens shows nothing, so that they keep what they have."""
    _upsert(connection, screen_ids, now, {"is_empty": is_empty}, {"is_empty": is_empty})


def _upsert(
    connection: Connection,
    screen_ids: Collection[int],
    now: datetime,
    changes: dict[str, Any],
    first: dict[str, Any],
) -> None:
    states = cast("Table", DesiredState.__table__)
    empty = {"version": 0, "serial": 0, "document": {}, "digest": "", "reason": ""}
    empty |= {"is_empty": False, "made_at": now, "made_by": "", **first}
    if screen_ids:
        connection.execute(
            upsert(connection, states).on_conflict_do_update(
                index_elements=[states.c.screen_id], set_=changes
            ),
            [empty | {"screen_id": one} for one in screen_ids],
        )


def find_desired(connection: Connection, screen_id: int) -> Desired | None:
    """Return what a screen is to show; `None` before anything was published or asked."""
    columns = (
        *(DesiredState.screen_id, DesiredState.version, DesiredState.serial),
        *(DesiredState.document, DesiredState.made_at, DesiredState.made_by),
        DesiredState.is_empty,
        *(DesiredState.reported_version, DesiredState.reported_state, DesiredState.reason),
        *(DesiredState.progress, DesiredState.reported_at),
    )
    row = connection.execute(select(*columns).where(DesiredState.screen_id == screen_id)).first()
    return None if row is None else Desired(*row)


def serial_of(connection: Connection, key_id: int) -> tuple[int, int] | None:
    """Return serial and version for the kiosk that holds a key, 0 before the first.

    `None` if the key was revoked.
    """
    query = (
        select(DesiredState.serial, DesiredState.version)
        .select_from(KioskKey)
        .outerjoin(DesiredState, DesiredState.screen_id == KioskKey.screen_id)
        .where(KioskKey.id == key_id, KioskKey.revoked_at.is_(None))
    )
    row = connection.execute(query).first()
    return None if row is None else (row.serial or 0, row.version or 0)


def serials_of(connection: Connection, screen_ids: Collection[int]) -> dict[int, int]:
    """Return the serials of those screens that have one."""
    query = select(DesiredState.screen_id, DesiredState.serial)
    found = connection.execute(query.where(DesiredState.screen_id.in_(screen_ids)))
    return dict(found.tuples().all())


def note_report(connection: Connection, screen_id: int, reported: Reported, now: datetime) -> bool:
    """Store what a kiosk said of a document; return whether there is such a version."""
    found = connection.execute(
        update(DesiredState)
        .where(DesiredState.screen_id == screen_id, DesiredState.version >= reported.version)
        .values(
            reported_version=reported.version,
            reported_state=reported.state,
            reason=reported.reason,
            progress=reported.progress,
            reported_at=now,
        )
    )
    return bool(found.rowcount)
