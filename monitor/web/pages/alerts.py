"""The alerts of a hub: what is and was wrong, where alerts are sent, and whether they arrive."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request

from db.engine import snapshot
from db.errors import ChannelError
from db.hub.alerts import channels
from db.hub.alerts.deliveries import delivery_log
from db.hub.alerts.raised import find_alerts
from db.hub.screens.registry import list_screens
from monitor.hub.alerts.channel_form import described, read_channel, store_channel
from monitor.hub.alerts.delivery import send_test
from monitor.hub.alerts.rules import WORDS
from monitor.hub.alerts.senders import SendError, masked, policy_of, sender
from monitor.hub.alerts.wording import kind_words, one_message
from monitor.hub.forms import FormError
from monitor.languages import lazy
from monitor.settings.time_zone import local_zone, zone_names
from monitor.web.hub.accounts import current_user
from monitor.web.hub.changes import back, changing, done, now
from monitor.web.request.paging import asked_page, entries_before, page_count
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import requires
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection
    from werkzeug.wrappers import Response

    from db.hub.alerts.channels import KnownChannel
    from db.hub.alerts.deliveries import LoggedDelivery

PAGE_SIZE = 50

MAX_OPEN = 200
"""Open alerts on one page; a hub of a thousand screens that lost its network has more."""

CHANGING = "operator"
"""The role that may change channels, besides administrators."""

DONE = {
    "added": lazy("The channel was added. Send a test message to see whether it works."),
    "tested": lazy("The test message was sent. Check that it has arrived."),
    "disabled": lazy("The channel is disabled. Waiting messages are not sent either."),
    "enabled": lazy("The channel is enabled again, for events from now on."),
    "removed": lazy("The channel was removed, with its address and its log."),
}
"""What a page says after a change, by the word in its address."""

blueprint = Blueprint("alerts", __name__, url_prefix="/alerts")


@blueprint.get("")
def listing() -> str:
    """Show what is wrong now, and what was."""
    names = ("site", "group", "kind")
    which = {name: request.args.get(name, "").strip()[:200] for name in names}
    page = asked_page()
    with snapshot(hub_services().engine) as connection:
        site, group, kind = which.values()
        find = partial(find_alerts, connection, site=site, group=group, kind=kind)
        now_open, open_count = find(is_open=True, limit=MAX_OPEN)
        start = entries_before(page, PAGE_SIZE)
        past, past_count = find(is_open=False, limit=PAGE_SIZE, offset=start)
        places = [screen.place for screen in list_screens(connection)]
        has_channel = bool(channels.list_channels(connection, in_use=True))
    return render_template(
        "alerts.html",
        now_open=now_open,
        open_count=open_count,
        past=past,
        page=page,
        pages=page_count(past_count, PAGE_SIZE, page),
        which=which,
        chosen={name: value for name, value in which.items() if value},
        sites=sorted({place.site for place in places if place.site}),
        groups=sorted({place.group for place in places if place.group}),
        kinds=WORDS,
        has_channel=has_channel,
        **_shared(),
    )


@blueprint.get("/channels")
def channel_page() -> str:
    """Show where alerts are sent."""
    return _channel_page({"time_zone": local_zone().key})


@blueprint.post("/channels")
@requires(CHANGING)
def add() -> Response | str | tuple[str, int]:
    """Add a channel; the secret of a webhook is shown once."""
    form, kinds = request.form, request.form.getlist("kind")
    try:
        read = read_channel(form, kinds, policy_of(hub_services().settings.networks))
        with changing() as change:
            added = store_channel(change.connection, read, change.at)
            change.note("channel.add", _target(added), after=described(added))
    except FormError as error:
        return _channel_page(form, error.problems), 400
    except ChannelError as error:
        return _channel_page(form, {"name": str(error)}), 400
    if added.secret:
        return _channel_page({"time_zone": added.time_zone}, added=added), 201
    return back("alerts.channel_page", "added")


@blueprint.post("/channels/<int:channel_id>/test")
@requires(CHANGING)
def test(channel_id: int) -> Response | str:
    """Send a test message, and say whether it was taken."""
    here = hub_services()
    with snapshot(here.engine) as connection:
        channel = _found(connection, channel_id)
    try:
        with here.reports.taken():
            settings = here.settings
            send = sender(settings)
            send_test(here.engine, channel, send, now(), settings.message_language)
    except SendError as error:
        form = {"time_zone": local_zone().key}
        return _channel_page(form, failure=f"{channel.name}: {error}")
    return back("alerts.channel_page", "tested")


@blueprint.post("/channels/<int:channel_id>/disable")
@requires(CHANGING)
def disable(channel_id: int) -> Response:
    """Send nothing to a channel any more."""
    with changing() as change:
        channel = _found(change.connection, channel_id)
        channels.disable_channel(change.connection, channel_id, change.at)
        change.note("channel.disable", _target(channel))
    return back("alerts.channel_page", "disabled")


@blueprint.post("/channels/<int:channel_id>/enable")
@requires(CHANGING)
def enable(channel_id: int) -> Response:
    """Send to a channel again."""
    with changing() as change:
        channel = _found(change.connection, channel_id)
        channels.enable_channel(change.connection, channel_id)
        change.note("channel.enable", _target(channel))
    return back("alerts.channel_page", "enabled")


@blueprint.post("/channels/<int:channel_id>/remove")
@requires(CHANGING)
def remove(channel_id: int) -> Response:
    """Delete a channel."""
    with changing() as change:
        channel = _found(change.connection, channel_id)
        channels.remove_channel(change.connection, channel_id)
        change.note("channel.remove", _target(channel), described(channel))
    return back("alerts.channel_page", "removed")


@blueprint.get("/deliveries")
def log() -> str:
    """Show what was sent where, and whether it arrived."""
    channel, page = request.args.get("channel", "").strip()[:200], asked_page()
    with snapshot(hub_services().engine) as connection:
        start = entries_before(page, PAGE_SIZE)
        logged, count = delivery_log(connection, channel=channel, limit=PAGE_SIZE, offset=start)
        names = [one.name for one in channels.list_channels(connection)]
    return render_template(
        "alert_deliveries.html",
        logged=[(one, _title(one)) for one in logged],
        names=names,
        channel=channel,
        page=page,
        pages=page_count(count, PAGE_SIZE, page),
        **_shared(),
    )


def _channel_page(
    form: Mapping[str, Any],
    problems: Mapping[str, str] | None = None,
    *,
    added: KnownChannel | None = None,
    failure: str = "",
) -> str:
    with snapshot(hub_services().engine) as connection:
        known = channels.list_channels(connection)
    asked = request.form.getlist("kind") if problems else []
    return render_template(
        "alert_channels.html",
        channels=[(one, masked(one.url)) for one in known],
        form=form,
        asked=asked,
        problems=problems or {},
        added=added,
        failure=failure,
        kinds=WORDS,
        zones=zone_names(),
        **_shared(),
    )


def _shared() -> dict[str, Any]:
    return {
        "zone": local_zone(),
        "now": now(),
        "kind_words": kind_words,
        "may_change": current_user().may(CHANGING),
        "done": done(DONE),
    }


def _found(connection: Connection, channel_id: int) -> KnownChannel:
    for channel in channels.list_channels(connection):
        if channel.id == channel_id:
            return channel
    raise ProblemError(
        404,
        "not_found",
        lazy("There is no such channel. The page of channels lists those there are."),
    )


def _title(delivery: LoggedDelivery) -> str:
    return one_message(delivery.payload).title


def _target(channel: KnownChannel) -> str:
    return f"channel {channel.name}"
