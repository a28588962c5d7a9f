"""The screens of a hub: the wall, the day of each one, and how kiosks are let in."""

from __future__ import annotations

import gzip
import hashlib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, Response, current_app, render_template, request, url_for
from markupsafe import Markup

from db.hub.screens import pairing, registry
from db.hub.screens.day import read_day, read_kiosks
from db.hub.screens.wall import read_wall
from monitor.hub.alerts.wording import kind_words
from monitor.hub.forms import FormError
from monitor.hub.screens.day import bounds, picture_of
from monitor.hub.screens.place_form import form_of, read_place
from monitor.hub.screens.settings_form import read_settings
from monitor.hub.screens.wall import CONDITIONS, Choice, Wall, entry, tile_of
from monitor.hub.shows.publishing import refresh
from monitor.languages import language, lazy
from monitor.languages.recognition import translated
from monitor.settings.time_zone import local_zone, zone_names, zone_or_utc
from monitor.web.hub.accounts import current_user
from monitor.web.hub.changes import Change, back, changing, done, now
from monitor.web.pages.screen_commands import (
    CHANGING,
    IN_BULK,
    KINDS,
    bulk_words,
    found_screen,
    no_such_screen,
    screen_in_use,
    show_values,
)
from monitor.web.pages.screen_commands import DONE as SHOW_DONE
from monitor.web.request.chosen import asked_day
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import requires
from monitor.web.services import EXTENSION, hub_address, hub_services

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask.blueprints import BlueprintSetupState
    from werkzeug.wrappers import Response as AnyResponse

    from db.hub.screens.registry import ScreenInfo
    from db.hub.screens.wall import ScreenNow
    from monitor.hub.screens.wall import Snapshot

WALL = "ad-monitor-wall"
"""Key of the wall among the extensions of an application."""

MAX_KEPT = 64
"""Choices of screens for which a snapshot keeps what was rendered."""

MAX_ROWS = 200
"""Of each table of a day; a camera that comes and goes makes thousands."""

DONE = {
    "place": lazy("The screen's name and site are saved."),
    "settings": lazy("The settings are saved. The kiosk gets them within half a minute."),
    "new": lazy("The screen was added. Now join a kiosk to it."),
    "accepted": lazy(
        "The kiosk was accepted. It gets its key within seconds, then its data arrive."
    ),
    "revoked": lazy("The key was revoked and no longer works. The data it sent are kept."),
    "retired": lazy("The screen was retired and left the wall. Its measurements are kept."),
}
"""What a page says after a change, by the word in its address."""

blueprint = Blueprint("screens", __name__, url_prefix="/screens")


@blueprint.record_once
def _make_wall(state: BlueprintSetupState) -> None:
    settings = state.app.extensions[EXTENSION].settings
    state.app.extensions[WALL] = Wall(lambda: hub_services().engine, settings.min_viewers)


@dataclass(frozen=True, slots=True)
class _Rendered:
    """The changing part of the wall."""

    html: str
    packed: bytes
    etag: str


@blueprint.get("")
def wall() -> str:
    """All screens, or those of a site, a group, a tag or a condition."""
    choice, snapshot = _choice(), _wall().snapshot()
    places = [tile.place for tile in snapshot.tiles]
    return render_template(
        "screens.html",
        choice=choice,
        sites=sorted({place.site for place in places if place.site}),
        groups=sorted({place.group for place in places if place.group}),
        tags=sorted({tag for place in places for tag in place.tags}),
        total=len(places),
        live=Markup(_rendered(snapshot, choice).html),  # noqa: S704 (by a template)
        poll=url_for("screens.poll", **_arguments(choice)),
        may_change=_may_change(),
        done=bulk_words() or done(DONE),
        commands={kind: KINDS[kind] for kind in IN_BULK},
    )


@blueprint.get("/wall")
def poll() -> AnyResponse:
    """The changing part of the wall, for the script; nothing if it is as the script has it."""
    rendered = _rendered(_wall().snapshot(), _choice())
    response = Response(rendered.html, content_type="text/html; charset=utf-8")
    if request.accept_encodings["gzip"] > 0:
        response.set_data(rendered.packed)
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.set_etag(rendered.etag, weak=True)
    return response.make_conditional(request)


@blueprint.get("/<string(length=32):uid>")
def page(uid: str) -> str:
    """One screen: how it is now, its day, and its place."""
    return _page_of(uid)


@blueprint.post("/<string(length=32):uid>/place")
@requires(CHANGING, scope="screens")
def edit(uid: str) -> AnyResponse | tuple[str, int]:
    """Give a screen another name or place."""
    try:
        place = read_place(request.form)
    except FormError as error:
        return _page_of(uid, form=request.form, problems=error.problems), 400
    with _changing() as change:
        before = found_screen(change.connection, uid)
        registry.edit_screen(change.connection, uid, place)
        if before.place != place:
            change.note("screen.edit", _target(before), asdict(before.place), asdict(place))
            _show_anew(change, before)
    return back("screens.page", done="place", uid=uid)


