"""The home page of a hub: what ran, what worked, what needs attention."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, url_for

from db.engine import snapshot
from db.hub import overview
from db.hub.alerts.raised import find_alerts
from db.hub.library.catalogue import waiting_creatives
from db.hub.library.contents import EVERYTHING
from db.hub.screens import pairing
from db.hub.shows.campaigns import list_campaigns
from db.hub.shows.playlists import list_playlists
from monitor.hub.alerts.wording import kind_words
from monitor.hub.reports.query import ReportQuery
from monitor.settings.time_zone import local_zone
from monitor.web.hub.accounts import current_user
from monitor.web.hub.changes import now
from monitor.web.pages.calendar import pacing_now
from monitor.web.pages.screens import wall_snapshot
from monitor.web.reports.kept import figures_of
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import EVERYBODY, requires
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from datetime import datetime

    from werkzeug.wrappers import Response

    from monitor.analytics.breakdown import Breakdown

SHOWN = 5
"""Entries of each list; their pages have the rest."""

WORKED_FOR_S = 600.0
"""How long what worked is kept: it takes seconds to work out, and changes once a day."""

blueprint = Blueprint("start", __name__)


@blueprint.get("/")
@requires(*EVERYBODY)
def home() -> str | Response:
    """Show what ran, what worked, and what needs the visitor's attention."""
    user = current_user()
    if user.role == "agency":
        return redirect(url_for("agency.page"), 303)
    at, zone = now(), local_zone()
    midnight = at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    with snapshot(hub_services().engine) as connection:
        today = overview.ran_between(connection, midnight, at)
        yesterday = overview.ran_between(connection, midnight - timedelta(days=1), midnight)
        stock = overview.stock(connection)
        alerts, alert_count = find_alerts(connection, is_open=True, limit=SHOWN)
        waiting = waiting_creatives(connection, EVERYTHING) if user.may("approver") else []
        kiosks = pairing.waiting_kiosks(connection, at) if user.may("operator") else []
        drafts = list_playlists(connection) if user.may("editor") else []
        running = [(one, pacing_now(connection, one)) for one in list_campaigns(connection)]
    snapshot_now = wall_snapshot()
    told = {alert.campaign_uid for alert in alerts}
    return render_template(
        "home.html",
        today=today,
        yesterday=yesterday,
        stock=stock,
        alerts=alerts,
        alert_count=alert_count,
        kind_words=kind_words,
        waiting=waiting,
        kiosks=kiosks,
        drafts=[one for one in drafts if one.draft is not None],
        behind=[
            one
            for one, pace in running
            if pace.state in {"behind", "missed"} and one.uid not in told
        ],
        tiles=[tile for tile in snapshot_now.tiles if tile.condition in {"warns", "silent"}],
        screen_count=len(snapshot_now.tiles),
        worked=_worked(at),
        shown=SHOWN,
        now=at,
        zone=zone,
    )


def _worked(at: datetime) -> Breakdown | None:
    """Return the attention to each ad in the last seven days; `None` if there is nothing to say."""
    here = hub_services()
    kept: dict[str, Any] = here.kept
    made_at: float | None
    found: Breakdown | None
    made_at, found = kept.get("worked", (None, None))
    if made_at is None or time.monotonic() - made_at > WORKED_FOR_S:
        try:
            with here.reports.taken():
                found = figures_of(here.engine, ReportQuery(), here.settings.min_viewers, at)
        except ProblemError:
            found = None  # Nothing was shown, or too much for a page.
        kept["worked"] = (time.monotonic(), found)
    return found
