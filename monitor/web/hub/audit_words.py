"""Entries of the audit log for people: what changed, and as rows of a table.

Tested in `pages/test_audit.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from detector.names import printable
from monitor.languages import _
from monitor.reports.tables import plain

if TYPE_CHECKING:
    from db.hub.audit import Entry

COLUMNS = ("at", "actor", "action", "target", "before", "after")


def changes(entry: Entry) -> list[tuple[str, str, str]]:
    """Return name, before and after of each value that an entry changed; empty for none."""
    before, after = entry.before or {}, entry.after or {}
    return [
        (name.replace("_", " "), _shown(before.get(name)), _shown(after.get(name)))
        for name in dict.fromkeys((*before, *after))
        if name not in before or name not in after or before[name] != after[name]
    ]


def table_row(entry: Entry) -> list[str]:
    """Return an entry as a row of CSV; no spreadsheet takes a cell for a formula."""
    values = (_json(value) for value in (entry.before, entry.after))
    row = (entry.at.isoformat(), entry.actor, entry.action, entry.target, *values)
    return [printable(plain(cell), keep="\n\t") for cell in row]


def json_line(entry: Entry) -> str:
    """Return an entry as a line of JSON, with its line break."""
    values = {name: getattr(entry, name) for name in COLUMNS} | {"at": entry.at.isoformat()}
    return json.dumps(values, ensure_ascii=False) + "\n"


def _json(value: dict[str, Any] | None) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _shown(value: Any) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list) and all(isinstance(part, str | int | float) for part in value):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, str | int | float) else _json(value)
