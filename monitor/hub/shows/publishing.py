"""Works out anew what screens are to show, after something that decides it has changed.

Whoever changes a playlist, a booking, an approval, or a screen's place or settings calls `refresh`
in the same transaction. `trying` makes a change only to look at what would come of it:

    with trying(engine) as connection:
        publish_playlist(connection, ...)
        outcome = preview(connection, now)
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.engine import writing
from db.hub.audit import note
from db.hub.shows.commands import forget_old_commands
from db.hub.shows.desired import NewDocument, hold_plan, mark_empty, read_plan, store_documents
from monitor.errors import MonitorError
from monitor.hub.shows.resolution import Shows
from monitor.languages import listed, ngettext

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

    from db.hub.screens.registry import ScreenInfo
    from monitor.hub.shows.resolution import LeftOut

HUB = "hub"
"""Who changes shows because days have passed."""

_NAMED = 5
"""Screens that a sentence names; an entry of the audit log names a hundred."""


class ShowError(MonitorError):
    """Some screens would have nothing to show; nothing may be stored."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Screens that keep what they show, because what is booked now shows nothing.

    Attributes:
        why: In a sentence.
        is_new: Whether it comes of this change, not of an earlier one or of days that have passed.
    """

    screens: tuple[ScreenInfo, ...]
    why: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What comes of a change.

    Attributes:
        changed: Screens that show something else from now on.
        refused: Screens that keep what they show, by the reason.
        recovered: Screens that kept it until now, and have something to show again.
        left_out: Ads that are booked for some of all screens but not shown, each once.
    """

    changed: tuple[ScreenInfo, ...] = ()
    refused: tuple[Refused, ...] = ()
    recovered: tuple[ScreenInfo, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def refusal(self) -> str:
        """Why some screens would newly show nothing, in words; empty if none would."""
        return " ".join(
            "{} {}".format(
                ngettext(
                    "%(num)s screen would have nothing to show (%(names)s).",
                    "%(num)s screens would have nothing to show (%(names)s).",
                    len(refused.screens),
                    names=_names(refused.screens),
                ),
                refused.why,
            )
            for refused in self.refused
            if refused.is_new
        )


def preview(
    connection: Connection, at: datetime, screens: Collection[int] | None = None
) -> Outcome:
    """Return what `refresh` would do.

    Args:
        connection: To the hub's database.
        at: Aware.
        screens: Rows of `screens`; `None` for all.
    """
    return _work_out(connection, at, screens)[0]


def refresh(
    connection: Connection,
    who: str,
    at: datetime,
    screens: Collection[int] | None = None,
    *,
    keep_empty: bool = False,
) -> Outcome:
    """Store what screens are to show from now on; their kiosks get it within half a minute.

    A document whose content is as before keeps its version.

    Args:
        connection: In the transaction of the change.
        who: Who made it.
        at: Aware.
        screens: Rows of the screens that it may concern; `None` for all.
        keep_empty: Let screens that would have nothing to show keep what they have, for a change
            that must be possible all the same, such as a rejection.

    Raises:
        ShowError: Some screens would newly have nothing to show; roll the change back.
    """
    hold_plan(connection)
    outcome, documents = _work_out(connection, at, screens)
    if outcome.refusal and not keep_empty:
        raise ShowError(outcome.refusal)
    refused = [screen.id for some in outcome.refused if some.is_new for screen in some.screens]
    mark_empty(connection, refused, at, is_empty=True)
    mark_empty(connection, [screen.id for screen in outcome.recovered], at, is_empty=False)
    if documents:
        store_documents(connection, documents, who, at)
        names = [screen.place.name for screen in outcome.changed]
        count = f"{len(names)} screen{'' if len(names) == 1 else 's'}"
        note(connection, who, "show.publish", count, at, after={"screens": names[:100]})
    return outcome


def renew(engine: Engine, now: datetime) -> None:
    """Work out all shows anew, as a duty of the hub: days pass, and ads end with them."""
    with writing(engine) as connection:
        refresh(connection, HUB, now, keep_empty=True)
        forget_old_commands(connection, now)


@contextmanager
def trying(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction that is rolled back at the end of the block."""
    with writing(engine) as connection:
        try:
            yield connection
        finally:
            connection.rollback()


def _work_out(
    connection: Connection, at: datetime, screens: Collection[int] | None
) -> tuple[Outcome, list[NewDocument]]:
    plan = read_plan(connection, screens, at)
    shows = Shows(plan, at)
    changed, documents, recovered = [], [], []
    left_out: dict[LeftOut, None] = {}
    refused: dict[tuple[str, bool], list[ScreenInfo]] = {}
    for planned in plan.screens:
        show = shows.show_of(planned)
        left_out |= dict.fromkeys(show.left_out)
        if show.problem:
            key_of = show.problem, not planned.is_empty
            refused.setdefault(key_of, []).append(planned.screen)
            continue
        if planned.is_empty:
            recovered.append(planned.screen)
        content, digest = show.content(planned), show.digest(planned)
        says_something = content["settings"] or content.get("experiments")
        is_nothing = planned.version == 0 and not says_something and show.playlist is None
        if digest != planned.digest and not is_nothing:
            changed.append(planned.screen)
            documents.append(NewDocument(planned.screen.id, content, digest))
    outcome = Outcome(
        tuple(changed),
        tuple(Refused(tuple(some), why, is_new) for (why, is_new), some in refused.items()),
        tuple(recovered),
        tuple(left_out),
    )
    return outcome, documents


def _names(screens: tuple[ScreenInfo, ...]) -> str:
    names = [screen.place.name for screen in screens[:_NAMED]]
    more = len(screens) - len(names)
    return listed(names) if not more else ", ".join(names) + f" + {more}"
