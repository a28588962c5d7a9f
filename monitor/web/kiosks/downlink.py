"""The way down to the kiosks: what their screens are to show, the media for it, and commands."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from db.engine import writing
from db.hub.digests import key_digest
from db.hub.screens.registry import screen_of
from db.hub.shows.commands import CommandAnswer, find_command, finish_command, open_commands
from db.hub.shows.desired import Reported, find_desired, note_report, serial_of
from db.read.experiments import blocks_at_site
from monitor.hub.intake.attachments import AttachmentError, check_attachment
from monitor.hub.library.media_store import MediaStoreError
from monitor.languages import lazy
from monitor.uplink.documents import (
    MAX_ATTACHMENT_BYTES,
    PIECE_BYTES,
    CommandResult,
    DesiredDocument,
    DesiredReport,
    sign,
)
from monitor.uplink.messages import HUB_API
from monitor.web.kiosks.calls import answer, calling_kiosk, no_key, read_message
from monitor.web.request.gates import bearer_token
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import for_kiosks
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from sqlalchemy.engine import Connection

    from db.hub.intake import Sender

logger = logging.getLogger(__name__)

MAX_REPORT = 16 << 10
MAX_RESULT = MAX_ATTACHMENT_BYTES * 4 // 3 + (16 << 10)
"""An attachment in base 64, and the rest of the message."""

blueprint = Blueprint("desired", __name__, url_prefix=HUB_API.rstrip("/"))


@blueprint.get("/desired")
@for_kiosks(max_body=0)
def desired() -> Response:
    """What the kiosk's screen is to show, and what the kiosk is to do, signed for it."""
    sender = calling_kiosk()
    with hub_services().engine.connect() as connection:
        serial, _ = _serial(connection, sender)
        if request.if_none_match.contains(_etag(serial, sender)):
            return _tagged(Response(status=304), serial, sender)
        document = _document(connection, sender)
    signed = sign(document, key_digest(bearer_token() or ""))
    return _tagged(answer(signed), document.serial, sender)


@blueprint.get("/media/<string(length=64):sha256>")
@for_kiosks(max_body=0)
def media(sha256: str) -> Response:
    """A piece of a media file that the kiosk's own document names."""
    sender = calling_kiosk()
    size = _media_of(sender).get(sha256)
    if size is None:
        raise ProblemError(
            404,
            "not_found",
            lazy("What this screen is to show needs no such file: ask for the document again."),
        )
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{sha256}"'}
    asked = _asked_range(size, sha256)
    start, end = asked or (0, size)
    if start >= size:
        headers["Content-Range"] = f"bytes */{size}"
        return Response(status=416, headers=headers)
    headers["Content-Length"] = str(end - start)
    if asked is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    blocks = _blocks(sender, sha256, start, end)
    # The first block is read before anything is answered, so that errors have a status.
    first = next(blocks, b"")
    response = Response(
        _behind(first, blocks),
        200 if asked is None else 206,
        headers=headers,
        content_type="application/octet-stream",
    )
    response.call_on_close(blocks.close)
    return response


@blueprint.post("/desired/report")
@for_kiosks(max_body=MAX_REPORT)
def report() -> Response:
    """What became of the document."""
    sender, said = calling_kiosk(), read_message(DesiredReport)
    reported = Reported(said.version, said.state, said.reason, said.progress)
    with writing(hub_services().engine) as connection:
        _serial(connection, sender)
        if not note_report(connection, sender.screen_id, reported, datetime.now(UTC)):
            raise ProblemError(
                409,
                "unknown_version",
                lazy(
                    "There is no version %(version)s for this screen: ask for the document again.",
                    version=said.version,
                ),
            )
    return Response(status=204)


