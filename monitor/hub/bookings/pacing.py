"""Whether a campaign will reach its goal in time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

from db.hub.shows.campaigns import reached

if TYPE_CHECKING:
    from datetime import date, tzinfo

    from sqlalchemy.engine import Connection

    from db.hub.shows.campaigns import CampaignInfo

PacingState = Literal["waiting", "early", "on_track", "behind", "reached", "missed"]

TOLERANCE = 0.1
"""A campaign is behind if less than nine tenths of what should be there by now are."""

MIN_SHARE = 0.05
"""Of the campaign's time; before that nothing is said about the rest."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """How far a campaign is.

    Attributes:
        state: `waiting` before its first day, `early` while too little time has passed to tell,
            `reached` as soon as the goal is, `missed` if it is over and was not.
        done, goal: Plays or attentive seconds, so far and in all.
        share: Of the goal, at least 0; may be above 1.
        due: Share of the campaign's time that has passed, 0 to 1.
        expected: What it ends with if it goes on like this; `None` while too little is known.
        a_day: What each day that is left has to bring; 0 if nothing is missing, `None` if no day is
            left.
    """

    state: PacingState
    done: float
    goal: float
    share: float
    due: float
    expected: float | None
    a_day: float | None


def pacing(done: float, goal: float, span: tuple[datetime, datetime], now: datetime) -> Pacing:
    """Return how far a campaign is that should reach its goal evenly between two moments.

    Args:
        done: Reached so far.
        goal: Above 0.
        span: From when to when, see `span_of`.
        now: Aware.
    """
    begin, end = span
    whole = (end - begin) / timedelta(days=1)
    passed = min(max((now - begin) / timedelta(days=1), 0.0), whole)
    due, share = passed / whole, done / goal
    left = whole - passed
    expected = done / due if due >= MIN_SHARE else None
    state: PacingState
    if share >= 1:
        state = "reached"
    elif left <= 0:
        state = "missed"
    elif passed <= 0:
        state = "waiting"
    elif expected is None:
        state = "early"
    else:
        state = "behind" if share < (1 - TOLERANCE) * due else "on_track"
    a_day = max(0.0, goal - done) / max(left, 1.0) if left > 0 else None
    return Pacing(state, done, goal, share, due, expected, a_day)


def campaign_pacing(
    connection: Connection, campaign: CampaignInfo, zone: tzinfo, now: datetime, *, min_viewers: int
) -> Pacing:
    """Return how far a campaign is at a moment; what was shown after it does not count.

    One is behind only if it was at the last midnight, too: shops are closed at night, so by the
    hour one that is exactly on its way would be behind every morning.

    Args:
        connection: To the hub's database.
        campaign: Its days are those of `zone`.
        zone: Of the hub.
        now: Aware.
        min_viewers: See `db.hub.shows.campaigns.reached`.
    """
    plan = campaign.plan
    begin, end = span_of(plan.first_day, plan.last_day, zone)

    def pacing_at(moment: datetime) -> Pacing:
        until = min(moment, end)
        count = reached(connection, plan, begin, until, min_viewers=min_viewers)
        return pacing(count, plan.goal, (begin, end), moment)

    found = pacing_at(now)
    if found.state == "behind":
        state = pacing_at(datetime.combine(now.astimezone(zone).date(), time(), zone)).state
        found = replace(found, state="early" if state == "waiting" else state)
    return found


def span_of(first_day: date, last_day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the first moment of the first day, and the one after the last day."""
    after = last_day + timedelta(days=1)
    return datetime.combine(first_day, time(), zone), datetime.combine(after, time(), zone)
