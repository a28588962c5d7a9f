"""The playlists of a hub: their list, the editor of a draft, publishing, reverting."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request, url_for

from db.engine import snapshot
from db.hub.library.catalogue import list_creatives
from db.hub.library.contents import EVERYTHING
from db.hub.shows import playlists
from db.hub.shows.desired import read_plan
from db.hub.shows.playlists import (
    CHANGED,
    NoSuchPlaylistError,
    PlaylistChangedError,
    target_of,
    token_of,
)
from detector.emotion.labels import EMOTIONS
from monitor.hub.forms import FormError, read_name
from monitor.hub.playlists.body import (
    bounds,
    default_of,
    form_of_ad,
    form_of_settings,
    read_ad,
    read_settings,
    with_settings,
)
from monitor.hub.playlists.diff import as_notes, compare, from_notes
from monitor.hub.playlists.view import rows_of, runs_on, shown_alone
from monitor.hub.playlists.vocabulary import DAY_WORDS, FIT_WORDS, POLICY_WORDS
from monitor.hub.shows.publishing import ShowError, preview, refresh, trying
from monitor.languages import _, lazy, ngettext
from monitor.languages.words import WORDS
from monitor.settings.time_zone import local_zone
from monitor.web.hub.accounts import current_user
from monitor.web.hub.changes import Change, back, changing, done, now
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import requires
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Connection
    from werkzeug.wrappers import Response

    from db.hub.shows.desired import PlannedCreative
    from db.hub.shows.playlists import Body, PlaylistState, Revision
    from monitor.hub.playlists.diff import Difference

CHANGING = "editor"
"""The role that edits playlists, besides administrators."""

PUBLISHING = ("editor", "operator")
"""Roles that publish what was edited; only approved ads reach a screen."""

MAX_ADS = 1000
"""Ads of one playlist."""

MAX_FOUND = 60
"""Ads of the library that a search shows."""

DONE = {
    "added": lazy("The draft was changed."),
    "saved": lazy("The draft was saved. Screens show it once you publish it."),
    "published": lazy("The playlist was published. Screens that are online show it in a minute."),
    "unchanged": lazy("Nothing was published: the screens have this revision already."),
    "discarded": lazy("The draft was discarded."),
    "reverted": lazy("The draft is now as that revision was."),
    "archived": lazy("The playlist was archived. Screens no longer show it."),
    "restored": lazy("The playlist is in use again."),
    "copied": lazy("This is the copy. Nothing of it is published yet."),
    "renamed": lazy("The playlist was renamed."),
    "imported": lazy("The file was read into this draft."),
}
"""What a page says after a change, by the word in its address."""

blueprint = Blueprint("playlists", __name__, url_prefix="/playlists")


@blueprint.get("")
def listing() -> str:
    """Show all playlists in use, or the archived ones."""
    return _listing()


@blueprint.post("")
@requires(CHANGING)
def create() -> Response | tuple[str, int]:
    """Make an empty playlist."""
    try:
        name = _read_name()
    except FormError as error:
        return _listing(request.form, error.problems), 400
    with changing() as change:
        made = playlists.create_playlist(change.connection, name, change.user.name, change.at)
        change.note("playlist.create", target_of(made.uid), after={"name": name})
    return back("playlists.page", uid=made.uid)


@blueprint.get("/<string(length=32):uid>")
def page(uid: str) -> str:
    """Show a playlist: its ads in order, to be moved, changed, added and removed."""
    return _page(uid)


@blueprint.post("/<string(length=32):uid>/add")
@requires(CHANGING)
def add(uid: str) -> Response:
    """Add ads of the library to the end of the draft."""
    chosen = request.form.getlist("creative")
    with changing_playlist(uid) as (change, state):
        known = _creatives(change.connection)
        new = [{"creative": one} for one in chosen if one in known]
        ads = [*state.newest.body["ads"], *new]
        if len(ads) > MAX_ADS:
            raise ProblemError(400, "bad_request", _("A playlist has at most 1,000 ads."))
        store(change, state, {**state.newest.body, "ads": ads})
    return back("playlists.page", uid=uid, _anchor=f"ad-{len(ads)}")


@blueprint.post("/<string(length=32):uid>/order")
@requires(CHANGING)
def order(uid: str) -> Response:
    """Put all ads of the draft in another order, such as after dragging one."""
    with changing_playlist(uid) as (change, state):
        ads = state.newest.body["ads"]
        try:
            places = [int(part) for part in request.form.get("order", "").split(",")]
        except ValueError:
            places = []
        if sorted(places) != list(range(1, len(ads) + 1)):
            # It was made from a list of other ads.
            playlists.check_seen(state, "")
        store(change, state, {**state.newest.body, "ads": [ads[place - 1] for place in places]})
    return back("playlists.page", uid=uid)


@blueprint.post("/<string(length=32):uid>/ads/<int:place>/move")
@requires(CHANGING)
def move(uid: str, place: int) -> Response:
    """Move an ad of the draft up, down or to a place, or remove it."""
    do = request.form.get("do", "to")
    with changing_playlist(uid) as (change, state):
        ads = list(state.newest.body["ads"])
        moved = ads.pop(_index(state, place))
        to = place + {"up": -1, "down": 1}.get(do, 0)
        if do == "to":
            text = request.form.get("to", "").strip()
            to = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else place
        to = min(max(to, 1), len(ads) + 1)
        if do != "remove":
            ads.insert(to - 1, moved)
        store(change, state, {**state.newest.body, "ads": ads})
    return back("playlists.page", uid=uid, _anchor=f"ad-{min(to, len(ads))}" if ads else None)


@blueprint.get("/<string(length=32):uid>/ads/<int:place>")
def ad(uid: str, place: int) -> str:
    """Show what the draft says about one ad."""
    state, known = _state(uid)
    return _ad_page(state, known, place, form_of_ad(state.newest.body["ads"][_index(state, place)]))


@blueprint.post("/<string(length=32):uid>/ads/<int:place>")
@requires(CHANGING)
def save_ad(uid: str, place: int) -> Response | tuple[str, int]:
    """Change what the draft says about one ad."""
    form = request.form.to_dict() | {key: request.form.getlist(key) for key in ("days", "moods")}
    creative = request.form.get("creative", "")

    def edited(body: Body) -> Body:
        ads = list(body["ads"])
        ads[place - 1] = read_ad(form, ads[place - 1]["creative"])
        return {**body, "ads": ads}

    try:
        with changing_playlist(uid) as (change, state):
            _index(state, place)
            store(change, state, edited(state.newest.body))
    except FormError as error:
        state, known = _state(uid)
        return _ad_page(state, known, place, form, problems=error.problems), 400
    except PlaylistChangedError:
        state, known = _state(uid)
        ads = state.newest.body["ads"]
        there = next((i for i, one in enumerate(ads, 1) if one["creative"] == creative), None)
        if there is None:
            raise
        return _ad_page(state, known, there, form, others=_meanwhile(state)), 409
    return back("playlists.page", "saved", uid=uid, _anchor=f"ad-{place}")


@blueprint.get("/<string(length=32):uid>/settings")
def settings(uid: str) -> str:
    """Show what the draft says about the whole list."""
    state, known = _state(uid)
    return _settings_page(state, known, form_of_settings(state.newest.body))


@blueprint.post("/<string(length=32):uid>/settings")
@requires(CHANGING)
def save_settings(uid: str) -> Response | tuple[str, int]:
    """Change what the draft says about the whole list."""
    form = request.form.to_dict() | {"blocked": request.form.getlist("blocked")}
    try:
        with changing_playlist(uid) as (change, state):
            read = read_settings(form, _pictures(_creatives(change.connection)))
            store(change, state, with_settings(state.newest.body, read))
    except FormError as error:
        state, known = _state(uid)
        return _settings_page(state, known, form, problems=error.problems), 400
    except PlaylistChangedError:
        state, known = _state(uid)
        return _settings_page(state, known, form, others=_meanwhile(state)), 409
    return back("playlists.page", "saved", uid=uid)


@blueprint.post("/<string(length=32):uid>/rename")
@requires(CHANGING)
def rename(uid: str) -> Response | tuple[str, int]:
    """Call a playlist something else."""
    try:
        name = _read_name()
    except FormError as error:
        return _page(uid, problems=error.problems), 400
    with changing_playlist(uid, archived=True, unseen=True) as (change, state):
        if name != state.info.name:
            playlists.rename_playlist(change.connection, state.info, name)
            before, after = {"name": state.info.name}, {"name": name}
            change.note("playlist.rename", target_of(uid), before, after)
    return back("playlists.page", "renamed", uid=uid)


@blueprint.get("/<string(length=32):uid>/publish")
@requires(*PUBLISHING)
def publish_page(uid: str) -> str:
    """Show what publishing the draft would change, and on which screens."""
    return _publish_page(uid)


@blueprint.post("/<string(length=32):uid>/publish")
@requires(*PUBLISHING)
def publish(uid: str) -> Response | tuple[str, int]:
    """Let the screens show the draft."""
    try:
        with changing_playlist(uid) as (change, state):
            if state.draft is None:
                return back("playlists.page", "unchanged", uid=uid)
            _publish(change, state, state.draft)
    except ShowError as error:
        return _publish_page(uid, refusal=str(error)), 409
    return back("playlists.page", "published", uid=uid)


@blueprint.post("/<string(length=32):uid>/discard")
@requires(CHANGING)
def discard(uid: str) -> Response:
    """Drop the draft; what is published stays."""
    with changing_playlist(uid) as (change, state):
        if state.published is not None:
            store(change, state, state.published.body)
    return back("playlists.page", "discarded", uid=uid)


@blueprint.get("/<string(length=32):uid>/revisions/<int:number>")
def revision(uid: str, number: int) -> str:
    """Show a revision that was published, and how the draft differs from it."""
    state, known = _state(uid)
    with snapshot(hub_services().engine) as connection, not_found():
        found = playlists.find_revision(connection, state.info, number)
        pictures = thumbnails(connection)
    return render_template(
        "playlist_revision.html",
        revision=found,
        rows=rows_of(found.body, known, state.info, now()),
        differences=compare(found.body, state.newest.body, _names(known)),
        pictures=pictures,
        **shared(state),
    )


@blueprint.post("/<string(length=32):uid>/revisions/<int:number>")
@requires(CHANGING)
def revert(uid: str, number: int) -> Response | tuple[str, int]:
    """Make an older revision the draft, or publish it again."""
    is_published = request.form.get("do") == "publish"
    try:
        with changing_playlist(uid) as (change, state):
            with not_found():
                old = playlists.find_revision(change.connection, state.info, number)
            store(change, state, old.body)
            if is_published:
                after = playlists.find_playlist(change.connection, uid, change=True)
                if after.draft is None:
                    return back("playlists.page", "unchanged", uid=uid)
                _publish(change, after, after.draft)
    except ShowError as error:
        return _publish_page(uid, refusal=str(error)), 409
    return back("playlists.page", "published" if is_published else "reverted", uid=uid)


@blueprint.post("/<string(length=32):uid>/archive")
@requires(CHANGING)
def archive(uid: str) -> Response:
    """Take a playlist off the lists and the screens."""
    return _archive(uid, "archive", now())


@blueprint.post("/<string(length=32):uid>/restore")
@requires(CHANGING)
def restore(uid: str) -> Response:
    """Use an archived playlist again."""
    return _archive(uid, "restore", None)


@blueprint.post("/<string(length=32):uid>/copy")
@requires(CHANGING)
def copy(uid: str) -> Response:
    """Make another playlist with the same draft."""
    with changing_playlist(uid, archived=True, unseen=True) as (change, state):
        name = _("Copy of %(name)s", name=state.info.name)[: playlists.MAX_NAME_LENGTH]
        body, by = state.newest.body, change.user.name
        made = playlists.create_playlist(change.connection, name, by, change.at, body)
        after = {"name": name, "of": uid}
        change.note("playlist.create", target_of(made.uid), after=after)
    return back("playlists.page", "copied", uid=made.uid)


@blueprint.errorhandler(PlaylistChangedError)
def conflict(_error: PlaylistChangedError) -> tuple[str, int]:
    """Show what somebody else changed, instead of overwriting it."""
    state, _known = _state((request.view_args or {})["uid"])
    others = _meanwhile(state)
    return render_template("playlist_conflict.html", others=others, **shared(state)), 409


# --- what the views share ---


def _listing(form: Mapping[str, str] | None = None, problems: Any = None) -> str:
    archived = request.args.get("archived") == "1"
    with snapshot(hub_services().engine) as connection:
        states = playlists.list_playlists(connection, archived=archived)
        plan = read_plan(connection)
    return render_template(
        "playlists.html",
        entries=[(one, runs_on(plan, one.info.uid)) for one in states],
        archived=archived,
        form=form or {},
        problems=problems or {},
        zone=local_zone(),
        now=now(),
        may_change=current_user().may(CHANGING),
        done=done(DONE),
    )


def _page(uid: str, problems: Mapping[str, str] | None = None) -> str:
    find = request.args.get("find", "").strip()[:100]
    with snapshot(hub_services().engine) as connection, not_found():
        state = playlists.find_playlist(connection, uid)
        revisions = playlists.list_revisions(connection, state.info)
        plan = read_plan(connection)
        pictures = thumbnails(connection)
    body = state.newest.body
    found = [
        one
        for one in plan.creatives.values()
        if not one.is_archived and find.lower() in f"{one.name}\n{one.ad_id}".lower()
    ]
    found.sort(key=lambda one: one.name.lower())
    return render_template(
        "playlist.html",
        rows=rows_of(body, plan.creatives, state.info, now()),
        body=body,
        policy=POLICY_WORDS.get(body.get("policy", "")),
        screens=runs_on(plan, uid),
        revisions=revisions,
        find=find,
        found=found[:MAX_FOUND],
        pictures=pictures,
        unshown=max(0, len(found) - MAX_FOUND),
        listed={one["creative"] for one in body["ads"]},
        differences=_since_published(state, _names(plan.creatives)),
        problems=problems or {},
        **shared(state),
    )


def _ad_page(  # noqa: PLR0917 (the parts of one page)
    state: PlaylistState,
    known: Mapping[str, PlannedCreative],
    place: int,
    form: Mapping[str, Any],
    problems: Mapping[str, str] | None = None,
    others: list[tuple[Any, list[Difference]]] | None = None,
) -> str:
    listed = state.newest.body["ads"][_index(state, place)]
    return render_template(
        "playlist_ad.html",
        place=place,
        count=len(state.newest.body["ads"]),
        creative=listed["creative"],
        ad=known.get(listed["creative"]),
        form=form,
        problems=problems or {},
        others=others,
        fits=FIT_WORDS,
        day_words=DAY_WORDS,
        moods={mood: WORDS[mood] for mood in EMOTIONS},
        **shared(state),
    )


def _settings_page(
    state: PlaylistState,
    known: Mapping[str, PlannedCreative],
    form: Mapping[str, Any],
    problems: Mapping[str, str] | None = None,
    others: list[tuple[Any, list[Difference]]] | None = None,
) -> str:
    listed = dict.fromkeys(one["creative"] for one in state.newest.body["ads"])
    return render_template(
        "playlist_settings.html",
        form=form,
        problems=problems or {},
        others=others,
        fits=FIT_WORDS,
        policies=POLICY_WORDS,
        pictures=[(uid, known[uid].name) for uid in _pictures(known)],
        ads=[known[uid] for uid in listed if uid in known],
        **shared(state),
    )


def _publish_page(uid: str, refusal: str = "") -> str:
    with trying(hub_services().engine) as connection, not_found():
        state = playlists.find_playlist(connection, uid, change=True)
        known = _creatives(connection)
        playlists.publish_draft(connection, state, current_user().name, now())
        outcome = preview(connection, now())
        alone = shown_alone(state.newest.body, known, state.info, now())
        screens = runs_on(read_plan(connection), uid)
    return render_template(
        "playlist_publish.html",
        differences=_since_published(state, _names(known)),
        outcome=outcome,
        left_out=alone.left_out,
        refusal=refusal or alone.problem or outcome.refusal,
        screens=screens,
        **shared(state),
    )


def _archive(uid: str, word: str, at: Any) -> Response:
    with changing_playlist(uid, archived=True, unseen=True) as (change, state):
        playlists.archive_playlist(change.connection, state.info, at)
        is_archived = state.info.archived_at is not None
        before, after = {"archived": is_archived}, {"archived": at is not None}
        change.note(f"playlist.{word}", target_of(uid), before, after)
        try:
            refresh(change.connection, change.user.name, change.at)
        except ShowError as error:
            raise ProblemError(409, "conflict", str(error)) from None
    return back("playlists.page", f"{word.removesuffix('e')}ed", uid=uid)


def _publish(change: Change, state: PlaylistState, draft: Revision) -> None:
    known = _creatives(change.connection)
    alone = shown_alone(draft.body, known, state.info, change.at)
    if alone.problem:
        raise ShowError(alone.problem)
    playlists.publish_draft(change.connection, state, change.user.name, change.at)
    before, after = as_notes(_since_published(state, _names(known)))
    old = None if state.published is None else state.published.number
    change.note(
        "playlist.publish",
        target_of(state.info.uid),
        {"revision": old, **before},
        {"revision": draft.number, "name": state.info.name, **after},
    )
    refresh(change.connection, change.user.name, change.at)


def store(change: Change, state: PlaylistState, body: Body) -> None:
    """Store a draft, and what it changes in the audit log."""
    old = state.newest.body
    if body == old:
        return
    by, at = change.user.name, change.at
    playlists.save_draft(change.connection, state, body, seen=state.token, by=by, now=at)
    before, after = as_notes(compare(old, body, _names(_creatives(change.connection))))
    change.note(
        CHANGED,
        target_of(state.info.uid),
        {"draft": token_of(old), **before},
        {"draft": token_of(body), "name": state.info.name, **after},
    )


@contextmanager
def changing_playlist(
    uid: str, *, archived: bool = False, unseen: bool = False
) -> Iterator[tuple[Change, PlaylistState]]:
    """Begin a change of a playlist, which others cannot change meanwhile.

    Args:
        uid: Of the playlist.
        archived: Whether it may be archived.
        unseen: Whether it does not matter which state the form has seen.

    Raises:
        PlaylistChangedError: The form has seen another state.
    """
    with changing() as change:
        with not_found():
            state = playlists.find_playlist(change.connection, uid, change=True)
        if state.info.archived_at is not None and not archived:
            raise ProblemError(
                409, "conflict", _("The playlist is archived. Restore it, then change it.")
            )
        if not unseen:
            playlists.check_seen(state, request.form.get("seen", ""))
        yield change, state


@contextmanager
def not_found() -> Iterator[None]:
    """Answer that there is no such playlist or revision."""
    try:
        yield
    except NoSuchPlaylistError as error:
        raise ProblemError(404, "not_found", str(error)) from None


def _state(uid: str) -> tuple[PlaylistState, Mapping[str, PlannedCreative]]:
    with snapshot(hub_services().engine) as connection, not_found():
        return playlists.find_playlist(connection, uid), _creatives(connection)


def _creatives(connection: Connection) -> Mapping[str, PlannedCreative]:
    return read_plan(connection, ()).creatives


def _names(known: Mapping[str, PlannedCreative]) -> dict[str, str]:
    return {uid: one.name for uid, one in known.items()}


def _pictures(known: Mapping[str, PlannedCreative]) -> list[str]:
    return [
        uid
        for uid, one in known.items()
        if one.approved is not None and one.approved.kind == "image" and not one.is_archived
    ]


def _index(state: PlaylistState, place: int) -> int:
    """Return the index of a place of the draft; refuse one that there is not."""
    count = len(state.newest.body["ads"])
    if not 1 <= place <= count:
        raise ProblemError(
            404,
            "not_found",
            ngettext(
                "There is no ad at this place: the playlist has %(num)s ad.",
                "There is no ad at this place: the playlist has %(num)s ads.",
                count,
            ),
        )
    return place - 1


def _since_published(state: PlaylistState, names: Mapping[str, str]) -> list[Difference]:
    if state.draft is None:
        return []
    old = {"ads": []} if state.published is None else state.published.body
    return compare(old, state.draft.body, names)


def _meanwhile(state: PlaylistState) -> list[tuple[Any, list[Difference]]]:
    """Return what others changed since the state that the form has seen."""
    seen = request.form.get("seen", "")
    with snapshot(hub_services().engine) as connection:
        noted = playlists.changes_since(connection, state.info.uid, seen)
    return [(one, from_notes(one.before, one.after)) for one in noted]


def thumbnails(connection: Connection) -> dict[str, str]:
    """Return the address of a small picture of each ad of the library, by uid."""
    found, _count = list_creatives(connection, EVERYTHING)
    return {
        one.uid: url_for("media.thumbnail", uid=one.uid, number=one.approved or one.newest.number)
        for one in found
    }


def _read_name() -> str:
    missing = lazy("Give the playlist a name, such as Summer or Shop window.")
    return read_name(request.form.get("name", ""), missing)


def shared(state: PlaylistState) -> dict[str, Any]:
    """Return what all pages of one playlist show."""
    may_change = current_user().may(CHANGING) and state.info.archived_at is None
    return {
        "state": state,
        "playlist": state.info,
        "uid": state.info.uid,
        "seen": state.token,
        "bounds": bounds,
        "default_of": default_of,
        "zone": local_zone(),
        "now": now(),
        "may_change": may_change,
        "may_manage": current_user().may(CHANGING),
        "may_publish": current_user().may(*PUBLISHING) and state.info.archived_at is None,
        "done": done(DONE),
    }
