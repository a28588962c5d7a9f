"""The first page of an agency: how often its own ads were shown and looked at."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from flask import Blueprint, render_template, request

from db.engine import snapshot
from db.hub.library.agency_figures import agency_figures
from db.hub.library.contents import Scope
from monitor.languages import lazy
from monitor.settings.time_zone import local_zone
from monitor.web.hub.accounts import folder_scope
from monitor.web.hub.changes import now
from monitor.web.request.rights import requires
from monitor.web.services import hub_services

PERIODS = {"week": lazy("Last week"), "month": lazy("Last month")}
"""Whole weeks and months only: from two spans that differ by a day, somebody could be told."""

blueprint = Blueprint("agency", __name__)


@blueprint.get("/my-ads")
@requires("agency")
def page() -> str:
    """Show the figures of the ads that the person sees."""
    asked = request.args.get("period", "")
    period, zone = asked if asked in PERIODS else "week", local_zone()
    first, after = _span(period, now().astimezone(zone).date())
    since, until = (datetime.combine(day, time(), zone) for day in (first, after))
    here = hub_services()
    with here.reports.taken(), snapshot(here.engine) as connection:
        figures = agency_figures(
            connection, Scope(folder_scope()), since, until, here.settings.min_viewers
        )
    return render_template(
        "agency.html",
        figures=figures,
        period=period,
        periods=PERIODS,
        first=since,
        last=until - timedelta(hours=12),
        min_viewers=here.settings.min_viewers,
        zone=zone,
    )


def _span(period: str, today: date) -> tuple[date, date]:
    """Return the first day of the last whole week or month, and the day after its last."""
    if period == "month":
        after = today.replace(day=1)
        return (after - timedelta(days=1)).replace(day=1), after
    after = today - timedelta(days=today.weekday())
    return after - timedelta(days=7), after
