"""Lists over several pages: which page is asked for, and how many there are.

Tested by the lists: sessions, alerts, experiments, the audit log and the library.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from flask import request

from db.read.sessions import find_sessions
from monitor.languages import lazy
from monitor.web.request.problems import ProblemError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from db.read.sessions import SessionPage
    from monitor.web.request.chosen import Chosen

SESSIONS_PER_PAGE = 25
"""In their list."""


def asked_page() -> int:
    """Return the requested page, by default 1.

    Raises:
        ProblemError: It is not a number.
    """
    text = request.args.get("page", "1")
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise ProblemError(
            400,
            "bad_request",
            lazy(
                "Invalid page: expected a number from 1, received %(text)s.", text=repr(text[:20])
            ),
        )
    return int(text)


def entries_before(page: int, size: int) -> int:
    """Return how many entries come before a page; `page_count` refuses page 0 later."""
    return max(0, page - 1) * size


def page_count(count: int, size: int, page: int) -> int:
    """Return how many pages a list has, at least 1.

    Args:
        count: Entries of the list.
        size: Entries of a page.
        page: The requested one.

    Raises:
        ProblemError: There is no such page.
    """
    pages = max(1, ceil(count / size))
    if not 1 <= page <= pages:
        raise ProblemError(
            404,
            "not_found",
            lazy("There is no page %(page)s: expected 1 to %(pages)s.", page=page, pages=pages),
        )
    return pages


def page_of_sessions(engine: Engine, places: Chosen, page: int) -> tuple[SessionPage, int]:
    """Return one page of sessions, and how many pages there are, at least 1.

    A site may be named by a part of its name, in any case.

    Raises:
        ProblemError: There is no such page.
    """
    found = find_sessions(
        engine,
        places.sites,
        groups=places.groups,
        tags=places.tags,
        limit=SESSIONS_PER_PAGE,
        offset=entries_before(page, SESSIONS_PER_PAGE),
    )
    return found, page_count(found.total, SESSIONS_PER_PAGE, page)
