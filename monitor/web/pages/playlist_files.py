"""Playlists as files: importing one into a draft, and exporting one with its media."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template, request

from db.engine import snapshot
from db.hub.library.catalogue import files_of_creatives
from db.hub.shows import playlists
from db.hub.shows.desired import read_plan
from db.hub.shows.playlists import (
    MAX_NAME_LENGTH,
    PlaylistChangedError,
    target_of,
)
from monitor.hub.playlists.files import (
    MAX_FILE_BYTES,
    Library,
    PlaylistFileError,
    read_file,
    write_file,
    zipped,
)
from monitor.languages import _, lazy
from monitor.web.hub.changes import changing
from monitor.web.pages.playlists import (
    CHANGING,
    MAX_ADS,
    changing_playlist,
    conflict,
    not_found,
    shared,
    store,
)
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import requires
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from db.hub.shows.desired import ApprovedVersion
    from monitor.hub.playlists.files import Exported, Imported

MAX_ZIP_BYTES = 2 << 30
"""Of the media of one archive; it is made while it is sent."""

blueprint = Blueprint("playlist_files", __name__, url_prefix="/playlists")
blueprint.register_error_handler(PlaylistChangedError, conflict)


@blueprint.post("/import")
@requires(CHANGING)
def read_new() -> tuple[str, int]:
    """Make a playlist from a file."""
    name, found = _read()
    with changing() as change:
        title = (PurePosixPath(name).stem.strip() or _("Imported"))[:MAX_NAME_LENGTH]
        by = change.user.name
        made = playlists.create_playlist(change.connection, title, by, change.at, found.body)
        after = {"name": title, "file": name, "missing": list(found.missing)}
        change.note("playlist.create", target_of(made.uid), after=after)
    return _result(made.uid, name, found)


@blueprint.post("/<string(length=32):uid>/import")
@requires(CHANGING)
def read_into(uid: str) -> tuple[str, int]:
    """Replace the draft of a playlist by what a file says."""
    name, found = _read()
    with changing_playlist(uid) as (change, state):
        body = {key: value for key, value in state.newest.body.items() if key in _OUTSIDE}
        store(change, state, {**body, **found.body})
    return _result(uid, name, found)


_OUTSIDE = {"policy", "guard_rails"}
"""Keys that a playlist file does not have: those of the draft stay."""


@blueprint.get("/<string(length=32):uid>/playlist.yaml")
def export(uid: str) -> Response:
    """The playlist as a file that `ad-monitor run --playlist` takes."""
    name, exported = _exported(uid)
    headers = {"Content-Disposition": f'attachment; filename="{name}.yaml"'}
    return Response(exported.text, headers=headers, content_type="application/yaml; charset=utf-8")


@blueprint.get("/<string(length=32):uid>/playlist.zip")
def export_all(uid: str) -> Response:
    """The playlist as a file, with its media."""
    name, exported = _exported(uid)
    if sum(version.size for version in exported.media.values()) > MAX_ZIP_BYTES:
        raise ProblemError(
            413,
            "too_large",
            lazy(
                "The media of this playlist are larger than 2 GB. Export the playlist file alone."
            ),
        )
    media = hub_services().media

    def blocks(version: ApprovedVersion) -> Iterable[bytes]:
        return media.open_range(version.sha256, 0, version.size)

    for version in exported.media.values():
        if not media.exists(version.sha256):
            raise ProblemError(
                503, "busy", lazy("A file of this playlist is not in the media store now.")
            )
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
    parts = zipped(exported, f"{name}.yaml", blocks)
    return Response(parts, headers=headers, content_type="application/zip")


def _exported(uid: str) -> tuple[str, Exported]:
    """Return a name for the file, and the published or the draft body as `which` asks."""
    with snapshot(hub_services().engine) as connection, not_found():
        state = playlists.find_playlist(connection, uid)
        known = read_plan(connection, ()).creatives
    wanted = state.published if request.args.get("which") == "published" else None
    exported = write_file((wanted or state.newest).body, known)
    name = re.sub(r"[^A-Za-z0-9-]+", "-", state.info.name).strip("-").lower()
    return name or "playlist", exported


def _read() -> tuple[str, Imported]:
    """Return the name of the uploaded file, and what it says."""
    sent = request.files.get("file")
    name = PurePosixPath((sent.filename or "").replace("\\", "/")).name if sent else ""
    if sent is None or not name:
        raise ProblemError(400, "bad_request", lazy("Choose a playlist file first."))
    content = sent.stream.read(MAX_FILE_BYTES + 1)
    try:
        with snapshot(hub_services().engine) as connection, hub_services().reports.taken():
            found = read_file(name, content, _library(connection))
    except PlaylistFileError as error:
        raise ProblemError(422, "bad_request", " ".join(error.sentences)) from None
    if len(found.body["ads"]) > MAX_ADS:
        raise ProblemError(422, "bad_request", lazy("A playlist has at most 1,000 ads."))
    return name, found


def _library(connection: Connection) -> Library:
    files = files_of_creatives(connection)
    return Library(
        read_plan(connection, ()).creatives,
        {uid: [name for name, _sha256 in some] for uid, some in files.items()},
        {uid: [sha256 for _name, sha256 in some] for uid, some in files.items()},
    )


def _result(uid: str, name: str, found: Imported) -> tuple[str, int]:
    with snapshot(hub_services().engine) as connection:
        state = playlists.find_playlist(connection, uid)
    page = render_template("playlist_imported.html", file=name, found=found, **shared(state))
    return page, 201
