"""The kiosk's thread for what its hub wants: shows, settings and commands.

It has its own connection, so the sums never wait for it, and nothing of it is on the path of
an ad. Whatever fails, the show before goes on.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from monitor.backoff import Backoff
from monitor.errors import MonitorError
from monitor.languages import lazy
from monitor.uplink.address import HubRefusedError, HubUnreachableError
from monitor.uplink.applying import Applied, Applier, Link
from monitor.uplink.commands import CommandLog
from monitor.uplink.documents import ASK_S, DesiredReport, DocumentError
from monitor.uplink.key_file import key_path, read_key
from monitor.uplink.media import ShowRefusedError
from monitor.uplink.sender import REVOKED_PAUSE_S
from monitor.uplink.status import ShowStatus
from monitor.uplink.stored_show import ShowFolder, verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from monitor.uplink.applying import Stage
    from monitor.uplink.client import HubClient
    from monitor.uplink.documents import (
        CommandOrder,
        CommandResult,
        DesiredDocument,
        SignedDocument,
    )
    from monitor.uplink.key_file import HubKey

logger = logging.getLogger(__name__)

TICK_S = 2.0
"""How often a kiosk that speaks to no hub looks whether it should."""

PROGRESS_S = 10.0
"""How often the hub hears how much has been fetched."""

OLD_HUB_S = 600.0
"""How often a hub that knows nothing of shows is asked again: it may be updated."""

CLOSE_S = 0.3


class HubFollower:
    """Does what the hub wants, in a background thread.

    Args:
        database: The kiosk's; the folder for what the hub sends lies beside it.
        membership: Returns the key of the hub while this process is the one that speaks to it.
        connect: Opens a connection for a key.
        stage: Of the running kiosk.
        perform: Does a command, see `CommandLog`.
        limit_bytes: What the media may take.
        settings: From the hub, as they were when the kiosk started.

    Attributes:
        status: The latest state.
    """

    def __init__(
        self,
        database: Path,
        membership: Callable[[], HubKey | None],
        connect: Callable[[HubKey], HubClient],
        stage: Stage,
        perform: Callable[[CommandOrder, HubKey], CommandResult | None],
        *,
        limit_bytes: float = 20e9,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = ShowStatus()
        self._key_path = key_path(database)
        self._membership = membership
        self._connect = connect
        self._perform = perform
        self._folder = ShowFolder(database)
        self._applier = Applier(
            self._folder,
            stage,
            limit_bytes,
            settings or {},
            on_progress=self._note_progress,
            on_failure=self._note_failure,
        )
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._draws = random.Random()  # noqa: S311 (no secret)
        self._backoff = Backoff(5.0, 300.0, jitter=0.5)
        self._refused = Backoff(60.0, 3600.0)
        self._link: Link | None = None
        self._thread = threading.Thread(target=self._run, name="uplink-show", daemon=True)
        self._forget()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def request_stop(self) -> None:
        """Begin to stop; `stop` has to follow."""
        self._stopping.set()
        self._wake.set()

    def stop(self) -> None:
        """Stop; a thread that hangs is left behind."""
        self.request_stop()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def hint(self, serial: int | None) -> None:
        """Ask at once if the hub has another document than the known one; from any thread."""
        if serial is not None and serial != self._serial:
            self._ask_at_s = 0.0
            self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause_s = self._turn(time.monotonic())
            except Exception:
                logger.exception("The hub's show was not looked after; again in five minutes")
                pause_s = 300.0
            self._wake.wait(max(0.0, pause_s))
            self._wake.clear()
        self._forget()

    def _turn(self, now_s: float) -> float:
        """Do what is due; return the seconds until the next turn."""
        key = self._membership()
        if key is None:
            return self._without_hub()
        link = self._link
        if link is None or (link.key.key, link.key.hub) != (key.key, key.hub):
            link = self._enter(key)
        if now_s >= self._ask_at_s:
            self._ask(link, now_s)
        self._commands.run(self._orders, datetime.now(UTC) + self._hub_ahead)
        if now_s >= self._tell_at_s:
            self._tell(link, now_s)
        if self._work is not None and now_s >= self._work_at_s:
            self._step(link, now_s)
        due = [self._ask_at_s]
        if self._work is not None:
            due.append(self._work_at_s)
        if self._report is not None or self._commands.waiting:
            due.append(self._tell_at_s)
        return min(due) - time.monotonic()

    def _without_hub(self) -> float:
        """Return to the local playlist if the hub was left."""
        if self._link is not None:
            self._forget()
        try:
            if read_key(self._key_path) is not None or not self._folder.path.exists():
                return TICK_S
            if self._applier.leave():
                logger.info("The hub was left: the local playlist is shown.")
            self.status = ShowStatus()
        except (MonitorError, OSError) as error:
            self._complain(
                lazy("The hub was left, but its show goes on: %(why)s", why=_words(error))
            )
            return 30 * TICK_S
        return TICK_S

    def _forget(self) -> None:
        if self._link is not None:
            self._link.client.close()
        self._link = None
        self._etag: str | None = None
        self._serial: int | None = None
        self._hub_ahead = timedelta()
        self._applied: Applied | None = None
        self._wanted: tuple[SignedDocument, DesiredDocument] | None = None
        self._work: Iterator[float] | None = None
        self._orders: tuple[CommandOrder, ...] = ()
        self._commands = CommandLog(self._folder.path / "commands.json", self._do)
        self._report: DesiredReport | None = None
        self._told_s = 0.0
        self._ask_at_s = self._tell_at_s = self._work_at_s = 0.0

    def _enter(self, key: HubKey) -> Link:
        """Begin to follow a hub: see what is in force already."""
        self._forget()
        link = self._link = Link(key, self._connect(key))
        try:
            found = self._folder.read(key)
        except (DocumentError, OSError) as error:
            logger.warning("What the hub wanted before is not used: %s", _words(error))
            found = None
        if found is not None:
            self._applied = Applied(*found)
            self._show(version=found[0].version, since=found[1])
        return link

    # --- what the hub says ---

    def _ask(self, link: Link, now_s: float) -> None:
        self._ask_at_s = now_s + ASK_S * self._draws.uniform(0.8, 1.2)
        try:
            answer = link.client.desired(link.key.key, self._etag)
        except HubRefusedError as error:
            pause_s = OLD_HUB_S if error.status == 404 else self._note_failure(error)
            self._ask_at_s = now_s + max(pause_s, ASK_S / 2)
            return
        except HubUnreachableError as error:
            self._ask_at_s = now_s + self._note_failure(error)
            return
        self._backoff.reset()
        if answer.hub_time is not None:
            self._hub_ahead = answer.hub_time - datetime.now(UTC)
        if answer.signed is not None:
            # What is refused is asked for again: the next answer may be right.
            self._etag = answer.etag if self._receive(answer.signed, link) else None
        elif self._work is None:
            self._show(problem=None)

    def _receive(self, signed: SignedDocument, link: Link) -> bool:
        """Take a document in; return whether it is one for this kiosk, and not an old one."""
        try:
            document = verified(signed, link.key)
        except DocumentError as error:
            self._complain(lazy("The hub's document is refused. %(why)s", why=error))
            return False
        before = None if self._applied is None else self._applied.document
        if problem := _older(document, before):
            self._complain(problem)
            return False
        self._serial, self._orders = document.serial, document.commands
        if self._wanted is not None and _is_same(self._wanted[1], document):
            return True
        if before is not None and _is_same(before, document) and self._applier.is_whole(document):
            self._work = self._wanted = None
            self._show(fetching=None, problem=None)
            self._send("applied", document, self._applied.remarks if self._applied else "")
            return True
        self._refused.reset()
        self._begin(signed, document, link)
        if document.playlist is not None:
            self._send("fetching", document)
        return True

    def _begin(self, signed: SignedDocument, document: DesiredDocument, link: Link) -> None:
        self._wanted = signed, document
        self._work, self._work_at_s = self._apply(signed, document, link), 0.0

    # --- applying it ---

    def _step(self, link: Link, now_s: float) -> None:
        work, wanted = self._work, self._wanted
        if work is None or wanted is None:
            return
        try:
            self._work_at_s = now_s + next(work)
        except StopIteration:
            self._work = self._wanted = None
        except (ShowRefusedError, OSError) as error:
            reason, pause_s = _words(error), self._refused.pause_s()
            # What has arrived is kept.
            self._begin(*wanted, link)
            self._work_at_s = now_s + pause_s
            self._complain(
                lazy(
                    "Version %(version)s from the hub is not shown: %(why)s",
                    version=wanted[1].version,
                    why=reason,
                )
            )
            self._show(fetching=None)
            self._send("refused", wanted[1], reason)

    def _apply(
        self, signed: SignedDocument, document: DesiredDocument, link: Link
    ) -> Iterator[float]:
        before = None if self._applied is None else self._applied.document
        applied = self._applied = yield from self._applier.apply(link, signed, document, before)
        self._refused.reset()
        logger.info("Version %d of what the hub wants is in force.", document.version)
        self._show(version=document.version, since=applied.since, fetching=None, problem=None)
        self._send("applied", document, applied.remarks)
        yield from self._applier.tidy(document)

    def _note_progress(self, share: float) -> None:
        self._backoff.reset()
        self._show(fetching=share, problem=None)
        now_s = time.monotonic()
        if self._wanted is not None and now_s - self._told_s > PROGRESS_S:
            self._told_s = now_s
            self._send("fetching", self._wanted[1], progress=share)

    def _do(self, order: CommandOrder) -> CommandResult | None:
        # Commands come from a hub.
        return None if self._link is None else self._perform(order, self._link.key)

    # --- what the hub hears ---

    def _send(
        self,
        state: Literal["fetching", "applied", "refused"],
        document: DesiredDocument,
        reason: str = "",
        progress: float | None = None,
    ) -> None:
        """Let the next turn send a report; it takes the place of one that waits."""
        if document.version > 0:
            self._report = DesiredReport(
                version=document.version, state=state, reason=reason[:500], progress=progress
            )

    def _tell(self, link: Link, now_s: float) -> None:
        try:
            self._commands.tell(link.client, link.key.key)
            if self._report is not None:
                link.client.report(self._report, link.key.key)
        except HubUnreachableError as error:
            self._tell_at_s = now_s + self._note_failure(error)
            return
        except HubRefusedError as error:
            if error.status in {401, 429} or error.status >= 500:
                self._tell_at_s = now_s + self._note_failure(error)
                return
            # Such as one about a version that the hub no longer knows.
            logger.info("The hub does not take the report: %s", error)
        self._report = None

    # --- states ---

    def _note_failure(self, error: HubRefusedError | HubUnreachableError) -> float:
        """Note that the hub does not answer as it should; return the seconds until another try."""
        if isinstance(error, HubRefusedError) and error.status == 401:
            # The sender of the sums says so to people.
            return REVOKED_PAUSE_S
        self._complain(lazy("The hub cannot be asked for its show: %(why)s", why=error))
        asked_s = error.retry_after_s if isinstance(error, HubRefusedError) else None
        return max(self._backoff.pause_s(), asked_s or 0.0)

    def _complain(self, problem: str) -> None:
        if problem != self.status.problem:
            logger.warning("%s", problem)
        self._show(problem=problem)

    def _show(self, **changes: Any) -> None:
        source: Literal["hub", "local"] = "hub" if self._applier.is_on else "local"
        self.status = replace(self.status, source=source, **changes)


def _is_same(one: DesiredDocument, other: DesiredDocument) -> bool:
    return (one.version, one.made_at) == (other.version, other.made_at)


def _older(document: DesiredDocument, before: DesiredDocument | None) -> str:
    """Return why a document is refused that is older than the one in force; empty if it is not."""
    # A hub that comes back from a backup has a lower version, but a later time.
    if before is None or document.version >= before.version or document.made_at > before.made_at:
        return ""
    return lazy(
        "The hub's document is refused: version %(version)s was made before "
        "version %(before)s, which is in force.",
        version=document.version,
        before=before.version,
    )


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return lazy("The kiosk's disk cannot be used (%(why)s).", why=error.strerror or error)
    return str(error)