@blueprint.post("/<string(length=32):uid>/settings")
@requires(CHANGING, scope="screens")
def save_settings(uid: str) -> AnyResponse | tuple[str, int]:
    """Change the settings that a screen's kiosk takes from its hub."""
    try:
        settings = read_settings(request.form)
    except FormError as error:
        return _page_of(uid, settings_form=request.form, settings_problems=error.problems), 400
    with changing() as change:
        screen = screen_in_use(change.connection, uid)
        before = registry.screen_settings(change.connection, screen.id)
        if settings != before:
            registry.set_settings(change.connection, screen.id, settings)
            change.note("screen.settings", _target(screen), before, settings)
            _show_anew(change, screen)
    return back("screens.page", done="settings", uid=uid, _anchor="settings")


@blueprint.post("/<string(length=32):uid>/retire")
@requires(CHANGING, scope="screens")
def retire(uid: str) -> AnyResponse:
    """Take a screen off the wall."""
    with _changing() as change:
        found_screen(change.connection, uid)
        before = registry.retire_screen(change.connection, uid, change.at)
        if before.retired_at is None:
            change.note("screen.retire", _target(before), asdict(before.place))
    return back("screens.page", done="retired", uid=uid)


@blueprint.post("/<string(length=32):uid>/code")
@requires(CHANGING)
def make_code(uid: str) -> AnyResponse:
    """Make a code to type at the kiosk that is to fill a screen from now on."""
    with _changing() as change:
        screen = screen_in_use(change.connection, uid)
        pairing.code_for_screen(change.connection, screen.id, change.user.name, change.at)
    return back("screens.page", uid=uid, _anchor="kiosk")


@blueprint.post("/<string(length=32):uid>/keys/<int:key_id>/revoke")
@requires(CHANGING, scope="screens")
def revoke(uid: str, key_id: int) -> AnyResponse:
    """Make the key of a screen's kiosk void."""
    with _changing() as change:
        screen = found_screen(change.connection, uid)
        if key_id not in {kiosk.key_id for kiosk in read_kiosks(change.connection, screen.id)}:
            raise ProblemError(404, "not_found", lazy("This screen has no such kiosk."))
        pairing.revoke(change.connection, key_id, change.user.name, change.at)
    return back("screens.page", done="revoked", uid=uid)


@blueprint.get("/pair")
@requires(CHANGING)
def pair() -> str:
    """Kiosks that wait, and the form for a new screen."""
    return _pair_page()


@blueprint.post("/pair")
@requires(CHANGING)
def accept() -> AnyResponse | tuple[str, int]:
    """Let the kiosk that shows a code fill a new screen, or one that there is.

    Without a code, only make the screen, and a code to type at its kiosk.
    """
    code, uid = (request.form.get(name, "").strip() for name in ("code", "screen"))
    try:
        place = None if uid else read_place(request.form)
        with _changing() as change:
            if place is None:
                screen = screen_in_use(change.connection, uid)
            else:
                screen = registry.create_screen(change.connection, place, change.at)
                change.note("screen.create", _target(screen), after=asdict(place))
                _show_anew(change, screen)
            who = change.user.name
            if code:
                pairing.accept(change.connection, code, screen.id, who, change.at)
            else:
                pairing.code_for_screen(change.connection, screen.id, who, change.at)
    except FormError as error:
        return _pair_page(request.form, error.problems), 400
    except pairing.PairingError as error:
        return _pair_page(request.form, {"code": str(error)}), 400
    word = "accepted" if code else "new" if place else None
    return back("screens.page", word, uid=screen.uid, _anchor="kiosk")


def _page_of(
    uid: str,
    form: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
    *,
    settings_form: Mapping[str, str] | None = None,
    settings_problems: Mapping[str, str] | None = None,
) -> str:
    """Return the page of a screen, also after a form of it could not be used."""
    at = now()
    with hub_services().engine.connect() as connection:
        found = read_wall(connection, uid)
        if not found:
            raise no_such_screen()
        screen = found[0].screen
        zone = zone_or_utc(screen.place.time_zone)
        today = at.astimezone(zone).date()
        day = _asked_day(today)
        span = bounds(day, zone)
        happened = read_day(connection, screen.id, *span)
        kiosks = read_kiosks(connection, screen.id)
        code = pairing.open_code(connection, screen.id, at) if _may_change() else None
        shown = show_values(connection, screen, at, settings_form, settings_problems)
    return render_template(
        "screen.html",
        screen=screen,
        tile=tile_of(found[0], at, hub_services().settings.min_viewers),
        contact_at=found[0].contact_at,
        alerts=found[0].alerts,
        kind_words=kind_words,
        machine=_machine(found[0]),
        zone=zone,
        now=at,
        day=day,
        before=day - timedelta(days=1),
        after=None if day >= today else day + timedelta(days=1),
        today=today,
        happened=happened,
        max_rows=MAX_ROWS,
        picture=picture_of(happened, span, screen.place, zone, at),
        kiosks=kiosks,
        code=code and (pairing.shown_code(code[0]), code[1]),
        hub=hub_address(),
        may_change=_may_change(),
        done=done({**DONE, **SHOW_DONE}),
        **shown,
        **_form_values(form or form_of(screen.place), problems),
    )


