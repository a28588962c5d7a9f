"""The kiosk's thread for its hub: joins it if the settings name one, and sends what waits."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from db.errors import DatabaseError
from db.transfer.uplink import UplinkStore
from db.write.lock import lock_file
from monitor.backoff import Backoff
from monitor.errors import MonitorError
from monitor.languages import lazy
from monitor.uplink.address import HubRefusedError, hub_address, plain_warning
from monitor.uplink.joining import Applicant, PairingCode, enter, facts_of_machine
from monitor.uplink.key_file import (
    HubKey,
    KeyFileError,
    key_path,
    lock_path_of,
    read_key,
    write_key,
)
from monitor.uplink.messages import POLL_S
from monitor.uplink.sender import Sender
from monitor.uplink.status import UplinkStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from db.transfer.uplink import Upload
    from monitor.health import KioskHealth
    from monitor.uplink.client import HubClient

logger = logging.getLogger(__name__)

TICK_S = 2.0
"""How often the kiosk's health is looked at, and its key file."""

TIDY_S = 600.0
"""How often what is too old is given up, and cells of full hours are queued."""

REPORT_S = 10.0
"""How often what waits is counted while nothing happens."""

CLOSE_S = 0.8
"""How long the end of the kiosk may wait for the last envelope."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the settings say about a hub; `None` leaves it as it was when the kiosk joined.

    Attributes:
        hub: Address of the hub to join.
        upload, min_viewers: See `db.transfer.uplink.Joining`.
        ca: File with the hub's certificate authority.
        site: What the kiosk calls its site.
    """

    hub: str | None = None
    upload: Upload | None = None
    min_viewers: int | None = None
    ca: Path | None = None
    site: str = ""


