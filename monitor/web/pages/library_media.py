"""The files of the library for the people who see them: stills made here, and originals in parts.

An original was sent by somebody, so it comes with a fixed type, as a download, and without any
right to do something in a browser. Tested in `test_library.py` and `test_library_uploads.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from db.hub.library.media import read_picture
from monitor.hub.library.media_store import MediaStoreError
from monitor.languages import lazy
from monitor.web.hub.library_scope import seen_version, store_away
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import EVERYBODY, requires
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from db.hub.library.contents import Version

PIECE_BYTES = 1 << 20
"""The most bytes of a video in one answer: the server keeps answers in memory."""

MAX_WHOLE_BYTES = 16 << 20
"""Of a file that is asked for in one piece."""

TYPES = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "image/jpeg"),
    **dict.fromkeys((".png", ".apng"), "image/png"),
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".qt"), "video/mp4"),
    **dict.fromkeys((".webm", ".mkv"), "video/webm"),
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ogv": "video/ogg",
}
"""What browsers can show; everything else is just bytes."""

ISOLATED = "default-src 'none'; sandbox"

blueprint = Blueprint("media", __name__, url_prefix="/library")


@blueprint.get("/<string(length=32):uid>/versions/<int:number>/thumbnail.jpg")
@requires(*EVERYBODY, scope="read")
def thumbnail(uid: str, number: int) -> Response:
    """A still of a version."""
    return _picture(uid, number, "thumbnail")


@blueprint.get("/<string(length=32):uid>/versions/<int:number>/strip.jpg")
@requires(*EVERYBODY, scope="read")
def strip(uid: str, number: int) -> Response:
    """Stills along the time of a version."""
    return _picture(uid, number, "strip")


def _picture(uid: str, number: int, which: str) -> Response:
    with hub_services().engine.connect() as connection:
        _, version = seen_version(connection, uid, number)
        etag = f"{version.media.sha256}-{which}"
        jpeg = None
        if etag not in request.if_none_match:
            jpeg = read_picture(connection, version, which)
            if jpeg is None:
                raise ProblemError(404, "not_found", lazy("There is no preview of this file."))
    response = Response(jpeg or b"", 200 if jpeg else 304, content_type="image/jpeg")
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Security-Policy"] = ISOLATED
    return response


@blueprint.get("/<string(length=32):uid>/versions/<int:number>/file")
@requires(*EVERYBODY, scope="read")
def original(uid: str, number: int) -> Response:
    """The file of a version, or a part of it."""
    with hub_services().engine.connect() as connection:
        _, version = seen_version(connection, uid, number)
    size = version.media.size
    start, end, status = 0, size, 200
    if request.range is not None:
        span = request.range.range_for_length(size)
        if span is None:
            headers = {"Content-Range": f"bytes */{size}"}
            return Response(status=416, headers=headers)
        start, end, status = span[0], min(span[1], span[0] + PIECE_BYTES), 206
    elif size > MAX_WHOLE_BYTES and request.method != "HEAD":
        raise ProblemError(
            413,
            "too_large",
            lazy(
                "The file is too large for one answer: ask for it in parts, with the header Range."
            ),
        )
    try:
        blocks = hub_services().media.open_range(version.media.sha256, start, end)
    except MediaStoreError as error:
        raise store_away(error) from error
    response = Response(blocks, status, headers=_headers(version))
    response.content_length = end - start
    if status == 206:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response


def _headers(version: Version) -> dict[str, str]:
    ending = version.media.ending
    return {
        "Content-Type": TYPES.get(ending, "application/octet-stream"),
        "Content-Disposition": f'attachment; filename="{version.media.sha256[:16]}{ending}"',
        "Content-Security-Policy": ISOLATED,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "ETag": f'"{version.media.sha256}"',
    }
