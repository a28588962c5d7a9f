"""The library of a hub: its ads and folders, one ad with its versions, and their approval."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request
from werkzeug.exceptions import BadRequest

from db.engine import snapshot
from db.hub.library import catalogue, folders, uploads
from db.hub.library.contents import SORTS, Choice, Decision, LibraryError
from db.hub.shows.playlists import playlists_with
from detector.emotion.labels import EMOTIONS
from monitor.hub.forms import FormError, read_name
from monitor.hub.library.media_check import warning_words
from monitor.hub.library.shown_form import numbers_text, read_shown
from monitor.hub.shows.publishing import ShowError, refresh
from monitor.languages import lazy
from monitor.languages.words import WORDS
from monitor.settings.time_zone import local_zone
from monitor.web.hub.accounts import current_user
from monitor.web.hub.changes import back, changing, done, now
from monitor.web.hub.library_scope import (
    explained,
    scope,
    seen_creative,
    seen_folder,
    seen_version,
)
from monitor.web.pages.library_uploads import SENDERS
from monitor.web.request.paging import asked_page, entries_before, page_count
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import EVERYBODY, requires
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection
    from werkzeug.wrappers import Response

    from db.hub.library.contents import CreativeInfo, Version
    from monitor.web.hub.changes import Change

PAGE_SIZE = 48

EDITING, DECIDING = "editor", "approver"
"""Roles that change ads and that approve them, besides administrators."""

DONE = {
    "sent": lazy("The file is in the library. It waits for approval."),
    "changed": lazy("Saved. The change waits for approval."),
    "saved": lazy("Saved."),
    "same": lazy("Nothing was changed."),
    "archived": lazy("The ad was archived. No screen shows it any more; its figures are kept."),
    "restored": lazy("The ad is back in the library."),
    "deleted": lazy("The ad was deleted. Its figures are kept."),
    "again": lazy("The older version is the newest one again. It waits for approval."),
    "approved": lazy("Approved. Screens may show it from now on."),
    "rejected": lazy("Rejected. The reason is on the page of the ad."),
    "kept": lazy(
        "Rejected. Some screens have nothing else to show, so they keep what they have until "
        "something is booked for them."
    ),
    "removed": lazy("Removed."),
    "folder": lazy("The folder was added."),
    "renamed": lazy("The folder was renamed."),
    "gone": lazy("The folder was deleted."),
}
"""What a page says after a change, by the word in its address."""

APPROVALS = {
    "pending": lazy("waits for approval"),
    "approved": lazy("approved"),
    "rejected": lazy("rejected"),
}

KINDS = {"image": lazy("picture"), "animation": lazy("animation"), "video": lazy("video")}

SORT_WORDS = {
    "newest": lazy("newest first"),
    "name": lazy("by name"),
    "length": lazy("longest first"),
    "size": lazy("largest first"),
}

blueprint = Blueprint("library", __name__, url_prefix="/library")


@blueprint.get("")
@requires(*EVERYBODY, scope="read")
def listing() -> str:
    """The ads of the library, as a grid or a list."""
    choice, page = _choice(), asked_page()
    with snapshot(hub_services().engine) as connection:
        found, count = catalogue.list_creatives(
            connection, scope(), choice, limit=PAGE_SIZE, offset=entries_before(page, PAGE_SIZE)
        )
        known = folders.list_folders(connection, scope())
        waiting = len(catalogue.waiting_creatives(connection, scope()))
        mine = uploads.list_uploads(connection, current_user().id) if may_send() else []
    chosen = {name: value for name, value in asdict(choice).items() if value}
    return render_template(
        "library.html",
        creatives=found,
        count=count,
        page=page,
        pages=page_count(count, PAGE_SIZE, page),
        choice=choice,
        chosen=chosen | ({"view": "list"} if _as_list() else {}),
        as_list=_as_list(),
        folders=known,
        waiting=waiting,
        uploads=mine,
        sorts=SORT_WORDS,
        is_filtered=bool(chosen.keys() - {"sort"}),
        **_shared(),
    )


@blueprint.get("/approvals")
@requires(DECIDING, scope="read")
def queue() -> str:
    """What waits for approval, the oldest first."""
    with snapshot(hub_services().engine) as connection:
        found = catalogue.waiting_creatives(connection, scope())
        approvers = catalogue.approvers(connection)
    return render_template(
        "library_approvals.html", creatives=found, approvers=approvers, **_shared()
    )


@blueprint.get("/<string(length=32):uid>")
@requires(*EVERYBODY, scope="read")
def page(uid: str) -> str:
    """One ad: preview, facts, versions, where it is used."""
    return _page(uid)


@blueprint.post("/<string(length=32):uid>/shown")
@requires(*SENDERS, scope="library")
def edit(uid: str) -> Response | tuple[str, int]:
    """Change how an ad is shown; an agency changes its dates only."""
    dates_only = current_user().role == "agency"
    try:
        with changing() as change:
            creative = seen_creative(change.connection, uid)
            shown = read_shown(request.form, creative.newest, dates_only=dates_only)
            before = creative.newest.shown
            if shown == before:
                return back("library.page", "same", uid=uid)
            number = catalogue.change_shown(
                change.connection, creative, shown, change.user.name, change.at
            )
            after = _written(shown.values()) | {"version": number}
            _note(change, "library.edit", creative, _written(before.values()), after)
    except FormError as error:
        return _page(uid, problems=error.problems), 400
    return back("library.page", "changed", uid=uid)


@blueprint.post("/<string(length=32):uid>/name")
@requires(EDITING, scope="library")
def rename(uid: str) -> Response | tuple[str, int]:
    """Call an ad something else."""
    try:
        name = _read_name()
    except FormError as error:
        return _page(uid, problems=error.problems), 400
    with changing() as change:
        creative = seen_creative(change.connection, uid)
        catalogue.rename_creative(change.connection, creative, name)
        _note(change, "library.rename", creative, {"name": creative.name}, {"name": name})
    return back("library.page", "saved", uid=uid)


@blueprint.post("/<string(length=32):uid>/folder")
@requires(EDITING, scope="library")
def move(uid: str) -> Response:
    """Move an ad into another folder."""
    with changing() as change:
        creative = seen_creative(change.connection, uid)
        folder = seen_folder(change.connection, _text("folder"))
        catalogue.move_creative(change.connection, creative, folder)
        before, after = {"folder": creative.folder.name}, {"folder": folder.name}
        _note(change, "library.move", creative, before, after)
    return back("library.page", "saved", uid=uid)


@blueprint.post("/<string(length=32):uid>/archive")
@requires(EDITING, scope="library")
def archive(uid: str) -> Response:
    """Take an ad off the lists and screens."""
    with changing() as change:
        creative = seen_creative(change.connection, uid)
        catalogue.archive_creative(change.connection, creative, change.at)
        _note(change, "library.archive", creative)
        _refresh(change)
    return back("library.page", "archived", uid=uid)


@blueprint.post("/<string(length=32):uid>/restore")
@requires(EDITING, scope="library")
def restore(uid: str) -> Response:
    """Bring an archived ad back."""
    with changing() as change:
        creative = seen_creative(change.connection, uid)
        catalogue.archive_creative(change.connection, creative, None)
        _note(change, "library.restore", creative)
        _refresh(change, keep_empty=True)
    return back("library.page", "restored", uid=uid)


@blueprint.post("/<string(length=32):uid>/delete")
@requires()
def delete(uid: str) -> Response:
    """Delete an archived ad that no playlist lists."""
    with changing() as change:
        creative = seen_creative(change.connection, uid)
        used = playlists_with(change.connection, uid)
        with explained():
            if creative.archived_at is None or used:
                raise LibraryError(
                    lazy("Archive the ad, and take it off all playlists, before it is deleted.")
                )
        catalogue.delete_creative(change.connection, creative)
        _note(change, "library.delete", creative, {"name": creative.name})
    return back("library.listing", "deleted")


@blueprint.post("/<string(length=32):uid>/versions/<int:number>/again")
@requires(EDITING, scope="library")
def again(uid: str, number: int) -> Response:
    """Make an older version the newest one."""
    with changing() as change:
        creative, version = seen_version(change.connection, uid, number)
        new = catalogue.copy_version(
            change.connection, creative, version, change.user.name, change.at
        )
        _note(change, "library.again", creative, after={"version": new, "from": number})
    return back("library.page", "again", uid=uid)


@blueprint.post("/<string(length=32):uid>/versions/<int:number>/decide")
@requires(DECIDING, scope="library")
def decide(uid: str, number: int) -> Response:
    """Approve or reject a version."""
    verdict, reason = _text("decision"), " ".join(_text("reason").split())[:500]
    if verdict not in {"approved", "rejected"}:
        raise BadRequest(lazy("Choose whether the ad is approved or rejected."))
    if verdict == "rejected" and not reason:
        raise BadRequest(lazy("A rejection needs a reason, so that its sender can act on it."))
    with changing() as change:
        creative, version = seen_version(change.connection, uid, number)
        if request.form.get("seen", version.shown.digest) != version.shown.digest:
            raise ProblemError(
                409,
                "conflict",
                lazy("Somebody changed the ad since you looked at it. Look again, then decide."),
            )
        is_own = version.uploaded_by == change.user.name
        others = set(catalogue.approvers(change.connection)) - {change.user.name}
        if is_own and others:
            raise ProblemError(
                403,
                "forbidden",
                lazy(
                    "You sent this version yourself, so somebody else has to decide: %(names)s.",
                    names=", ".join(sorted(others)[:5]),
                ),
            )
        before = {"approval": version.decision.approval, "reason": version.decision.reason}
        decision = Decision(verdict, change.at, change.user.name, reason)
        catalogue.decide(change.connection, version, decision)
        after: dict[str, Any] = {"approval": verdict, "reason": reason, "version": number}
        if is_own:
            after["own"] = True
        _note(change, "library.decide", creative, before, after)
        if not _refresh(change, keep_empty=True) and verdict == "rejected":
            verdict = "kept"
    if request.form.get("next") == "queue":
        return back("library.queue", verdict)
    return back("library.page", verdict, uid=uid)


@blueprint.get("/folders")
@requires()
def folder_page() -> str:
    """The folders, and which of them belong to agencies."""
    return _folder_page()


@blueprint.post("/folders")
@requires(scope="library")
def add_folder() -> Response | tuple[str, int]:
    """Add a folder."""
    try:
        name = _read_name()
    except FormError as error:
        return _folder_page(error.problems), 400
    try:
        with changing() as change:
            folders.create_folder(change.connection, name, change.at)
            change.note("folder.create", f"folder {name}", after={"name": name})
    except LibraryError as error:
        return _folder_page({"new-name": str(error)}, name), 409
    return back("library.folder_page", "folder")


@blueprint.post("/folders/<string(length=32):uid>/name")
@requires(scope="library")
def rename_folder(uid: str) -> Response | tuple[str, int]:
    """Call a folder something else."""
    try:
        name = _read_name()
    except FormError as error:
        return _folder_page(error.problems), 400
    with changing() as change, explained():
        before = folders.rename_folder(change.connection, uid, name)
        change.note("folder.rename", f"folder {before.name}", {"name": before.name}, {"name": name})
    return back("library.folder_page", "renamed")


@blueprint.post("/folders/<string(length=32):uid>/delete")
@requires(scope="library")
def delete_folder(uid: str) -> Response:
    """Delete a folder that holds nothing."""
    with changing() as change, explained():
        before = folders.delete_folder(change.connection, uid)
        change.note("folder.delete", f"folder {before.name}", {"name": before.name})
    return back("library.folder_page", "gone")


def may_send() -> bool:
    """Whether the person may send files into the library."""
    return current_user().may(*SENDERS)


def _page(uid: str, problems: Mapping[str, str] | None = None) -> str:
    with snapshot(hub_services().engine) as connection:
        creative = seen_creative(connection, uid)
        versions = catalogue.list_versions(connection, creative)
        shown = _asked_version(versions)
        is_agency = scope().folder_id is not None
        return render_template(
            "library_ad.html",
            creative=creative,
            versions=versions,
            shown=shown,
            form=_form(shown) if problems is None else request.form,
            chosen_moods=request.form.getlist("mood") if problems else shown.shown.moods,
            problems=problems or {},
            used=[] if is_agency else playlists_with(connection, uid),
            folders=[] if is_agency else folders.list_folders(connection, scope()),
            uploads=[
                one
                for one in (_my_uploads(connection) if may_send() else [])
                if one.creative_uid == uid
            ],
            may_decide=_may_decide(connection, shown),
            all_moods={mood: WORDS[mood] for mood in EMOTIONS},
            numbers_text=numbers_text,
            **_shared(),
        )


def _folder_page(problems: Mapping[str, str] | None = None, typed: str = "") -> str:
    with snapshot(hub_services().engine) as connection:
        known = folders.list_folders(connection, scope())
        agencies = folders.agencies(connection)
    return render_template(
        "library_folders.html",
        folders=known,
        agencies=agencies,
        problems=problems or {},
        typed=typed,
        **_shared(),
    )


def _shared() -> dict[str, Any]:
    user = current_user()
    return {
        "zone": local_zone(),
        "now": now(),
        "may_send": may_send(),
        "may_edit": user.may(EDITING),
        "may_approve": user.may(DECIDING),
        "is_admin": user.may(),
        "is_agency": user.role == "agency",
        "approvals": APPROVALS,
        "kinds": KINDS,
        "warning_words": warning_words,
        "who": _who,
        "done": done(DONE),
    }


def _who(name: str | None) -> str:
    """Return a name as the person may see it: an agency learns no names but its own."""
    user = current_user()
    if name is None or user.role != "agency" or name == user.name:
        return name or ""
    return str(lazy("the team of the hub"))


def _may_decide(connection: Connection, version: Version) -> bool:
    user = current_user()
    if not user.may(DECIDING):
        return False
    others = set(catalogue.approvers(connection)) - {user.name}
    return version.uploaded_by != user.name or not others


def _my_uploads(connection: Connection) -> list[uploads.UploadInfo]:
    return uploads.list_uploads(connection, current_user().id)


def _asked_version(versions: list[Version]) -> Version:
    asked = request.args.get("version", "")
    if not asked:
        return versions[0]
    for version in versions:
        if str(version.number) == asked:
            return version
    raise ProblemError(404, "not_found", lazy("The ad has no such version."))


def _form(version: Version) -> dict[str, str]:
    shown = version.shown
    return {
        "duration_s": "" if shown.duration_s is None else f"{shown.duration_s:g}",
        "brand_at_s": numbers_text(shown.brand_at_s),
        "first_day": "" if shown.first_day is None else shown.first_day.isoformat(),
        "last_day": "" if shown.last_day is None else shown.last_day.isoformat(),
    }


def _written(values: dict[str, Any]) -> dict[str, Any]:
    """Return columns as the audit log keeps them."""
    days = {key: None if values[key] is None else str(values[key]) for key in _DAY_COLUMNS}
    return values | days


_DAY_COLUMNS = ("first_day", "last_day")


def _choice() -> Choice:
    given = {name: request.args.get(name, "").strip()[:80] for name in ("folder", "search")}
    approval, kind, sort = (request.args.get(name, "") for name in ("approval", "kind", "sort"))
    return Choice(
        **given,
        approval=approval if approval in APPROVALS else "",
        kind=kind if kind in KINDS else "",
        archived=request.args.get("archived") == "1",
        sort=sort if sort in SORTS else "newest",
    )


def _as_list() -> bool:
    return request.args.get("view") == "list"


def _text(name: str) -> str:
    text = request.form.get(name, "")
    if "\0" in text:
        raise BadRequest(lazy("A field of the form holds a zero character: expected text."))
    return text


def _read_name() -> str:
    return read_name(_text("name"), lazy("Name: expected text."))


def _refresh(change: Change, *, keep_empty: bool = False) -> bool:
    """Let screens show what they may from now on.

    Returns:
        Whether all have something to show; others keep what they have, with `keep_empty`.
    """
    try:
        outcome = refresh(change.connection, change.user.name, change.at, keep_empty=keep_empty)
    except ShowError as error:
        raise ProblemError(409, "in_use", str(error)) from error
    return not outcome.refusal


def _note(
    change: Change,
    action: str,
    creative: CreativeInfo,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    change.note(action, f"ad {creative.ad_id}", before, after)
