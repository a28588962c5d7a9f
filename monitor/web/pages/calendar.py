"""The calendar of a hub, and its campaigns."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request, url_for

from ads.playlists.playlist import DAYS
from db.engine import snapshot
from db.hub.library.catalogue import list_creatives
from db.hub.library.contents import EVERYTHING, Choice
from db.hub.screens.registry import list_screens
from db.hub.shows import bookings, campaigns
from db.hub.shows.bookings import BookingError
from db.hub.shows.campaigns import NoSuchCampaignError
from db.hub.shows.playlists import list_playlists
from monitor.hub.bookings.booking_form import (
    booking_values,
    campaign_form_of,
    campaign_values,
    read_booking,
    read_campaign,
    values_of,
)
from monitor.hub.bookings.calendar import lanes_of
from monitor.hub.bookings.pacing import campaign_pacing
from monitor.hub.forms import FormError
from monitor.hub.playlists.vocabulary import DAY_WORDS
from monitor.hub.shows.publishing import ShowError, preview, refresh, trying
from monitor.languages import lazy
from monitor.settings.time_zone import local_zone
from monitor.web.hub.accounts import current_user
from monitor.web.hub.changes import back, changing, done, now
from monitor.web.request.chosen import asked_day
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import requires
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from werkzeug.wrappers import Response

    from db.hub.screens.registry import ScreenInfo
    from db.hub.shows.campaigns import CampaignInfo
    from monitor.hub.bookings.pacing import Pacing
    from monitor.hub.shows.publishing import Outcome

BOOKING = ("editor", "operator")
"""Roles that book playlists and plan campaigns, besides administrators."""

EDITING = "editor"
MAX_LANES = 100
"""Rows of the calendar; screens with the same bookings share one."""

DONE = {
    "booked": lazy("Booked. Screens that are online show it in a minute."),
    "changed": lazy("The booking was changed."),
    "removed": lazy("The booking was removed."),
    "planned": lazy("The campaign was planned. Now book a playlist with its ads."),
    "saved": lazy("The campaign was saved."),
    "archived": lazy("The campaign was archived."),
    "restored": lazy("The campaign is in use again."),
}

GOALS = {"plays": lazy("plays"), "attentive_seconds": lazy("attentive seconds")}

STATES = {
    "waiting": lazy("Not begun"),
    "early": lazy("Just begun"),
    "on_track": lazy("On track"),
    "behind": lazy("Behind"),
    "reached": lazy("Reached"),
    "missed": lazy("Missed"),
}

blueprint = Blueprint("calendar", __name__)


@blueprint.get("/calendar")
def week() -> str:
    """What runs on the screens in a week."""
    monday = _monday()
    days = [monday + timedelta(days=number) for number in range(7)]
    with snapshot(hub_services().engine) as connection:
        every = list_screens(connection)
        known = bookings.list_bookings(connection, first=days[0] - timedelta(days=1), last=days[-1])
        playlists = list_playlists(connection)
        running = campaigns.list_campaigns(connection)
    screens = [screen for screen in every if _is_chosen(screen)]
    published = {state.info.uid for state in playlists if state.published is not None}
    lanes = lanes_of(screens, known, days, published)
    mine = [one for one in known if any(one.plan.targets(s.uid, s.place) for s in screens)]
    names = sorted({booking.playlist_name for booking in known})
    return render_template(
        "calendar.html",
        days=days,
        day_words=DAY_WORDS,
        day_names=DAYS,
        lanes=lanes[:MAX_LANES],
        lane_count=len(lanes),
        bookings=mine,
        colours={name: place % 6 for place, name in enumerate(names)},
        unpublished={s.info.uid for s in playlists if s.published is None},
        campaigns=[
            one
            for one in running
            if one.plan.first_day <= days[-1] and one.plan.last_day >= days[0]
        ],
        places=_places(every),
        chosen=request.args.get("where", "all"),
        today=_today(),
        before=monday - timedelta(days=7),
        after=monday + timedelta(days=7),
        where_words=_where_words(every),
        may_book=current_user().may(*BOOKING),
        done=done(DONE),
    )


@blueprint.get("/calendar/new")
@requires(*BOOKING)
def new() -> str:
    """The form for a booking."""
    values = booking_values(request.args)
    return _booking_page(None, values)


@blueprint.post("/calendar/new")
@requires(*BOOKING)
def add() -> Response | tuple[str, int] | str:
    """Book a playlist, or look at what would come of it."""
    return _book(None)


@blueprint.get("/calendar/<string(length=32):uid>")
def booking(uid: str) -> str:
    """A booking, and the form to change it."""
    with snapshot(hub_services().engine) as connection:
        plan = _found(connection, uid).plan
    return _booking_page(uid, values_of(plan))


@blueprint.post("/calendar/<string(length=32):uid>")
@requires(*BOOKING)
def change(uid: str) -> Response | tuple[str, int] | str:
    """Change a booking, or look at what would come of it."""
    return _book(uid)


@blueprint.post("/calendar/<string(length=32):uid>/remove")
@requires(*BOOKING)
def remove(uid: str) -> Response | tuple[str, int]:
    """Remove a booking."""
    try:
        with changing() as change:
            _found(change.connection, uid)
            before = bookings.remove_booking(change.connection, uid)
            refresh(change.connection, change.user.name, change.at)
            change.note("booking.remove", f"booking {uid[:8]}", before=_noted(before.plan))
    except ShowError as error:
        with snapshot(hub_services().engine) as connection:
            plan = _found(connection, uid).plan
        return _booking_page(uid, values_of(plan), {"form": str(error)}), 409
    return back("calendar.week", "removed")


@blueprint.get("/campaigns")
def listing() -> str:
    """The campaigns, and how far each one is."""
    archived = request.args.get("archived") == "1"
    with snapshot(hub_services().engine) as connection:
        found = campaigns.list_campaigns(connection, archived=archived)
        rows = [(one, pacing_now(connection, one)) for one in found]
    return render_template(
        "campaigns.html",
        rows=rows,
        goals=GOALS,
        states=STATES,
        archived=archived,
        may_edit=current_user().may(EDITING),
        done=done(DONE),
    )


@blueprint.get("/campaigns/new")
@requires(EDITING)
def new_campaign() -> str:
    """The form for a campaign."""
    values = campaign_values(request.args) | {"goal_kind": "plays"}
    return _campaign_page(None, values)


@blueprint.post("/campaigns/new")
@requires(EDITING)
def add_campaign() -> Response | tuple[str, int]:
    """Plan a campaign."""
    values = campaign_values(request.form)
    try:
        plan = read_campaign(values)
    except FormError as error:
        return _campaign_page(None, values, error.problems), 400
    with changing() as change:
        uid = campaigns.add_campaign(change.connection, plan, change.user.name, change.at)
        change.note("campaign.add", f"campaign {plan.name}", after=_noted(plan))
    return back("calendar.campaign", "planned", uid=uid)


@blueprint.get("/campaigns/<string(length=32):uid>")
def campaign(uid: str) -> str:
    """A campaign, how far it is, and the form to change it."""
    with snapshot(hub_services().engine) as connection:
        plan = _campaign(connection, uid).plan
    return _campaign_page(uid, campaign_form_of(plan))


@blueprint.post("/campaigns/<string(length=32):uid>")
@requires(EDITING)
def change_campaign(uid: str) -> Response | tuple[str, int]:
    """Change a campaign."""
    values = campaign_values(request.form)
    try:
        plan = read_campaign(values)
    except FormError as error:
        return _campaign_page(uid, values, error.problems), 400
    with changing() as change:
        _campaign(change.connection, uid)
        before = campaigns.change_campaign(change.connection, uid, plan).plan
        noted = _noted(before), _noted(plan)
        change.note("campaign.change", f"campaign {plan.name}", *noted)
    return back("calendar.campaign", "saved", uid=uid)


@blueprint.post("/campaigns/<string(length=32):uid>/archive")
@requires(EDITING)
def archive(uid: str) -> Response:
    """Put a campaign away, or bring it back."""
    word = "restored" if request.form.get("restore") else "archived"
    with changing() as change:
        name = _campaign(change.connection, uid).plan.name
        at = change.at if word == "archived" else None
        campaigns.archive_campaign(change.connection, uid, at)
        change.note(f"campaign.{word}", f"campaign {name}")
    return back("calendar.listing", word)


def _book(uid: str | None) -> Response | tuple[str, int] | str:
    values = booking_values(request.form)
    engine = hub_services().engine
    try:
        plan = read_booking(values)
        if "look" in request.form:
            with trying(engine) as connection:
                if uid is None:
                    bookings.add_booking(connection, plan, current_user().name, now())
                else:
                    _found(connection, uid)
                    bookings.change_booking(connection, uid, plan)
                outcome = preview(connection, now())
            return _booking_page(uid, values, outcome=outcome)
        with changing() as change:
            before, name = None, uid
            if name is None:
                made = bookings.add_booking(change.connection, plan, change.user.name, change.at)
                name = made.uid
            else:
                _found(change.connection, name)
                before = _noted(bookings.change_booking(change.connection, name, plan).plan)
            refresh(change.connection, change.user.name, change.at)
            action = "booking.add" if uid is None else "booking.change"
            change.note(action, f"booking {name[:8]}", before, _noted(plan))
    except FormError as error:
        return _booking_page(uid, values, error.problems), 400
    except BookingError as error:
        return _booking_page(uid, values, {"form": str(error)}), 400
    except ShowError as error:
        return _booking_page(uid, values, {"form": str(error)}), 409
    return back("calendar.week", "booked" if uid is None else "changed")


def _booking_page(
    uid: str | None,
    values: dict[str, Any],
    problems: dict[str, str] | None = None,
    outcome: Outcome | None = None,
) -> str:
    with snapshot(hub_services().engine) as connection:
        playlists = list_playlists(connection)
        screens = list_screens(connection)
        running = campaigns.list_campaigns(connection)
    kind, target = values["target_kind"], values["target"]
    return render_template(
        "booking.html",
        uid=uid,
        values=values,
        where=f"{kind}:{target}" if target else kind,
        problems=problems or {},
        outcome=outcome,
        playlists=playlists,
        places=_places(screens),
        campaigns=running,
        day_words=DAY_WORDS,
        may_book=current_user().may(*BOOKING),
    )


def _campaign_page(
    uid: str | None, values: dict[str, Any], problems: dict[str, str] | None = None
) -> str:
    with snapshot(hub_services().engine) as connection:
        known, _count = list_creatives(connection, EVERYTHING, Choice(sort="name"))
        found = None if uid is None else _campaign(connection, uid)
        progress = None if found is None else pacing_now(connection, found)
    ad_ids = [one.ad_id for one in known if one.uid in values["creatives"]]
    return render_template(
        "campaign.html",
        uid=uid,
        found=found,
        pacing=progress,
        values=values,
        problems=problems or {},
        creatives=known,
        figures=url_for(
            "builder.figures",
            ad=ad_ids,
            period="days",
            measure="attention",
            division="day",
            **{"from": values["first_day"], "to": values["last_day"]},
        ),
        goals=GOALS,
        states=STATES,
        may_edit=current_user().may(EDITING),
        done=done(DONE),
    )


def pacing_now(connection: Connection, campaign: CampaignInfo) -> Pacing:
    """Return how far a campaign is now."""
    fewest = hub_services().settings.min_viewers
    return campaign_pacing(connection, campaign, local_zone(), now(), min_viewers=fewest)


def _monday() -> date:
    day = asked_day("week") or _today()
    return day - timedelta(days=day.weekday())


def _today() -> date:
    return now().astimezone(local_zone()).date()


def _is_chosen(screen: ScreenInfo) -> bool:
    kind, _, name = request.args.get("where", "all").partition(":")
    place = screen.place
    names = {
        "site": [place.site],
        "group": [place.group],
        "tag": place.tags,
        "screen": [screen.uid],
    }
    return name in names[kind] if kind in names else True


def _places(screens: list[ScreenInfo]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what a booking can be for, by kind: values such as `site:Berlin`, and their words."""
    sites = sorted({screen.place.site for screen in screens} - {""})
    groups = sorted({screen.place.group for screen in screens} - {""})
    tags = sorted({tag for screen in screens for tag in screen.place.tags})
    named = [
        ("site", sites),
        ("group", groups),
        ("tag", tags),
    ]
    found = [(kind, [(f"{kind}:{name}", name) for name in names]) for kind, names in named]
    single = [
        (f"screen:{screen.uid}", f"{screen.place.name}, {screen.place.site}".rstrip(", "))
        for screen in screens
    ]
    return [entry for entry in [*found, ("screen", single)] if entry[1]]


def _where_words(screens: list[ScreenInfo]) -> dict[str, str]:
    return {screen.uid: screen.place.name for screen in screens}


def _found(connection: Connection, uid: str) -> bookings.BookingInfo:
    try:
        return bookings.find_booking(connection, uid)
    except BookingError:
        raise ProblemError(
            404, "not_found", lazy("There is no such booking; somebody may have removed it.")
        ) from None


def _campaign(connection: Connection, uid: str) -> CampaignInfo:
    try:
        return campaigns.find_campaign(connection, uid)
    except NoSuchCampaignError:
        raise ProblemError(404, "not_found", lazy("There is no such campaign.")) from None


def _noted(plan: Any) -> dict[str, Any]:
    """Return a plan for the audit log."""
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in asdict(plan).items()
        if value not in (None, "", (), [])
    }
