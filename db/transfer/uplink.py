"""The kiosk's end of the way to a hub: joining it, what is sent next, and what has arrived."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sqlalchemy import delete, exc, func, insert, select, update

from db.engine import snapshot, writing
from db.error_classes import describe, is_damage, is_environment
from db.errors import DatabaseUnavailableError
from db.migrations import HEAD
from db.schema import Outgoing, Session, Uplink
from db.transfer.envelope import Envelope, fitting
from db.transfer.origins import begin_anew, begin_epoch, last_number, own_row
from db.transfer.queue import (
    KEPT,
    confirm,
    forget_old,
    hour_of,
    queue_cells,
    queue_everything,
    waiting,
)
from db.transfer.records import make_records
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

Upload = Literal["sums", "cells"]


@dataclass(frozen=True, slots=True)
class Joining:
    """The hub that a kiosk has joined.

    Attributes:
        hub: Its address.
        screen: The screen's uid there.
        upload: `sums`, or `cells`: nothing about one viewer.
        min_viewers: A cell has at least so many.
    """

    hub: str
    screen: str
    upload: Upload
    min_viewers: int


@dataclass(frozen=True, slots=True)
class QueueState:
    """What waits for the hub.

    Attributes:
        waiting: Records that the hub does not have yet.
        oldest: Since when the first of them waits; `None` if none does.
        lost: Records given up, as they had waited for too long.
    """

    waiting: int
    oldest: datetime | None
    lost: int


class Outbound(NamedTuple):
    """An envelope to send, its bytes, and whether more waits behind it."""

    envelope: Envelope
    packed: bytes
    more: bool


class UplinkStore:
    """What the kiosk's database knows about its hub.

    All methods raise `DatabaseUnavailableError` if the database cannot be used now.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def kiosk(self) -> str:
        """Return the kiosk's id."""
        with self._writing() as connection:
            return str(own_row(connection).kiosk)

    def take_new_id(self) -> str:
        """Go on as another kiosk, as the hub knows this one and its key is lost; return the id."""
        with self._writing() as connection:
            kiosk = uuid.uuid4().hex
            begin_epoch(connection, kiosk)
            return kiosk

    def join(self, joining: Joining, now: datetime) -> None:
        """Begin an epoch for a hub, and queue everything recorded in the last 30 days."""
        with self._writing() as connection:
            begin_epoch(connection, own_row(connection).kiosk)
            connection.execute(delete(Outgoing))
            connection.execute(delete(Uplink))
            _insert(connection, joining, now)
            began = connection.scalar(select(func.min(Session.started_at))) or now
            first = hour_of(min(max(began, now - KEPT), now))
            connection.execute(update(Uplink).values(cells_until=first))
            queue_everything(connection, now - KEPT)

    def leave(self) -> None:
        """Forget the hub, and what waits for it."""
        with self._writing() as connection:
            connection.execute(delete(Outgoing))
            connection.execute(delete(Uplink))

    def resume(
        self, joining: Joining, kiosk: str, sent: int, now: datetime
    ) -> Literal["replaced", "restored"] | None:
        """Make sure that this is the database which last sent to the hub, else begin an epoch.

        Args:
            joining: The hub, and what to send from now on.
            kiosk: The id under which the kiosk has joined.
            sent: The highest number that was sent.
            now: Aware.

        Returns:
            What happened to the database: it is another one, or older than it was.
        """
        with self._writing() as connection:
            row = connection.execute(select(Uplink.upload, Uplink.min_viewers)).first()
            if row is None:
                _insert(connection, joining, now)
                begin_anew(connection, kiosk, sent)
                return "replaced"
            if row.upload != joining.upload and joining.upload == "cells":
                # The viewers of this hour were sent one by one.
                later = hour_of(now + timedelta(hours=1))
                connection.execute(update(Uplink).values(cells_until=later))
            if (row.upload, row.min_viewers) != (joining.upload, joining.min_viewers):
                values = {"upload": joining.upload, "min_viewers": joining.min_viewers}
                connection.execute(update(Uplink).values(**values))
            if last_number(connection) < sent:
                begin_anew(connection, kiosk, sent)
                return "restored"
            return None

    def next_envelope(self, health: dict[str, Any] | None, limit: int) -> Outbound | None:
        """Return the next envelope, of at most so many records.

        `None` if this database knows of no hub.
        """
        with self._reading() as connection:
            uplink = connection.execute(select(Uplink.upload, Uplink.min_viewers)).first()
            if uplink is None:
                return None
            own = own_row(connection)
            # Adding up the cells of an hour takes longer than reading a play.
            limit = limit if uplink.upload == "sums" else min(limit, 50)
            queued = waiting(connection, own.watermark, limit)
            records = make_records(connection, queued, uplink.upload, uplink.min_viewers)
        last = queued[-1][0] if queued else own.watermark
        envelope, packed = fitting(
            Envelope(
                kiosk=own.kiosk,
                epoch=own.epoch,
                base=own.base,
                first=own.watermark + 1,
                last=last,
                revision=HEAD,
                records=tuple(records),
                health=health,
            )
        )
        return Outbound(envelope, packed, envelope.last < last or len(queued) == limit)

    def give_up(self, number: int) -> None:
        """Do not send a record, and count it as lost."""
        with self._writing() as connection:
            connection.execute(delete(Outgoing).where(Outgoing.number == number))
            connection.execute(update(Uplink).values(lost=Uplink.lost + 1))

    def confirm(self, watermark: int) -> bool:
        """Forget what the hub has stored; return whether this database had sent it.

        If it had not, it is older than the one that did, and begins an epoch.
        """
        with self._writing() as connection:
            if watermark > last_number(connection):
                begin_anew(connection, own_row(connection).kiosk, watermark)
                return False
            confirm(connection, watermark)
            return True

    def rewind(self, expected: int, now: datetime) -> bool:
        """Go back to the number that the hub expects; return whether it is still here.

        If it is not, the hub has lost what it had confirmed: everything of the last 30 days is
        queued again, in another epoch.
        """
        with self._writing() as connection:
            own = own_row(connection)
            if expected > own.watermark:
                return True
            begin_epoch(connection, own.kiosk)
            connection.execute(delete(Outgoing))
            queue_everything(connection, now - KEPT)
            return False

    def tidy(self, now: datetime) -> int:
        """Queue the cells of past hours and drop old records; return how many were dropped."""
        with self._writing() as connection:
            queue_cells(connection, now)
            return forget_old(connection, now)

    def state(self) -> QueueState:
        """Return what waits."""
        with self._reading() as connection:
            query = select(func.count(), func.min(Outgoing.queued_at)).select_from(Outgoing)
            count, oldest = connection.execute(query).one()
            return QueueState(count, oldest, connection.scalar(select(Uplink.lost)) or 0)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with _guarded(), writing(self._engine) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _guarded(), snapshot(self._engine) as connection:
            yield connection


def _insert(connection: Connection, joining: Joining, now: datetime) -> None:
    values = asdict(joining) | {"id": 1, "joined_at": now}
    connection.execute(insert(Uplink).values(**values))


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError) as error:
        if not (is_environment(error) or is_damage(error)):
            raise
        raise DatabaseUnavailableError(
            lazy("The database cannot be used now (%(why)s).", why=describe(error))
        ) from error
