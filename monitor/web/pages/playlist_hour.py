"""What a playlist will show: the next hour on a screen and why, and a slide show of its ads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request, url_for

from ads.errors import AdsError
from db.engine import snapshot
from db.hub.library.catalogue import list_creatives
from db.hub.library.contents import EVERYTHING
from db.hub.shows import playlists
from db.hub.shows.desired import read_plan
from monitor.hub.playlists.next_hour import hour_of, reason_words
from monitor.hub.playlists.view import rows_of, runs_on, shown_alone
from monitor.hub.playlists.vocabulary import POLICY_WORDS
from monitor.hub.shows.resolution import desired_show
from monitor.languages import _
from monitor.languages.words import word
from monitor.settings.time_zone import local_zone
from monitor.web.hub.changes import now
from monitor.web.pages.library_media import TYPES
from monitor.web.pages.playlists import not_found, shared, thumbnails
from monitor.web.request.problems import ProblemError
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from db.hub.shows.desired import Plan, PlannedCreative, PlannedScreen
    from db.hub.shows.playlists import PlaylistState
    from monitor.hub.shows.resolution import Show

MAX_ROWS = 200
"""Plays that the page lists; an hour of ads of 18 s."""

blueprint = Blueprint("playlist_hour", __name__, url_prefix="/playlists")


@blueprint.get("/<string(length=32):uid>/hour")
def hour(uid: str) -> str:
    """Show the next hour on a screen, with the reason for each play."""
    with snapshot(hub_services().engine) as connection, not_found():
        state = playlists.find_playlist(connection, uid)
        plan = read_plan(connection)
    which = request.args.get("which", "")
    if which not in {"draft", "published"} or getattr(state, which) is None:
        which = "draft" if state.draft else "published"
    chosen = _screen(plan)
    zone = ZoneInfo("UTC" if chosen is None else chosen.screen.place.time_zone)
    zone = zone if chosen else ZoneInfo(local_zone().key)
    begin, problem = _begin(zone)
    show = _show(state, plan, which, chosen, begin)
    found = None
    if not problem and show.playlist is not None and not show.problem:
        settings: Any = {} if chosen is None else chosen.settings
        with hub_services().reports.taken():
            try:
                found = hour_of(show, plan.creatives, begin, settings)
            except AdsError as error:
                problem = str(error)
    return render_template(
        "playlist_hour.html",
        which=which,
        screens=[one.screen for one in plan.screens],
        booked={screen.uid for screen in runs_on(plan, uid)},
        chosen=chosen.screen if chosen else None,
        begin=begin,
        hour=found,
        problem=problem or show.problem,
        left_out=show.left_out,
        max_rows=MAX_ROWS,
        policy_words=POLICY_WORDS,
        reason_words=reason_words,
        word=word,
        strip=[] if found is None else _strip(found),
        **shared(state),
    )


@blueprint.get("/<string(length=32):uid>/preview")
def slides(uid: str) -> str:
    """Show the ads of the draft one after the other, in the page."""
    with snapshot(hub_services().engine) as connection, not_found():
        state = playlists.find_playlist(connection, uid)
        known = read_plan(connection, ()).creatives
        pictures = thumbnails(connection)
        found, _count = list_creatives(connection, EVERYTHING)
    clips = {
        one.uid: url_for("media.original", uid=one.uid, number=one.approved)
        for one in found
        if one.approved and _is_for_browsers(known[one.uid])
    }
    rows = rows_of(state.newest.body, known, state.info, now())
    values = {"rows": rows, "pictures": pictures, "clips": clips}
    return render_template("playlist_slides.html", **values, **shared(state))


def _is_for_browsers(creative: PlannedCreative) -> bool:
    version = creative.approved
    return version is not None and TYPES.get(version.ending, "").startswith("video/")


def _screen(plan: Plan) -> PlannedScreen | None:
    uid = request.args.get("screen", "")
    if not uid:
        return None
    for planned in plan.screens:
        if planned.screen.uid == uid:
            return planned
    raise ProblemError(404, "not_found", _("There is no such screen, or it is retired."))


def _begin(zone: ZoneInfo) -> tuple[datetime, str]:
    """Return the moment that was asked for, by default now, and what is wrong with it."""
    text = request.args.get("at", "").strip()
    try:
        at = datetime.fromisoformat(text) if text else now().astimezone(zone)
    except ValueError:
        wrong = _("Expected a time like 2026-12-24T08:00, received %(text)s.", text=text[:40])
        return now().astimezone(zone), wrong
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone)
    at = at.astimezone(zone).replace(microsecond=0)
    if not 2000 <= at.year <= 2100:
        return now().astimezone(zone), _("Expected a year from 2000 to 2100.")
    return at, ""


def _show(
    state: PlaylistState, plan: Plan, which: str, chosen: PlannedScreen | None, begin: datetime
) -> Show:
    """Return what the screen shows if this state of the playlist is published."""
    body = (state.draft if which == "draft" else state.published) or state.newest
    uid = state.info.uid
    bookings = []
    if chosen is not None:
        place = chosen.screen.place
        bookings = [one for one in plan.bookings if one.plan.targets(chosen.screen.uid, place)]
    if not any(one.plan.playlist == uid for one in bookings):
        zone = local_zone().key if chosen is None else chosen.screen.place.time_zone
        return shown_alone(body.body, plan.creatives, state.info, begin, zone)
    bodies = {**plan.bodies, uid: body.body}
    ended = begin.astimezone(UTC).date() - timedelta(days=1)
    zone = chosen.screen.place.time_zone if chosen else "UTC"
    return desired_show(bookings, bodies, plan.creatives, zone, ended=ended)


def _strip(found: Any) -> list[dict[str, Any]]:
    """Return the plays as parts of a bar: place and width in per cent, and the ad's number."""
    numbers = {voice.share.ad.ad_id: number for number, voice in enumerate(found.voices)}
    begin, whole = found.coming.begin, 3600.0
    return [
        {
            "x": round(100 * (play.at - begin).total_seconds() / whole, 3),
            "width": round(100 * play.shown_s / whole, 3),
            "number": numbers[play.ad.ad_id] % 8,
        }
        for play in found.coming.plays
    ]
