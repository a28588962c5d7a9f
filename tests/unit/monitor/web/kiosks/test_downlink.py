"""The way down to the kiosks: documents, media and commands."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import zstandard
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from PIL import Image

from db.engine import writing
from db.hub.digests import key_digest
from db.hub.screens.pairing import revoke
from db.hub.shows.bookings import BookingPlan, add_booking
from db.hub.shows.commands import add_commands, find_attachment, list_commands
from db.hub.shows.desired import find_desired
from db.transfer.envelope import pack
from monitor.hub.shows.publishing import refresh
from monitor.uplink.documents import PIECE_BYTES, SignedDocument, verify
from monitor.uplink.messages import HUB_API
from monitor.web.api.hub_calls import HUB_CALLS
from monitor.web.api.openapi import description
from monitor.web.services import HubServices
from tests.helpers.hub_shows import add_creative, add_playlist
from tests.helpers.simulated_kiosks import PATH, SimulatedKiosk

CLIP = bytes(range(256)) * (PIECE_BYTES // 128)
"""Two pieces and a bit."""
SHA256 = hashlib.sha256(CLIP).hexdigest()
NOW = datetime.now(UTC)


@pytest.fixture
def kiosk(here: HubServices) -> SimulatedKiosk:
    kiosk = SimulatedKiosk(1)
    kiosk.screen = kiosk.join(here.engine)
    return kiosk


@pytest.fixture
def clip(here: HubServices, tmp_path: Path) -> str:
    """A clip in the library that is booked for all screens."""
    file = tmp_path / "clip.mp4"
    file.write_bytes(CLIP)
    here.media.put(file, SHA256)
    with writing(here.engine) as connection:
        uid = add_creative(connection, "clip", content=CLIP, ending=".mp4")
        playlist = add_playlist(connection, [{"creative": uid}])
        add_booking(connection, BookingPlan(playlist), "eva", NOW)
        refresh(connection, "eva", NOW)
    return SHA256


def call(hub: FlaskClient, kiosk: SimulatedKiosk, path: str, **headers: str) -> Any:
    headers = {"Authorization": f"Bearer {kiosk.key}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return hub.get(HUB_API + path, headers=headers)


def tell(hub: FlaskClient, kiosk: SimulatedKiosk, path: str, message: Any) -> Any:
    headers = {"Authorization": f"Bearer {kiosk.key}", "Content-Type": "application/json"}
    return hub.post(HUB_API + path, data=json.dumps(message), headers=headers)


def document(hub: FlaskClient, kiosk: SimulatedKiosk) -> Any:
    answer = call(hub, kiosk, "desired")
    assert answer.status_code == 200
    return verify(SignedDocument.model_validate_json(answer.data), key_digest(kiosk.key))


def test_before_anything_is_published_a_screen_keeps_what_it_has(hub, kiosk):
    found = document(hub, kiosk)
    assert (found.version, found.playlist, found.commands) == (0, None, ())
    assert found.name == "Entrance"


def test_a_document_is_signed_for_its_kiosk_and_sent_once(hub, here, kiosk, clip):
    found = document(hub, kiosk)
    assert (found.version, found.media[0].sha256, found.media[0].size) == (1, clip, len(CLIP))
    assert found.playlist["ads"][0]["file"] == f"{clip}.mp4"
    etag = call(hub, kiosk, "desired").headers["ETag"]
    again = call(hub, kiosk, "desired", If_None_Match=etag)
    assert (again.status_code, again.data) == (304, b"")
    # Another kiosk with another key gets another signature, and no 304.
    other = SimulatedKiosk(2)
    other.join(here.engine, "Exit")
    assert call(hub, other, "desired", If_None_Match=etag).status_code == 200


def test_a_command_is_sent_once_and_moves_the_serial_only(hub, here, kiosk, clip):
    etag = call(hub, kiosk, "desired").headers["ETag"]
    with writing(here.engine) as connection:
        add_commands(connection, [kiosk.screen], "identify", "tom", NOW - timedelta(hours=1))
        [uid] = add_commands(connection, [kiosk.screen], "identify", "tom", datetime.now(UTC))
    assert call(hub, kiosk, "desired", If_None_Match=etag).status_code == 200
    found = document(hub, kiosk)
    assert (found.version, [one.uid for one in found.commands]) == (1, [uid])
    assert (found.commands[0].kind, found.commands[0].author) == ("identify", "tom")
    assert tell(hub, kiosk, f"commands/{uid}", {"succeeded": True}).status_code == 204
    assert document(hub, kiosk).commands == ()
    # Repeated, because the answer was lost: the first one counts.
    again = tell(hub, kiosk, f"commands/{uid}", {"succeeded": False, "detail": "twice"})
    assert again.status_code == 204
    with here.engine.connect() as connection:
        assert list_commands(connection, kiosk.screen)[0].succeeded


def test_a_receipt_says_that_there_is_something_new(hub, kiosk, clip):
    kiosk.play()
    packed = pack(kiosk.envelope())
    answer = hub.post(PATH, data=packed, headers=kiosk.headers(packed))
    assert answer.json["desired"] == document(hub, kiosk).serial


RANGES = {
    "bytes=0-99": (206, (0, 100)),
    "bytes=0-": (206, (0, PIECE_BYTES)),
    f"bytes={PIECE_BYTES}-": (206, (PIECE_BYTES, 2 * PIECE_BYTES)),
    "bytes=-10": (206, (len(CLIP) - 10, len(CLIP))),
    f"bytes={len(CLIP) - 1}-{len(CLIP) + 5}": (206, (len(CLIP) - 1, len(CLIP))),
    "bytes=0-1,5-6": (200, (0, len(CLIP))),
    "lines=0-1": (200, (0, len(CLIP))),
    "": (200, (0, len(CLIP))),
}


def test_media_come_in_pieces(hub, kiosk, clip):
    for asked, (status, span) in RANGES.items():
        headers = {"Range": asked} if asked else {}
        answer = call(hub, kiosk, f"media/{clip}", **headers)
        assert (asked, answer.status_code) == (asked, status)
        assert answer.headers["ETag"] == f'"{clip}"'
        assert answer.data == CLIP[slice(*span)], asked
        if status == 206:
            said = answer.headers["Content-Range"]
            assert said == f"bytes {span[0]}-{span[1] - 1}/{len(CLIP)}"
    behind = call(hub, kiosk, f"media/{clip}", Range=f"bytes={len(CLIP)}-")
    assert (behind.status_code, behind.headers["Content-Range"]) == (416, f"bytes */{len(CLIP)}")
    same = call(hub, kiosk, f"media/{clip}", Range="bytes=0-9", If_Range=f'"{clip}"')
    other = call(hub, kiosk, f"media/{clip}", Range="bytes=0-9", If_Range='"other"')
    assert (same.status_code, other.status_code) == (206, 200)


def test_a_kiosk_gets_only_the_media_of_its_own_document(hub, here, kiosk, clip):
    with writing(here.engine) as connection:
        other = add_creative(connection, "secret")
        playlist = add_playlist(connection, [{"creative": other}], name="Elsewhere")
        add_booking(connection, BookingPlan(playlist, "site", "Elsewhere"), "eva", NOW)
        refresh(connection, "eva", NOW)
    secret = hashlib.sha256(b"secret").hexdigest()
    assert call(hub, kiosk, f"media/{secret}", Range="bytes=0-9").status_code == 404
    assert call(hub, kiosk, f"media/{clip}", Range="bytes=0-9").status_code == 206


def test_a_file_that_the_store_lost_is_said_to_be_away(hub, here, kiosk, clip):
    here.media.delete(clip)
    answer = call(hub, kiosk, f"media/{clip}", Range="bytes=0-9")
    assert (answer.status_code, answer.json["code"]) == (503, "media_away")
    assert answer.headers["Retry-After"] == "60"


def test_slow_readers_do_not_keep_others_from_their_documents(hub, here, kiosk, clip):
    held = [here.media_places.taken(f"kiosk {number}") for number in range(16)]
    for place in held:
        place.__enter__()
    here.media_places._limit_s = 0.05
    assert call(hub, kiosk, f"media/{clip}", Range="bytes=0-9").status_code == 503
    assert document(hub, kiosk).version == 1
    for place in held:
        place.__exit__(None, None, None)
    assert call(hub, kiosk, f"media/{clip}", Range="bytes=0-9").status_code == 206


def test_what_a_kiosk_reports_is_stored(hub, here, kiosk, clip):
    for message in (
        {"version": 1, "state": "fetching", "progress": 0.5},
        {"version": 1, "state": "refused", "reason": "The disk is full."},
    ):
        assert tell(hub, kiosk, "desired/report", message).status_code == 204
    with here.engine.connect() as connection:
        found = find_desired(connection, kiosk.screen)
        assert (found.state, found.reason, found.progress) == ("refused", "The disk is full.", None)
    unknown = tell(hub, kiosk, "desired/report", {"version": 2, "state": "applied"})
    assert (unknown.status_code, unknown.json["code"]) == (409, "unknown_version")
    wrong = tell(hub, kiosk, "desired/report", {"version": 1, "state": "done"})
    assert (wrong.status_code, wrong.json["code"]) == (400, "bad_request")
    nul = tell(hub, kiosk, "desired/report", {"version": 1, "state": "refused", "reason": "\0"})
    assert nul.status_code == 400


def a_picture() -> bytes:
    target = BytesIO()
    Image.new("RGB", (320, 180), "navy").save(target, "PNG")
    return target.getvalue()


def test_a_picture_is_checked_and_kept(hub, here, kiosk):
    with writing(here.engine) as connection:
        [uid] = add_commands(connection, [kiosk.screen], "picture", "tom", NOW)
        [other] = add_commands(connection, [kiosk.screen], "logs", "tom", NOW)
    message = {"succeeded": True, "attachment_type": "image/png"}
    false = message | {"attachment": base64.b64encode(b"<html>").decode()}
    answer = tell(hub, kiosk, f"commands/{uid}", false)
    assert (answer.status_code, answer.json["code"]) == (400, "bad_attachment")
    right = message | {"attachment": base64.b64encode(a_picture()).decode()}
    assert tell(hub, kiosk, f"commands/{other}", right).status_code == 400
    assert tell(hub, kiosk, f"commands/{uid}", right).status_code == 204
    logs = {"succeeded": True, "attachment_type": "application/zstd"}
    logs["attachment"] = base64.b64encode(zstandard.compress(b"line\n")).decode()
    assert tell(hub, kiosk, f"commands/{other}", logs).status_code == 204
    with here.engine.connect() as connection:
        assert find_attachment(connection, kiosk.screen, uid) == ("image/png", a_picture())
    assert tell(hub, kiosk, f"commands/{'f' * 32}", right).status_code == 404


def test_an_answer_that_is_too_large_is_not_read(hub, kiosk):
    headers = {"Authorization": f"Bearer {kiosk.key}", "Content-Type": "application/json"}
    answer = hub.post(f"{HUB_API}commands/{'f' * 32}", headers=headers, data=bytes(12 << 20))
    assert answer.status_code == 413


def test_without_a_valid_key_there_is_nothing(hub, here, kiosk, clip):
    paths = ["desired", f"media/{clip}"]
    for path in paths:
        assert hub.get(HUB_API + path).status_code == 401
        assert call(hub, kiosk, path).status_code == 200
    with writing(here.engine) as connection:
        revoke(connection, 1, "tom", NOW)
    for path in paths:
        assert call(hub, kiosk, path).status_code == 401
    report = {"version": 1, "state": "applied"}
    assert tell(hub, kiosk, "desired/report", report).status_code == 401
    assert tell(hub, kiosk, f"commands/{'f' * 32}", {"succeeded": True}).status_code == 401


def test_the_calls_are_described():
    document = description(HUB_CALLS)
    validate(document)
    assert {path for path in document["paths"] if "/media/" in path or "/desired" in path} == {
        "/hub/v1/desired",
        "/hub/v1/desired/report",
        "/hub/v1/media/{sha256}",
    }