@blueprint.post("/commands/<string(length=32):uid>")
@for_kiosks(max_body=MAX_RESULT)
def command(uid: str) -> Response:
    """What became of a command, with the picture of the ad or the logs."""
    sender, result = calling_kiosk(), read_message(CommandResult)
    with hub_services().engine.connect() as connection:
        _serial(connection, sender)
        found = find_command(connection, sender.screen_id, uid)
    if found is None:
        raise ProblemError(404, "not_found", lazy("This screen was not asked to do that."))
    if result.attachment is not None:
        try:
            check_attachment(found.kind, result.attachment_type, result.attachment)
        except AttachmentError as error:
            raise ProblemError(400, "bad_attachment", str(error)) from None
    finished = CommandAnswer(
        result.succeeded, result.detail, result.attachment_type, result.attachment
    )
    with writing(hub_services().engine) as connection:
        finish_command(connection, sender.screen_id, uid, finished, datetime.now(UTC))
    return Response(status=204)


def _serial(connection: Connection, sender: Sender) -> tuple[int, int]:
    """Return serial and version for a kiosk whose key is still valid."""
    found = serial_of(connection, sender.key_id)
    if found is None:
        hub_services().senders.clear()
        raise no_key()
    return found


def _etag(serial: int, sender: Sender) -> str:
    # Each key has another signature.
    return f"{serial}-{sender.key_id}"


def _tagged(response: Response, serial: int, sender: Sender) -> Response:
    response.set_etag(_etag(serial, sender))
    return response


def _document(connection: Connection, sender: Sender) -> DesiredDocument:
    now = datetime.now(UTC)
    screen = screen_of(connection, sender.screen_id)
    wanted = find_desired(connection, sender.screen_id)
    content: dict[str, Any] = dict(wanted.content) if wanted is not None else {}
    # Only named in what is stored: blocks never change once they are drawn.
    experiments = content.pop("experiments", ())
    return DesiredDocument.model_validate(
        {
            "version": 0 if wanted is None else wanted.version,
            "serial": 0 if wanted is None else wanted.serial,
            "made_at": now if wanted is None else wanted.made_at,
            "screen": screen.uid,
            "name": screen.place.name,
            **content,
            "experiments": [
                asdict(one) for one in blocks_at_site(connection, experiments, screen.place.site)
            ],
            "commands": [
                {
                    "uid": one.uid,
                    "kind": one.kind,
                    "author": one.author,
                    "expires_at": one.expires_at,
                }
                for one in open_commands(connection, sender.screen_id, now)
            ],
        }
    )


def _media_of(sender: Sender) -> Mapping[str, int]:
    """Return the sizes of the files that a kiosk may fetch now, by their SHA-256."""
    here = hub_services()
    with here.engine.connect() as connection:
        _, version = _serial(connection, sender)
        key = sender.screen_id, version
        found: Mapping[str, int] | None = here.media_of.get(key)
        if found is None:
            wanted = find_desired(connection, sender.screen_id)
            entries = () if wanted is None else wanted.content.get("media", ())
            found = {entry["sha256"]: entry["size"] for entry in entries}
            here.media_of[key] = found
    return found


def _asked_range(size: int, sha256: str) -> tuple[int, int] | None:
    """Return the first byte that is asked for, and the one behind the last, of a piece at most.

    `None` without a range, with several, or with one of another content: for the whole file.
    """
    asked = request.range
    if asked is None or request.if_range.etag not in {None, sha256}:
        return None
    if asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    [(start, end)] = asked.ranges
    if start < 0:
        start = max(0, size + start)  # The last bytes of the file.
    return start, min(size if end is None else end, size, start + PIECE_BYTES)


def _blocks(sender: Sender, sha256: str, start: int, end: int) -> Generator[bytes, None, None]:
    """Yield the bytes of a piece; the kiosk holds one of the places until it ends."""
    here = hub_services()
    with here.media_places.taken(sender.kiosk):
        try:
            yield from here.media.open_range(sha256, start, end)
        except MediaStoreError as error:
            logger.warning("A kiosk cannot have its media: %s", error)
            raise ProblemError(
                503,
                "media_away",
                lazy("The hub cannot read this file now; try again later."),
                retry_after_s=60,
            ) from None


def _behind(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks
