"""The audit log of a hub: who did what, when, and what it was before."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, render_template, request

from db.engine import snapshot
from db.hub import audit
from db.hub.audit import AuditSearch
from monitor.settings.time_zone import local_zone
from monitor.web.hub.audit_words import COLUMNS, changes, json_line, table_row
from monitor.web.hub.changes import changing, now
from monitor.web.request.chosen import asked_day
from monitor.web.request.paging import asked_page, entries_before, page_count
from monitor.web.request.rights import for_people, requires
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from db.hub.audit import Entry

PAGE_SIZE = 50
BYTE_ORDER_MARK = "\ufeff"  # Excel takes a file without it for one of the old code pages.

blueprint = Blueprint("audit", __name__, url_prefix="/admin/audit")


@blueprint.get("")
@for_people
@requires("admin")
def listing() -> str:
    """Show the entries that a search finds, the latest first."""
    asked, search = _asked()
    page = asked_page()
    with snapshot(hub_services().engine) as connection:
        count = audit.count_entries(connection, search)
        start = entries_before(page, PAGE_SIZE)
        entries = list(audit.find_entries(connection, search, limit=PAGE_SIZE, offset=start))
        actors, actions = audit.known_actors(connection), audit.known_actions(connection)
    return render_template(
        "audit.html",
        entries=[(entry, changes(entry)) for entry in entries],
        count=count,
        page=page,
        pages=page_count(count, PAGE_SIZE, page),
        asked=asked,
        chosen={name: value for name, value in asked.items() if value},
        actors=actors,
        actions=actions,
        zone=local_zone(),
        now=now(),
    )


@blueprint.get("/log.<any(csv, jsonl):ending>")
@for_people
@requires("admin")
def download(ending: str) -> Response:
    """Send all entries of a search as CSV or as lines of JSON, in parts."""
    asked, search = _asked()
    with changing() as change:
        chosen = {name: value for name, value in asked.items() if value}
        change.note("audit.export", f"audit log as {ending}", after=chosen)
    engine = hub_services().engine

    def entries() -> Iterator[Entry]:
        with snapshot(engine) as connection:
            yield from audit.find_entries(connection, search)

    lines = _csv(entries()) if ending == "csv" else map(json_line, entries())
    kind = "text/csv" if ending == "csv" else "application/jsonl"
    response = Response(_packed(lines), content_type=f"{kind}; charset=utf-8")
    name = f"audit-{change.at:%Y-%m-%d}.{ending}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _asked() -> tuple[dict[str, str], AuditSearch]:
    """Return what was typed into the search, and the search."""
    names = ("actor", "action", "text", "from", "to")
    asked = {name: request.args.get(name, "").strip()[:200] for name in names}
    last = asked_day("to")
    search = AuditSearch(
        asked["actor"],
        asked["action"],
        asked["text"],
        since=_midnight(asked_day("from")),
        until=None if last is None else _midnight(last + timedelta(days=1)),
    )
    return asked, search


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), local_zone())


def _csv(entries: Iterable[Entry]) -> Iterator[str]:
    rows: Iterable[Any] = chain([COLUMNS], map(table_row, entries))
    yield BYTE_ORDER_MARK
    for row in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n").writerow(row)
        yield line.getvalue()


def _packed(lines: Iterable[str]) -> Iterator[bytes]:
    """Join lines to parts, so that not each line is sent by itself."""
    waiting = iter(lines)
    while part := "".join(islice(waiting, 500)):
        yield part.encode()
