"""What people ask this kiosk to do through its hub: each command is done once, and answered."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from boltons.fileutils import atomic_save
from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from detector.names import printable
from monitor.languages import lazy
from monitor.uplink.address import HubRefusedError
from monitor.uplink.documents import CommandKind, CommandResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from monitor.uplink.client import HubClient
    from monitor.uplink.documents import CommandOrder

logger = logging.getLogger(__name__)

REMEMBERED = timedelta(days=7)
"""How long a command is remembered after it has expired."""

MAX_FILE_BYTES = 4 << 20


class _Known(BaseModel):
    """A command that was begun.

    Attributes:
        result: Its outcome without the attachment; `None` until it is there.
        told: Whether the hub has heard of it, or does not want to.
    """

    model_config = ConfigDict(extra="ignore")

    kind: CommandKind
    expires_at: AwareDatetime
    result: CommandResult | None = None
    told: bool = False


_FILE = TypeAdapter(dict[str, _Known])


class CommandLog:
    """Does what is ordered, each once, also over restarts; for one thread.

    A command is noted on the disk before it is done, so that a kill cannot make it happen twice.

    Args:
        file: Where the commands are noted.
        perform: Does one and returns the outcome; a restart returns `None` if it is about to
            happen, and counts as done at the next start.
    """

    def __init__(self, file: Path, perform: Callable[[CommandOrder], CommandResult | None]) -> None:
        self._file = file
        self._perform = perform
        self._known: dict[str, _Known] = {}
        # Results with their attachments, until the hub has them.
        self._results: dict[str, CommandResult] = {}
        self._is_read = False

    @property
    def waiting(self) -> bool:
        """Whether the hub has yet to hear of an outcome."""
        return any(one.result is not None and not one.told for one in self._known.values())

    def run(self, orders: Iterable[CommandOrder], now: datetime) -> None:
        """Do what is new and has not expired.

        Args:
            orders: All that the hub names now.
            now: By the hub's clock.
        """
        self._read()
        for order in orders:
            if order.uid in self._known:
                continue
            known = self._known[order.uid] = _Known(kind=order.kind, expires_at=order.expires_at)
            author = printable(order.author)
            if now >= order.expires_at:
                logger.info("The hub's command %s of %s came too late.", order.kind, author)
                late = lazy("The kiosk got the command only after it had expired.")
                self._end(order.uid, CommandResult(succeeded=False, detail=late))
                continue
            try:
                self._write(now)
            except OSError as error:
                reason = lazy(
                    "The kiosk cannot note the command on its disk (%(why)s).", why=error.strerror
                )
                self._results[order.uid] = CommandResult(succeeded=False, detail=reason)
                known.result = self._results[order.uid]
                continue
            logger.info("Command from the hub, asked for by %s: %s", author, order.kind)
            result = self._done(order)
            if result is not None:
                self._end(order.uid, result)

    def tell(self, client: HubClient, key: str) -> None:
        """Send outcomes that the hub does not have.

        Raises:
            HubUnreachableError, HubRefusedError: It does not take them now.
        """
        self._read()
        for uid, known in list(self._known.items()):
            if known.told or known.result is None:
                continue
            try:
                client.answer(uid, self._results.get(uid, known.result), key)
            except HubRefusedError as error:
                if error.status in {401, 429} or error.status >= 500:
                    raise
                logger.warning("The hub does not take the outcome of %s: %s", known.kind, error)
            known.told = True
            self._results.pop(uid, None)
            self._save()

    def _done(self, order: CommandOrder) -> CommandResult | None:
        try:
            return self._perform(order)
        except Exception as error:
            logger.exception("The command %s from the hub failed", order.kind)
            detail = lazy(
                "The kiosk has an internal error (%(kind)s); see its log.",
                kind=type(error).__name__,
            )
            return CommandResult(succeeded=False, detail=detail)

    def _end(self, uid: str, result: CommandResult) -> None:
        self._results[uid] = result
        without = {"attachment": None, "attachment_type": ""}
        self._known[uid].result = result.model_copy(update=without)
        self._save()

    def _read(self) -> None:
        """Read what was done before the start; end what the last run had begun."""
        if self._is_read:
            return
        self._is_read = True
        try:
            with self._file.open("rb") as file:
                self._known = _FILE.validate_json(file.read(MAX_FILE_BYTES)) | self._known
        except FileNotFoundError:
            return
        except (OSError, ValidationError) as error:
            logger.warning(
                "The hub's earlier commands cannot be read from %s: %s", self._file, error
            )
            return
        for known in self._known.values():
            if known.result is None and known.kind == "restart":
                known.result = CommandResult(
                    succeeded=True, detail=lazy("The kiosk has restarted.")
                )
            elif known.result is None:
                stopped = lazy("The kiosk stopped before the command was done.")
                known.result = CommandResult(succeeded=False, detail=stopped)

    def _save(self) -> None:
        try:
            self._write(datetime.now(UTC))
        except OSError as error:
            logger.warning("The hub's commands cannot be noted in %s: %s", self._file, error)

    def _write(self, now: datetime) -> None:
        self._known = {
            uid: one for uid, one in self._known.items() if now < one.expires_at + REMEMBERED
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_save(str(self._file), file_perms=0o600, overwrite_part=True) as file:
            file.write(_FILE.dump_json(self._known, indent=1))
