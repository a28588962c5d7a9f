"""Sends what waits to the hub: an envelope a minute, at once when the kiosk's health changes.

Nothing here is on the path of an ad or a reading. The database forgets a record only once the hub
says that it has it.
"""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from db.transfer.envelope import is_acceptable, pack
from monitor.backoff import Backoff
from monitor.languages import lazy
from monitor.uplink.address import HubUnreachableError
from monitor.uplink.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from db.transfer.envelope import Envelope
    from db.transfer.uplink import UplinkStore
    from monitor.uplink.client import Answer, HubClient
    from monitor.uplink.messages import Receipt

logger = logging.getLogger(__name__)

MAX_RECORDS = 200
"""In one envelope: reading the sums of so many plays takes about half a second."""

REVOKED_PAUSE_S = 3600.0
"""How often a kiosk whose key was revoked looks whether it is valid again."""


class Sender:
    """Sends envelopes to one hub with one key; for one thread.

    Args:
        store: What the database knows.
        client: Of the hub.
        key: The kiosk's.
        note_sent: Called with the highest number before it is sent, to be kept outside of the
            database.
        sent: The highest number noted before.

    Attributes:
        last_contact: When the hub answered last; `None` before.
        problem: What is wrong now, in a sentence; `None` while all is well.
        revoked: Whether the hub no longer takes the key.
        unknown: Whether the database knows of no hub any more, as another one took its place.
        desired: Serial of the hub's document for this kiosk, as it said last; `None` before.
        abandoned: Set it where nobody waits for an answer any more; then none is taken in.
    """

    def __init__(
        self,
        store: UplinkStore,
        client: HubClient,
        key: str,
        note_sent: Callable[[int], None],
        *,
        sent: int = 0,
        pace: Pace | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._store = store
        self._client = client
        self._key = key
        self._note_sent = note_sent
        self._sent = sent
        self._pace = pace or Pace()
        self._backoff = backoff or Backoff(5.0, 300.0, jitter=0.5)
        self._silent_until_s = -math.inf
        self.abandoned = False
        self.last_contact: datetime | None = None
        self.problem: str | None = None
        self.revoked = False
        self.unknown = False
        self.desired: int | None = None

    def poll(
        self, now_s: float, health: Callable[[], dict[str, Any] | None], *, changed: bool
    ) -> bool:
        """Send an envelope if one is due; return whether the hub took it.

        Args:
            now_s: Of a monotonic clock.
            health: Describes the kiosk; called only if an envelope is sent.
            changed: Whether the hub should hear of its health at once.

        Raises:
            DatabaseUnavailableError, KeyFileError: As `send`.
        """
        if now_s < self._silent_until_s or not self._pace.is_due(now_s, changed=changed):
            return False
        return self.send(now_s, health())

    def send(
        self, now_s: float, health: dict[str, Any] | None, timeout_s: float | None = None
    ) -> bool:
        """Send one envelope now; return whether the hub took it.

        Raises:
            DatabaseUnavailableError: The database cannot be used now.
            KeyFileError: What was sent cannot be noted.
        """
        # Whatever happens now, the next attempt is not made at once.
        self._pace.sent(now_s, more=False)
        made = self._store.next_envelope(health, MAX_RECORDS)
        self.unknown = made is None
        if made is None:
            return False
        envelope, packed, _ = made
        if envelope.records and not is_acceptable(packed):
            packed = self._without(envelope)
        if envelope.last > self._sent:
            self._note_sent(envelope.last)
            self._sent = envelope.last
        try:
            answer = self._client.send(packed, self._key, timeout_s)
        except HubUnreachableError as error:
            self._fail(now_s, str(error))
            return False
        if self.abandoned:
            return False
        if answer.receipt is None:
            self._refused(answer, now_s)
            return False
        self.last_contact = datetime.now(UTC)
        self.revoked = False
        self.desired = answer.receipt.desired
        if answer.status == 409:
            self._rewind(answer.receipt, now_s)
            return False
        self._recover()
        self._confirm(answer.receipt)
        self._pace.sent(now_s, more=made.more)
        return True

    def _without(self, envelope: Envelope) -> bytes:
        """Return an envelope, whose only record no hub would take, without the record."""
        logger.warning(
            "Record %d is too large for a hub and is not sent; its sums stay in this database.",
            envelope.last,
        )
        self._store.give_up(envelope.last)
        return pack(envelope.model_copy(update={"records": ()}))

    def _confirm(self, receipt: Receipt) -> None:
        if not self._store.confirm(receipt.watermark):
            logger.warning(
                "The hub has more than this database has sent, so it is older than the one that "
                "did, such as a backup: a new epoch begins."
            )

    def _rewind(self, receipt: Receipt, now_s: float) -> None:
        if self._store.rewind(receipt.expected, datetime.now(UTC)):
            self._fail(
                now_s,
                lazy(
                    "The hub expects record %(expected)s, which is sent again.",
                    expected=receipt.expected,
                ),
            )
            return
        logger.warning(
            "The hub has lost records that it had confirmed, perhaps as a backup was restored: "
            "everything of the last 30 days is sent again."
        )
        self._recover()
        self._pace.sent(now_s, more=True)

    def _refused(self, answer: Answer, now_s: float) -> None:
        if answer.status != 401:
            self._fail(now_s, answer.detail, answer.retry_after_s)
            return
        if not self.revoked:
            logger.error(
                "The hub %s no longer takes this kiosk's key. The kiosk goes on without it and "
                "keeps what it has for 30 days; join again with `ad-monitor join`.",
                self._client.hub,
            )
        self.revoked = True
        self.problem = answer.detail
        self.last_contact = datetime.now(UTC)
        self._silent_until_s = now_s + REVOKED_PAUSE_S

    def _fail(self, now_s: float, why: str, retry_after_s: float | None = None) -> None:
        if self.problem is None:
            logger.warning("Nothing reaches the hub: %s Retrying; the kiosk goes on.", why)
        self.problem = why
        self._silent_until_s = now_s + max(self._backoff.pause_s(), retry_after_s or 0.0)

    def _recover(self) -> None:
        if self.problem is not None:
            logger.info("The hub %s has answered again.", self._client.hub)
        self.problem = None
        self._backoff.reset()
