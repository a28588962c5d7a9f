from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from db.engine import open_database, writing
from db.hub.attempts import AttemptLimit, count_attempt
from db.hub.audit import AuditSearch, find_entries, note
from db.hub.tables.people import FailedAttempt
from monitor.hub.people.upkeep import account_upkeep

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(("days", "kept"), [(0, ["old", "new"]), (30, ["new"])])
def test_old_entries_and_attempts_are_deleted(tmp_path, days, kept):
    engine = open_database(str(tmp_path / "hub.db"))
    with writing(engine) as connection:
        for action, at in (("old", NOW - timedelta(days=31)), ("new", NOW)):
            note(connection, "anna", action, "x", at)
            limit = AttemptLimit(action, 5, timedelta(hours=1))
            count_attempt(connection, limit, "192.0.2.1", at)
    account_upkeep(days)(engine, NOW)
    with engine.connect() as connection:
        found = [entry.action for entry in find_entries(connection, AuditSearch())]
        assert sorted(found) == sorted(kept)
        assert list(connection.scalars(select(FailedAttempt.kind))) == ["new"]
    engine.dispose()
