"""Sends what waits for the channels: in order, again and again for three days, each to its own."""

from __future__ import annotations

import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from db.engine import snapshot, writing
from db.hub.alerts import deliveries
from db.hub.alerts.channels import list_channels
from monitor.backoff import Backoff
from monitor.hub.alerts.senders import SendError
from monitor.hub.alerts.wording import one_message, quiet_until, storm_message
from monitor.languages import ENGLISH, in_english, lazy, speaking

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Engine

    from db.hub.alerts.channels import KnownChannel
    from db.hub.alerts.deliveries import WaitingDelivery
    from monitor.hub.alerts.wording import Message

logger = logging.getLogger(__name__)

KEEP_TRYING: Final = timedelta(days=3)
"""An event older than that is given up."""

STORM: Final = 20
"""More messages to people in a minute become one."""

MAX_REFUSALS: Final = 5
"""After so many refusals of one message the next one gets its turn."""

_CLAIM = timedelta(minutes=2)
"""Longer than sending can take; if a process dies while it sends, another one waits so long."""

_GIVEN_UP, _TOO_LATE = lazy("Given up."), lazy("Given up after three days.")

_LOG_KEPT = timedelta(days=90)


class DeliveryDuty:
    """Sends events to channels; several processes may do so at once.

    Channels are independent: each has a thread, and one that does not answer delays no other.

    Args:
        send: Sends a message to a channel at a time, or raises `SendError`.
        language: Code of that in which people are written to.
        budget_s: How long one call of `run` begins to send further messages.
    """

    def __init__(
        self,
        send: Callable[[KnownChannel, Message, datetime], None],
        *,
        language: str = ENGLISH,
        budget_s: float = 20.0,
    ) -> None:
        self._send = send
        self._language = language
        self._budget_s = budget_s
        self._cleaned: datetime | None = None

    def run(self, engine: Engine, now: datetime) -> None:
        """Send the messages that are due; call it every few seconds.

        Raises:
            sqlalchemy.exc.DBAPIError: The database cannot be used now.
        """
        with snapshot(engine) as connection:
            channels = list_channels(connection, in_use=True)
            heads = {one: deliveries.waiting(connection, one.id, 1) for one in channels}
        due = [channel for channel, head in heads.items() if head and head[0].next_at <= now]
        if due:
            end = time.monotonic() + self._budget_s
            with ThreadPoolExecutor(min(8, len(due)), "alert-delivery") as pool:
                for done in [pool.submit(self._serve, engine, one, now, end) for one in due]:
                    done.result()
        if self._cleaned is None or now - self._cleaned > timedelta(hours=1):
            with writing(engine) as connection:
                deliveries.forget_old(connection, now, _LOG_KEPT)
            self._cleaned = now

    def _serve(self, engine: Engine, channel: KnownChannel, now: datetime, end: float) -> None:
        """Send the messages due for one channel, stopping at the first that fails."""
        with snapshot(engine) as connection:
            queue = deliveries.waiting(connection, channel.id)
            recent = deliveries.sent_since(connection, channel.id, now - timedelta(minutes=1))
        queue = _without_slept_through(engine, channel, queue)
        while queue and queue[0].next_at <= now and time.monotonic() < end:
            head = queue[0]
            if (until := _quiet_until(channel, now)) is not None:
                with writing(engine) as connection:
                    deliveries.put_off(connection, head.id, until, None)
                return
            batch = queue[: _batch_size(channel, queue, recent, now)]
            if not batch:
                return
            with writing(engine) as connection:
                if now - head.created_at > KEEP_TRYING:
                    reason = head.error or lazy("Not delivered.")
                    reason = f"{reason} {_TOO_LATE}"
                    deliveries.give_up(connection, [head.id], reason)
                    queue = queue[1:]
                    continue
                if not deliveries.claim(connection, head, now + _CLAIM):
                    return
            if not self._deliver(engine, channel, batch, now):
                return
            recent += len(batch)
            queue = queue[len(batch) :]

    def _deliver(
        self, engine: Engine, channel: KnownChannel, batch: Sequence[WaitingDelivery], now: datetime
    ) -> bool:
        """Send one message and note what became of it; return whether others may follow."""
        documents = [delivery.payload for delivery in batch]
        with speaking(self._language):
            message = one_message(documents[0]) if len(batch) == 1 else storm_message(documents)
        head = batch[0]
        try:
            self._try(channel, message, now)
        except SendError as error:
            logger.warning("Alert %s for the channel %s: %s", head.event, channel.name, error)
            refused = error.is_refusal and head.attempts + 1 >= MAX_REFUSALS
            with writing(engine) as connection:
                if refused:
                    deliveries.give_up(connection, [head.id], f"{error} {_GIVEN_UP}")
                else:
                    pause = timedelta(seconds=max(_pause_s(head), error.retry_after_s or 0.0))
                    deliveries.put_off(connection, head.id, now + pause, str(error))
            return refused
        with writing(engine) as connection:
            deliveries.finish(connection, [delivery.id for delivery in batch], now)
        return True

    def _try(self, channel: KnownChannel, message: Message, now: datetime) -> None:
        try:
            self._send(channel, message, now)
        except SendError:
            raise
        except Exception as error:
            # Noted like a failure of the receiver, so that what waits is tried again and given up.
            logger.exception("Failed on a message to the channel %s", channel.name)
            raise SendError(
                lazy("Not delivered: the hub failed (%(kind)s).", kind=type(error).__name__)
            ) from error