def _pair_page(
    form: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None
) -> str:
    at = now()
    with hub_services().engine.connect() as connection:
        waiting = pairing.waiting_kiosks(connection, at)
        known = registry.list_screens(connection)
    asked = form or request.args
    if form is None:
        # What the kiosk calls its site is where most people will want it.
        typed = pairing.typed_code(asked.get("code", ""))
        said = next((kiosk.facts for kiosk in waiting if kiosk.code == typed), {})
        form = {"time_zone": local_zone().key, "site": str(said.get("site") or "")}
    return render_template(
        "screen_pair.html",
        waiting=waiting,
        shown_code=pairing.shown_code,
        screens=known,
        code=asked.get("code", ""),
        chosen=asked.get("screen", ""),
        hub=hub_address(),
        now=at,
        **_form_values(form, problems),
    )


def _form_values(form: Mapping[str, str], problems: Mapping[str, str] | None) -> dict[str, Any]:
    return {"form": form, "problems": problems or {}, "zones": zone_names()}


def _machine(now: ScreenNow) -> dict[str, Any]:
    """Return what is known of a screen's machine; what is unknown is `None`."""
    health = now.health or {}
    free, total = entry(health, int, "disk_free_bytes"), entry(health, int, "disk_total_bytes")
    names = ("program_version", "model_name", "os", "state")
    return {
        **{name: entry(health, str, name) for name in names},
        "camera": entry(health, str, "camera", "state"),
        "camera_detail": translated(entry(health, str, "camera", "detail")),
        "notice_shown": entry(health, bool, "notice_shown"),
        "disk_free": free,
        "disk_total": total,
        "temperature_c": entry(health, float, "temperature_c"),
        "fps": entry(health, float, "fps"),
        "uptime_s": entry(health, float, "uptime_s"),
        "waiting_records": entry(health, int, "waiting_records"),
        "lost_records": entry(health, int, "lost_records"),
        "clock_offset_s": now.clock_offset_s,
        "received_at": now.received_at,
    }


def _rendered(snapshot: Snapshot, choice: Choice) -> _Rendered:
    key = choice, language()
    found = snapshot.kept.get(key)
    if found is None:
        html = render_template(
            "screens_wall.html",
            tiles=[tile for tile in snapshot.tiles if choice.takes(tile)],
            total=len(snapshot.tiles),
            counts=snapshot.counts(choice),
            choice=choice,
            arguments=_arguments(choice),
        )
        plain = html.encode()
        digest = hashlib.sha256(plain).hexdigest()[:32]
        found = _Rendered(html, gzip.compress(plain, compresslevel=1, mtime=0), digest)
        if len(snapshot.kept) >= MAX_KEPT:
            snapshot.kept.clear()
        snapshot.kept[key] = found
    return cast("_Rendered", found)


def _choice() -> Choice:
    names = ("site", "group", "tag", "condition")
    site, group, tag, condition = (request.args.get(name, "")[:200] for name in names)
    return Choice(site, group, tag, condition if condition in CONDITIONS else "")


def _arguments(choice: Choice) -> dict[str, Any]:
    return {name: value for name, value in asdict(choice).items() if value}


def _asked_day(today: date) -> date:
    asked = asked_day("day") or today
    if asked > today:
        why = lazy(
            "%(day)s is yet to come: expected a day until %(today)s.", day=asked, today=today
        )
        raise ProblemError(404, "not_found", why)
    return asked


def wall_snapshot() -> Snapshot:
    """Return how all screens are, as the wall shows it."""
    return _wall().snapshot()


def _wall() -> Wall:
    return cast("Wall", current_app.extensions[WALL])


@contextmanager
def _changing() -> Iterator[Change]:
    """Begin a change that the wall shows at once."""
    with changing() as change:
        yield change
    _wall().forget()


def _target(screen: ScreenInfo) -> str:
    return f"screen {screen.id}"


def _show_anew(change: Change, screen: ScreenInfo) -> None:
    """Work out what a screen is to show, with its new place or settings."""
    refresh(change.connection, change.user.name, change.at, [screen.id], keep_empty=True)


def _may_change() -> bool:
    return current_user().may(CHANGING)