class UplinkService:
    """Keeps a kiosk in touch with its hub, in a background thread; thread-safe.

    Args:
        engine: Of the kiosk's database.
        database: Its file; the key lies beside it.
        wishes: From the settings.
        health: Describes the kiosk for a least number of viewers; `None` before its session.
        announce: Called with each code that is to be shown.
        hint: Called with the serial of the document that the hub has for this kiosk, if it says so.

    Attributes:
        status: The latest state.
    """

    def __init__(
        self,
        engine: Engine,
        database: Path,
        wishes: Wishes,
        health: Callable[[int], KioskHealth | None],
        announce: Callable[[str], None] = lambda _code: None,
        *,
        hint: Callable[[int | None], None] = lambda _serial: None,
    ) -> None:
        self.status = UplinkStatus()
        self._store = UplinkStore(engine)
        self._path = key_path(database)
        self._lock_path = lock_path_of(database)
        self._wishes = wishes
        self._health = health
        self._announce = announce
        self._hint = hint
        self._stopping = threading.Event()
        self._key: HubKey | None = None
        self._client: HubClient | None = None
        self._sender: Sender | None = None
        self._pairing: PairingCode | None = None
        self._told: KioskHealth | None = None
        self._tidy_at_s = self._report_at_s = 0.0
        self._retry = Backoff(5.0, 300.0, jitter=0.5)
        self._lock: int | None = None
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    def prepare(self) -> None:
        """Begin a new epoch if the database is not the one that was sent from; before a session.

        Without the database or the key file this is done later.
        """
        try:
            key = read_key(self._path)
            if key is not None and self._is_wanted(key):
                self._resume(key)
        except (DatabaseError, MonitorError) as error:
            self._complain(error)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Send what waits if the hub answers at once, and stop; takes at most a second."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            if self._sender is not None:
                # The answer would find a database that is closed; it is asked for again next time.
                self._sender.abandoned = True
        elif self._lock is not None:
            # Removed while still locked, as `db.write.lock` does.
            with suppress(OSError):
                self._lock_path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    @property
    def membership(self) -> HubKey | None:
        """The key of the hub while this process is the one that speaks to it; thread-safe."""
        return self._key

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stopping.wait(pause_s):
            pause_s = TICK_S
            try:
                pause_s = self._turn(time.monotonic())
            except (DatabaseError, MonitorError) as error:
                self._complain(error)
                pause_s = self._retry.pause_s()
            except Exception:
                logger.exception("The way to the hub failed; trying again in five minutes")
                pause_s = 300.0
        try:
            if self._sender is not None and not self._sender.problem:
                self._sender.send(time.monotonic(), self._described(), CLOSE_S / 2)
        except (DatabaseError, MonitorError) as error:
            logger.debug("The last envelope was not sent: %s", error)
        except Exception:
            logger.debug("The last envelope was not sent", exc_info=True)

    def _turn(self, now_s: float) -> float:
        """Do the work that is due; return the seconds until the next turn."""
        key = read_key(self._path)
        if key is not None and self._is_wanted(key):
            self._pairing = None
            return self._send(key, now_s)
        self._forget_sender()
        if self._wishes.hub is None:
            self.status = UplinkStatus()
            # The kiosk's own console may leave its key at any time.
            return TICK_S
        return self._pair(self._wishes.hub)

    def _is_wanted(self, key: HubKey) -> bool:
        return self._wishes.hub in {None, key.hub}

    def _send(self, key: HubKey, now_s: float) -> float:
        if not self._is_only_one():
            return 15 * TICK_S
        if self._sender is None or self._key is None or self._key.key != key.key:
            self._forget_sender()
            key = self._resume(key)
            self._key = key
            self._client = connect(key.hub, self._wishes.ca or key.ca)
            self._sender = Sender(
                self._store, self._client, key.key, self._note_sent, sent=key.sent
            )
            logger.info("Sending sums to %s for the screen %s.", key.hub, key.name)
        if now_s >= self._tidy_at_s:
            self._tidy_at_s = now_s + TIDY_S
            if lost := self._store.tidy(datetime.now(UTC)):
                logger.warning("%d records waited for the hub for too long and are given up.", lost)
        health = self._health(key.min_viewers)
        changed = health is not None and health.has_changed(self._told)
        sender = self._sender
        before = sender.last_contact, sender.problem
        if sender.poll(now_s, lambda: _document(health), changed=changed):
            self._told = health
        self._hint(sender.desired)
        if sender.unknown:
            # A damaged database was replaced meanwhile; the next turn begins an epoch in it.
            self._forget_sender()
            return TICK_S
        self._retry.reset()
        self._problem = None
        if now_s >= self._report_at_s or before != (sender.last_contact, sender.problem):
            self._report_at_s = now_s + REPORT_S
            self._report(key, sender)
        return TICK_S

    def _report(self, key: HubKey, sender: Sender) -> None:
        state = self._store.state()
        self.status = UplinkStatus(
            state="revoked" if sender.revoked else "joined",
            hub=key.hub,
            screen=key.name,
            last_contact=sender.last_contact,
            waiting=state.waiting,
            lost=state.lost,
            problem=sender.problem,
            is_console=key.console,
        )

    def _resume(self, key: HubKey) -> HubKey:
        """Reconcile the database with the key file; return the resulting key."""
        wishes = self._wishes
        now = {
            "upload": wishes.upload or key.upload,
            "min_viewers": wishes.min_viewers or key.min_viewers,
        }
        wanted = key.model_copy(update=now)
        if not key.entered:
            return enter(self._store, self._path, wanted)
        happened = self._store.resume(wanted.joining, key.kiosk, key.sent, datetime.now(UTC))
        if happened is not None:
            logger.warning(
                "The database was %s since it last sent to the hub, so a new epoch begins.",
                happened,
            )
        if wanted != key:
            write_key(self._path, wanted)
        return wanted

    def _note_sent(self, number: int) -> None:
        key = read_key(self._path)
        if key is None or self._key is None or key.key != self._key.key:
            raise KeyFileError(lazy("The kiosk has just joined anew, or left its hub."))
        write_key(self._path, key.model_copy(update={"sent": number}))

    def _pair(self, hub: str) -> float:
        if self._pairing is None:
            self._client = connect(hub_address(hub), self._wishes.ca)
            if (warning := plain_warning(hub)) is not None:
                logger.warning("%s", warning)
            facts = facts_of_machine(self._wishes.site, self._wishes.upload or "sums")
            self._pairing = PairingCode(Applicant(self._store, self._client, facts))
        pairing, before = self._pairing, self._pairing.code
        try:
            joined = pairing.poll()
        except MonitorError as error:
            pairing.forget_expired()
            self.status = UplinkStatus("pairing", hub, pairing.code)
            self._complain(error)
            refused = error.retry_after_s if isinstance(error, HubRefusedError) else None
            return max(self._retry.pause_s(), refused or 0.0)
        self._retry.reset()
        self._problem = None
        self.status = UplinkStatus("pairing", hub, pairing.code)
        if pairing.code is not None and pairing.code != before:
            logger.info("Accept this kiosk on %s with the code %s.", hub, pairing.code)
            self._announce(pairing.code)
        if joined is None:
            return POLL_S
        key = HubKey(
            hub=hub_address(hub),
            kiosk=self._store.kiosk(),
            key=joined.key,
            screen=joined.screen,
            name=joined.name,
            site=joined.site,
            upload=self._wishes.upload or "sums",
            min_viewers=self._wishes.min_viewers or 5,
            ca=self._wishes.ca,
        )
        write_key(self._path, key)
        return 0.0

    def _described(self) -> dict[str, Any] | None:
        return None if self._key is None else _document(self._health(self._key.min_viewers))

    def _forget_sender(self) -> None:
        if self._client is not None and self._pairing is None:
            self._client.close()
            self._client = None
        self._sender = self._key = self._told = None

    def _is_only_one(self) -> bool:
        """Return whether no other process sends from this database."""
        if self._lock is None:
            try:
                self._lock = lock_file(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                raise KeyFileError(
                    lazy(
                        "The lock file %(lock_path)s cannot be made (%(why)s).",
                        lock_path=self._lock_path,
                        why=error.strerror,
                    )
                ) from error
        return self._lock is not None

    def _complain(self, error: Exception) -> None:
        problem = str(error)
        if problem != self._problem:
            logger.warning("Nothing is sent to the hub now; the kiosk goes on. %s", problem)
        self._problem = problem
        self.status = replace(self.status, problem=problem)


def connect(hub: str, ca: Path | None) -> HubClient:
    """Return what speaks to a hub.

    Args:
        hub: Its address.
        ca: File with its certificate authority; `None` for the system's.
    """
    from monitor.uplink.client import HubClient  # noqa: PLC0415 (slow to import)

    return HubClient(hub, ca)


def _document(health: KioskHealth | None) -> dict[str, Any] | None:
    return None if health is None else health.model_dump(mode="json")