def send_test(
    engine: Engine,
    channel: KnownChannel,
    send: Callable[[KnownChannel, Message, datetime], None],
    now: datetime,
    language: str = ENGLISH,
) -> None:
    """Send a test message to a channel at once, whatever waits there, and log it.

    It is written in `language`.

    Raises:
        SendError: It did not arrive.
    """
    document = {
        "id": f"{uuid.uuid4().hex}.test",
        "event": "test",
        "alert": None,
        "kind": "test",
        "screen": None,
        "raised_at": now.isoformat(timespec="seconds"),
        "ended_at": None,
        "detail": lazy(
            "This is a test of the channel %(name)s; nothing is wrong.", name=channel.name
        ),
    }
    failure: SendError | None = None
    with speaking(language):
        message = one_message(document)
    try:
        send(channel, message, now)
    except SendError as error:
        failure = error
    with writing(engine) as connection:
        reason = None if failure is None else in_english(failure)
        deliveries.note_test(connection, channel.id, document, now, reason)
    if failure is not None:
        raise failure


def _pause_s(delivery: WaitingDelivery) -> float:
    """Seconds until the next attempt, after one more has failed: 5, 10, 20, at most 300."""
    backoff = Backoff(5.0, 300.0)
    backoff.reset(delivery.attempts)
    return backoff.pause_s()


def _batch_size(
    channel: KnownChannel, queue: Sequence[WaitingDelivery], recent: int, now: datetime
) -> int:
    """Return how many events go into the next message; 0 while a storm is collected.

    Programs get each event by itself.
    """
    if channel.kind == "webhook" or recent + len(queue) <= STORM:
        return 1
    is_fresh = now - queue[0].created_at < timedelta(minutes=1)
    return 0 if recent and is_fresh else len(queue)


def _quiet_until(channel: KnownChannel, at: datetime) -> datetime | None:
    try:
        return quiet_until(channel.quiet_hours, channel.time_zone, at)
    except ValueError:
        logger.warning("The quiet hours of the channel %s cannot be read", channel.name)
        return None


def _without_slept_through(
    engine: Engine, channel: KnownChannel, queue: Sequence[WaitingDelivery]
) -> Sequence[WaitingDelivery]:
    """Give up, and leave out, alerts that were raised and ended within the same quiet hours."""
    if not channel.quiet_hours:
        return queue
    raised = {one.payload["alert"]: one for one in queue if one.payload["event"] == "raised"}
    asleep: set[int] = set()
    for one in queue:
        begin = raised.get(one.payload["alert"])
        if one.payload["event"] != "ended" or begin is None:
            continue
        until = _quiet_until(channel, datetime.fromisoformat(begin.payload["raised_at"]))
        if until is not None and datetime.fromisoformat(one.payload["ended_at"]) <= until:
            asleep |= {begin.id, one.id}
    if asleep:
        reason = lazy("Not sent: raised and over within the quiet hours of the channel.")
        with writing(engine) as connection:
            deliveries.give_up(connection, asleep, reason)
    return [one for one in queue if one.id not in asleep]
