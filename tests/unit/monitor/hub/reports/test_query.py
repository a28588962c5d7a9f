"""What saved reports ask, and when they are sent."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.hub.forms import FormError
from monitor.hub.reports.query import (
    PERIODS,
    RHYTHMS,
    ReportQuery,
    next_sending,
    read_keeping,
    read_query,
)

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ("yesterday", ("2026-03-01", "2026-03-01")),
        ("week", ("2026-02-23", "2026-03-01")),
        ("month", ("2026-01-31", "2026-03-01")),
        ("last_month", ("2026-02-01", "2026-02-28")),
        ("all", (None, None)),
    ],
)
def test_days_of_a_period(period, days):
    found = ReportQuery(period=period).days(date(2026, 3, 2))
    assert tuple(day and day.isoformat() for day in found) == days


def test_chosen_days_are_kept_and_may_be_open():
    query = read_query({"period": "days", "first": "2026-03-01", "last": ""})
    assert query.days(date(2026, 5, 1)) == (date(2026, 3, 1), None)
    with pytest.raises(FormError, match="is before the first"):
        read_query({"period": "days", "first": "2026-03-02", "last": "2026-03-01"})


@given(st.sampled_from(sorted(PERIODS)), st.lists(st.text(max_size=5), max_size=4))
def test_a_question_survives_the_database(period, names):
    query = read_query({"period": period, "ads": names, "sites": names})
    assert ReportQuery.model_validate(query.model_dump(mode="json")) == query


@pytest.mark.parametrize(
    ("rhythm", "at"),
    [
        ("daily", datetime(2026, 3, 28, 7, tzinfo=BERLIN)),
        ("weekly", datetime(2026, 3, 30, 7, tzinfo=BERLIN)),
        ("monthly", datetime(2026, 4, 1, 7, tzinfo=BERLIN)),
    ],
)
def test_reports_are_sent_at_seven_also_over_summer_time(rhythm, at):
    # A Friday at eight in the morning; the clocks change on Sunday.
    after = datetime(2026, 3, 27, 7, 0, tzinfo=UTC)
    assert next_sending(rhythm, after, BERLIN) == at


@given(st.sampled_from(sorted(RHYTHMS)), st.integers(1_600_000_000, 2_000_000_000))
def test_the_next_sending_is_always_later(rhythm, seconds):
    after = datetime.fromtimestamp(seconds, UTC)
    found = next_sending(rhythm, after, BERLIN)
    assert found > after
    assert (found - after).days <= 32


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"name": ""}, "Give the report a name"),
        ({"name": "x", "rhythm": "weekly"}, "to which mail addresses"),
        ({"name": "x", "rhythm": "weekly", "recipients": "anna"}, "is no mail address"),
        ({"name": "x", "rhythm": "hourly", "recipients": "a@b.c"}, "Expected one of daily"),
        (
            {
                "name": "x",
                "rhythm": "daily",
                "recipients": ",".join(f"a{i}@b.c" for i in range(21)),
            },
            "at most 20",
        ),
        ({"name": "x", "rhythm": "daily", "recipients": "a@b.c\nBcc: d@e.f"}, "is no mail address"),
    ],
)
def test_wrong_fields_are_named(typed, why):
    with pytest.raises(FormError, match=why):
        read_keeping(typed)
