"""What the page of a screen says about its show and settings, and commands to its kiosk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from db.hub.screens.registry import NoSuchScreenError, find_screen, list_screens, screen_settings
from db.hub.shows import commands
from db.hub.shows.bookings import bookings_of, list_bookings
from db.hub.shows.desired import find_desired, read_plan
from db.hub.tables.shows import COMMANDS
from monitor.hub.playlists.vocabulary import DAY_WORDS
from monitor.hub.screens.settings_form import FIELDS, form_of
from monitor.hub.screens.wall import Choice
from monitor.hub.shows.resolution import Shows
from monitor.languages import _, lazy, ngettext
from monitor.languages.recognition import translated
from monitor.reports.formatting import percent
from monitor.web.hub.changes import back, changing
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import requires
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection
    from werkzeug.wrappers import Response as AnyResponse

    from db.hub.screens.registry import ScreenInfo
    from db.hub.shows.commands import CommandInfo
    from db.hub.shows.desired import Desired

CHANGING = "operator"
"""The role that may change screens and let kiosks in, besides administrators."""

KINDS: Mapping[str, str] = {
    "identify": lazy("Show its name on the screen"),
    "picture": lazy("Take a picture of the ad"),
    "restart": lazy("Restart the kiosk"),
    "logs": lazy("Fetch the logs"),
}
"""What the buttons of commands say."""

DONE_KINDS: Mapping[str, str] = {
    "identify": lazy("name shown"),
    "picture": lazy("picture of the ad"),
    "restart": lazy("restart"),
    "logs": lazy("logs"),
}
"""What the list of commands calls them."""

HINTS: Mapping[str, str] = {
    "identify": lazy("Over the ad, for ten seconds."),
    "picture": lazy("Of the ad as it is painted; never of the camera or the people."),
    "restart": lazy("Between two ads. It needs a kiosk that runs supervised."),
    "logs": lazy("Packed, with passwords removed."),
}

IN_BULK = ("identify", "restart")
"""What many screens can be asked at once."""

DONE = {
    "asked": lazy("The kiosk was asked. It answers within half a minute; load the page again."),
}
"""What the page says after a change, by the word in its address."""

blueprint = Blueprint("screen_commands", __name__, url_prefix="/screens")


@blueprint.post("/<string(length=32):uid>/commands")
@requires(CHANGING, scope="screens")
def ask(uid: str) -> AnyResponse:
    """Ask the kiosk of a screen to do something once."""
    kind = _kind(COMMANDS)
    with changing() as change:
        screen = screen_in_use(change.connection, uid)
        commands.add_commands(change.connection, [screen.id], kind, change.user.name, change.at)
    return back("screens.page", done="asked", uid=uid, _anchor="commands")


@blueprint.post("/commands")
@requires(CHANGING, scope="screens")
def ask_many() -> AnyResponse:
    """Ask the kiosks of the chosen screens to do something once."""
    kind = _kind(IN_BULK)
    names = ("site", "group", "tag")
    chosen = {name: request.form.get(name, "")[:200] for name in names}
    choice = Choice(**chosen)
    with changing() as change:
        found = [
            screen.id
            for screen in list_screens(change.connection)
            if choice.takes_place(screen.place)
        ]
        commands.add_commands(change.connection, found, kind, change.user.name, change.at)
    kept = {name: value for name, value in chosen.items() if value}
    return back("screens.wall", done=kind, asked=len(found), **kept)


@blueprint.get("/<string(length=32):uid>/commands/<string(length=32):command>/picture")
def picture(uid: str, command: str) -> Response:
    """The picture of an ad that a kiosk took."""
    return _attachment(uid, command, "image/")


@blueprint.get("/<string(length=32):uid>/commands/<string(length=32):command>/logs")
@requires(CHANGING)
def logs(uid: str, command: str) -> Response:
    """The logs that a kiosk sent, packed with zstd."""
    response = _attachment(uid, command, "application/zstd")
    name = f"logs-{uid[:8]}-{command[:8]}.zst"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def show_values(
    connection: Connection,
    screen: ScreenInfo,
    at: datetime,
    form: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what the templates of these parts of a screen's page need."""
    plan = read_plan(connection, [screen.id])
    show = Shows(plan, at).show_of(plan.screens[0]) if plan.screens else None
    desired = find_desired(connection, screen.id)
    asked = commands.list_commands(connection, screen.id)
    pictures = [one for one in asked if one.attachment_type.startswith("image/")]
    return {
        "desired": desired,
        "shown_words": state_words(desired),
        "show": show,
        "bookings": bookings_of(list_bookings(connection), screen.uid, screen.place),
        "commands": asked,
        "command_words": lambda command: command_words(command, at),
        "day_words": DAY_WORDS,
        "last_picture": pictures[0] if pictures else None,
        "kinds": KINDS,
        "kind_names": DONE_KINDS,
        "hints": HINTS,
        "setting_fields": FIELDS,
        "settings_form": form or form_of(screen_settings(connection, screen.id)),
        "settings_problems": problems or {},
    }


