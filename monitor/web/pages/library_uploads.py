"""Files for the library: a protocol in parts for scripts, which resumes, and a form without one.

1. `POST /library/uploads`, a form with `folder` or `creative`, `name`, `size` and `fingerprint`:
   answers the `uid`, the `offset` from which on to send, and the size of each `part`.
2. `PATCH /library/uploads/UID` with the headers `Upload-Offset` and `Upload-Checksum` (`crc32` or
   `sha256`, a space, hexadecimal digits): a part; 204 with the new `Upload-Offset`, or 409 with the
   one that is expected.
3. `GET` or `HEAD /library/uploads/UID`: `Upload-Offset`, after anything went wrong.
4. `POST /library/uploads/UID/finish`: the ad's address, or 422 with why it cannot be shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, Response, request, url_for
from werkzeug.exceptions import BadRequest

from db.hub.library import folders, uploads
from monitor.hub.library.media_check import FileRefusedError
from monitor.hub.library.media_store import MediaStoreError
from monitor.hub.library.uploads import (
    PART_BYTES,
    Target,
    UploadGoneError,
    UploadLimitError,
    Uploads,
    WrongPartError,
)
from monitor.languages import lazy, ngettext
from monitor.web.hub.accounts import current_user
from monitor.web.hub.changes import back, changing, now
from monitor.web.hub.library_scope import scope, seen_creative, seen_folder, store_away
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import requires, takes_files, takes_parts
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection
    from werkzeug.wrappers import Response as AnyResponse

    from db.hub.library.contents import FolderInfo
    from db.hub.library.uploads import UploadInfo

SENDERS = ("editor", "agency")
"""Roles that send files, besides administrators."""

MAX_FORM = 4 << 10
"""Of what begins an upload."""

blueprint = Blueprint("uploads", __name__, url_prefix="/library")


@blueprint.post("/uploads")
@requires(*SENDERS, scope="library")
@takes_parts(max_body=MAX_FORM)
def begin() -> dict[str, Any]:
    """Expect a file, or say how far one has come that broke off."""
    form = request.form
    try:
        size = int(form.get("size", ""))
    except ValueError:
        raise BadRequest(lazy("Invalid size: expected a number of bytes.")) from None
    target = _target(form.get("creative", ""), form.get("folder", ""))
    upload = _explained(
        lambda: desk().begin(
            current_user(),
            target,
            form.get("name", ""),
            size,
            now(),
            fingerprint=form.get("fingerprint", "")[:100],
        )
    )
    return {
        "uid": upload.uid,
        "address": url_for("uploads.state", uid=upload.uid),
        "offset": upload.received,
        "part": PART_BYTES,
    }


@blueprint.get("/uploads/<string(length=32):uid>")
@requires(*SENDERS, scope="library")
def state(uid: str) -> Response:
    """Say how much of a file has arrived."""
    upload = _found(uid)
    return Response(status=204, headers=_offset(upload.received))


@blueprint.patch("/uploads/<string(length=32):uid>")
@requires(*SENDERS, scope="library")
@takes_parts(max_body=PART_BYTES)
def receive(uid: str) -> Response:
    """Take the next part of a file."""
    offset = request.headers.get("Upload-Offset", "")
    if not (offset.isascii() and offset.isdecimal() and len(offset) < 16):
        raise BadRequest(lazy("Invalid header Upload-Offset: expected a number of bytes."))
    checksum = request.headers.get("Upload-Checksum", "")
    with hub_services().parts.taken():
        upload, content = _found(uid), request.get_data(cache=False)
        try:
            received = _explained(
                lambda: desk().receive(upload, int(offset), content, checksum, now())
            )
        except WrongPartError as error:
            return Response(f"{error}\n", 409, _offset(error.offset), content_type="text/plain")
    return Response(status=204, headers=_offset(received))


@blueprint.post("/uploads/<string(length=32):uid>/finish")
@requires(*SENDERS, scope="library")
@takes_parts(max_body=MAX_FORM)
def finish(uid: str) -> dict[str, Any] | Response:
    """Look into a file that has arrived, and store it."""
    upload = _found(uid)
    target = _target_of(upload)
    with hub_services().examining.taken():
        try:
            stored = _explained(lambda: desk().finish(current_user(), upload, target, now()))
        except WrongPartError as error:
            return Response(f"{error}\n", 409, _offset(error.offset), content_type="text/plain")
    return {"address": url_for("library.page", uid=stored.uid), "number": stored.number}


@blueprint.post("/uploads/<string(length=32):uid>/remove")
@requires(*SENDERS, scope="library")
@takes_parts(max_body=MAX_FORM)
def remove(uid: str) -> AnyResponse:
    """Forget a file that broke off or was refused."""
    _explained(lambda: desk().abandon(_found(uid)))
    return back("library.listing", "removed")


@blueprint.post("/files")
@requires(*SENDERS, scope="library")
@takes_files
def send() -> AnyResponse:
    """Store the files of a form: for browsers without a script."""
    target = _target(request.form.get("creative", ""), request.form.get("folder", ""))
    files = [file for file in request.files.getlist("file") if file.filename]
    if not files or (target.creative is not None and len(files) > 1):
        raise BadRequest(lazy("Choose a picture or video first, and only one for a new version."))
    refused, stored = [], None
    with hub_services().examining.taken():
        for file in files:
            name, stream = file.filename or "", cast("Any", file.stream)
            try:
                stored = desk().take_whole(current_user(), target, name, stream, now())
            except FileRefusedError as error:
                refused.append(str(error))
            except MediaStoreError as error:
                raise store_away(error) from error
    if refused:
        kept = len(files) - len(refused)
        if kept:
            refused.append(
                ngettext("%(num)s other file was stored.", "%(num)s other files were stored.", kept)
            )
        raise refusal("\n".join(refused))
    if target.creative is not None or len(files) == 1:
        return back("library.page", "sent", uid=stored.uid if stored else "")
    return back("library.listing", "sent")


def desk() -> Uploads:
    """Return what takes files into the library of the hub of the current request."""
    here = hub_services()
    max_bytes = round(here.settings.max_upload * 1e9)
    return Uploads(here.engine, here.media, max_bytes)


def refusal(why: str) -> ProblemError:
    """Return the answer to a file that cannot become an ad."""
    return ProblemError(422, "file_refused", why)


def _explained(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except FileRefusedError as error:
        raise refusal(str(error)) from error
    except UploadLimitError as error:
        raise ProblemError(429, "no_room", str(error), retry_after_s=60) from error
    except UploadGoneError as error:
        raise _gone() from error
    except MediaStoreError as error:
        raise store_away(error) from error


def _target(creative: str, folder: str) -> Target:
    """Return where a new file goes: to a creative, a folder, or the first folder there is."""
    if "\0" in creative + folder:
        raise BadRequest(lazy("A field of the form holds a zero character: expected text."))
    with hub_services().engine.connect() as connection:
        if creative:
            found = seen_creative(connection, creative)
            return Target(found.folder, found)
        if folder:
            return Target(seen_folder(connection, folder))
        known = folders.list_folders(connection, scope())
    return Target(known[0] if known else _first_folder())


def _first_folder() -> FolderInfo:
    """Return a new folder for a library that has none; an agency without its own gets none."""
    if scope().folder_id is not None:
        raise ProblemError(
            403,
            "forbidden",
            lazy("Your account has no folder yet. Ask an administrator of the hub for one."),
        )
    with changing() as change:
        # Another file may have made it meanwhile.
        known = folders.list_folders(change.connection, scope())
        if known:
            return known[0]
        folder = folders.create_folder(change.connection, "General", change.at)
        change.note("folder.create", f"folder {folder.name}", after={"name": folder.name})
    return folder


def _target_of(upload: UploadInfo) -> Target:
    """Return where an upload goes, if its sender may still send something there."""
    with hub_services().engine.connect() as connection:
        if upload.creative_uid is not None:
            creative = seen_creative(connection, upload.creative_uid)
            return Target(creative.folder, creative)
        return Target(_folder_of(connection, upload))


def _folder_of(connection: Connection, upload: UploadInfo) -> FolderInfo:
    for folder in folders.list_folders(connection, scope()):
        if folder.id == upload.folder_id:
            return folder
    raise _gone()


def _found(uid: str) -> UploadInfo:
    with hub_services().engine.connect() as connection:
        upload = uploads.find_upload(connection, current_user().id, uid)
    if upload is None:
        raise _gone()
    return upload


def _gone() -> ProblemError:
    return ProblemError(
        404,
        "not_found",
        lazy("This upload is over, or waited for more than a day. Send the file again."),
    )


def _offset(received: int) -> dict[str, str]:
    return {"Upload-Offset": str(received)}
