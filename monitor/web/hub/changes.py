"""Changes that people make on the pages of a hub: a transaction, its audit log, the way back."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import redirect, request, url_for

from db.engine import writing
from db.hub.audit import note
from monitor.web.hub.accounts import actor, current_user
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Connection
    from werkzeug.wrappers import Response

    from db.hub.people.accounts import Account


def now() -> datetime:
    """Return the present time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody changes in one transaction.

    Attributes:
        connection: In the transaction.
        user: Who changes it.
        at: When.
    """

    connection: Connection
    user: Account
    at: datetime = field(default_factory=now)

    def note(
        self,
        action: str,
        target: str,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None:
        """Write what was done to the audit log, see `db.hub.audit.note`."""
        note(self.connection, actor(), action, target, self.at, before=before, after=after)


@contextmanager
def changing() -> Iterator[Change]:
    """Begin a change in the hub's database; it is kept if the block ends without an error."""
    with writing(hub_services().engine) as connection:
        yield Change(connection, current_user())


def back(endpoint: str, done: str | None = None, **values: Any) -> Response:
    """Return the way to a page after a change; `done` is the word for what it says, see `done`."""
    return redirect(url_for(endpoint, done=done, **values), 303)


def done(words: Mapping[str, str]) -> str:
    """Return the sentence for the change that led here, or an empty text."""
    return words.get(request.args.get("done", ""), "")