def state_words(desired: Desired | None) -> str:
    """Return in a sentence what became of what a screen is to show."""
    if desired is None or not desired.version:
        return _("Nothing was published for this screen yet: it shows its local playlist.")
    version = desired.version
    if desired.is_applied:
        is_local = desired.content.get("playlist") is None
        local = _("Nothing is booked: it shows its local playlist.")
        return local if is_local else _("It shows version %(version)s.", version=version)
    if desired.reported_version != version:
        return _("Its kiosk has not asked for version %(version)s yet.", version=version)
    return _pending_words(desired)


def _pending_words(desired: Desired) -> str:
    version = desired.version
    if desired.state == "refused":
        reason = desired.reason.rstrip(".") or _("no reason given")
        return _(
            "Version %(version)s is not shown: %(reason)s It goes on with what it showed before.",
            version=version,
            reason=f"{reason}.",
        )
    if desired.progress is None:
        return _("It fetches version %(version)s.", version=version)
    return _(
        "It fetches version %(version)s: %(share)s of the media are there.",
        version=version,
        share=percent(desired.progress),
    )


def command_words(command: CommandInfo, at: datetime) -> str:
    """Return in a few words what became of a command."""
    if command.succeeded is None:
        if command.expires_at <= at:
            return _("not done: the kiosk did not ask in time")
        return _("waiting for the kiosk")
    outcome = _("done") if command.succeeded else _("not done")
    return f"{outcome}: {translated(command.detail)}" if command.detail else outcome


def bulk_words() -> str:
    """Return the sentence for commands in bulk that led to the wall, or an empty text."""
    count = request.args.get("asked", "")
    if request.args.get("done") not in IN_BULK or not count.isdecimal() or len(count) > 6:
        return ""
    return ngettext(
        "%(num)s kiosk was asked; its screen's page says what came of it.",
        "%(num)s kiosks were asked; the pages of their screens say what came of it.",
        int(count),
    )


def _kind(known: tuple[str, ...]) -> str:
    kind = request.form.get("kind", "")
    if kind not in known:
        raise ProblemError(
            400,
            "bad_request",
            lazy("There is no such command: expected one of %(known)s.", known=", ".join(known)),
        )
    return kind


def _attachment(uid: str, command: str, media_type: str) -> Response:
    with hub_services().engine.connect() as connection:
        screen = found_screen(connection, uid)
        found = commands.find_attachment(connection, screen.id, command)
    if found is None or not found[0].startswith(media_type):
        raise ProblemError(404, "not_found", lazy("The kiosk sent nothing of that kind."))
    return Response(found[1], content_type=found[0])


def found_screen(connection: Connection, uid: str) -> ScreenInfo:
    """Return a screen, also a retired one.

    Raises:
        ProblemError: There is none of this uid.
    """
    try:
        return find_screen(connection, uid)
    except NoSuchScreenError:
        raise no_such_screen() from None


def screen_in_use(connection: Connection, uid: str) -> ScreenInfo:
    """Return a screen that is not retired.

    Raises:
        ProblemError: There is none of this uid, or it is retired.
    """
    screen = found_screen(connection, uid)
    if screen.retired_at is not None:
        raise ProblemError(
            409,
            "bad_request",
            lazy(
                "The screen %(name)s is retired, so no kiosk can fill it. Make a new one.",
                name=screen.place.name,
            ),
            title=lazy("The screen is retired"),
        )
    return screen


def no_such_screen() -> ProblemError:
    """Return the answer to an address that names no screen."""
    return ProblemError(
        404,
        "not_found",
        lazy("There is no such screen. The page of screens lists those there are."),
    )
