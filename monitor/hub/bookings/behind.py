"""Raises an alert for a campaign that is behind its goal, and ends it."""

from __future__ import annotations

import logging
from datetime import datetime, time
from typing import TYPE_CHECKING

from db.engine import snapshot, writing
from db.hub.alerts.raised import end_campaign_alert, open_campaign_alerts, raise_campaign_alert
from db.hub.shows.campaigns import list_campaigns
from monitor.hub.bookings.pacing import TOLERANCE, campaign_pacing
from monitor.languages import lazy
from monitor.settings.time_zone import local_zone

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

    from db.hub.shows.campaigns import CampaignPlan
    from monitor.hub.bookings.pacing import Pacing

logger = logging.getLogger(__name__)


def is_behind(pace: Pacing, *, is_raised: bool) -> bool:
    """Return whether an alert should be open for a campaign.

    One that is open ends only when half of the tolerance is caught up, so that a campaign at the
    limit raises one alert and not a hundred; it also ends with the campaign.
    """
    if pace.state == "behind":
        return True
    return is_raised and pace.state == "on_track" and pace.share < (1 - TOLERANCE / 2) * pace.due


def detail(plan: CampaignPlan, pace: Pacing) -> str:
    """Return how far behind a campaign is, in sentences for people."""
    figures = {"done": f"{pace.done:,.0f}", "goal": f"{pace.goal:,.0f}", "due": f"{pace.due:.0%}"}
    if plan.goal_kind == "plays":
        reached = lazy(
            "At midnight it had %(done)s of %(goal)s plays, with %(due)s of its time over: book "
            "its ads on more screens, at more hours, or with a higher weight.",
            **figures,
        )
    else:
        reached = lazy(
            "At midnight it had %(done)s of %(goal)s attentive seconds, with %(due)s of its time "
            "over: book its ads on more screens, at more hours, or with a higher weight.",
            **figures,
        )
    if pace.expected is None or pace.a_day is None:
        return reached
    outlook = lazy(
        "If it goes on like this, it ends with %(expected)s; each day that is left has to bring "
        "%(a_day)s.",
        expected=f"{pace.expected:,.0f}",
        a_day=f"{pace.a_day:,.0f}",
    )
    return f"{reached} {outlook}"


def campaign_watch(min_viewers: int) -> Callable[[Engine, datetime], None]:
    """Return the duty that looks at all campaigns in use, by the days that are over.

    Args:
        min_viewers: See `db.hub.shows.campaigns.reached`.
    """

    def watch(engine: Engine, now: datetime) -> None:
        zone = local_zone()
        with snapshot(engine) as connection:
            raised = open_campaign_alerts(connection)
            today = now.astimezone(zone).date()
            midnight = datetime.combine(today, time(), zone)
            found = {
                one.id: (
                    one.plan,
                    campaign_pacing(connection, one, zone, midnight, min_viewers=min_viewers),
                )
                for one in list_campaigns(connection)
                if one.plan.first_day <= today <= one.plan.last_day
            }
        behind = {
            row for row, (_, pace) in found.items() if is_behind(pace, is_raised=row in raised)
        }
        if behind == raised:
            return
        with writing(engine) as connection:
            for row in sorted(behind - raised):
                raise_campaign_alert(connection, row, detail(*found[row]), now)
            for row in sorted(raised - behind):
                end_campaign_alert(connection, row, now)
        logger.info("Alerts of campaigns: %d raised or ended", len(behind ^ raised))

    return watch
