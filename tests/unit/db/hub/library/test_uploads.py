"""Files on their way into the library: found again, advanced by one request only, forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from db.engine import writing
from db.hub.library import catalogue, folders, uploads
from db.hub.library.contents import EVERYTHING
from db.hub.library.uploads import NewUpload
from db.hub.people import accounts
from tests.helpers.library import add_creative

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture
def connection(engine):
    with writing(engine) as connection:
        yield connection


@pytest.fixture
def new(connection):
    _, account = accounts.invite(connection, "Ed", "editor", NOW)
    folder = folders.create_folder(connection, "General", NOW)
    return NewUpload(account.id, folder.id, None, "a.png", "1-aa", 100)


def test_the_same_file_is_found_again(connection, new):
    first = uploads.begin(connection, new, NOW)
    assert (first.received, first.folder_name, first.creative_uid) == (0, "General", None)
    assert uploads.begin(connection, new, NOW) == first
    creative = catalogue.find_creative(connection, EVERYTHING, add_creative(connection, "x", NOW))
    for other in (
        replace(new, fingerprint="2-bb"),
        replace(new, size=101),
        replace(new, file_name="b.png"),
        replace(new, creative_id=creative.id),
    ):
        made = uploads.begin(connection, other, NOW)
        assert made.uid != first.uid
    assert made.creative_uid == creative.uid
    unnamed = [uploads.begin(connection, replace(new, fingerprint=""), NOW).uid for _ in range(2)]
    assert len(set(unnamed)) == 2
    assert uploads.waiting(connection, new.user_id) == (7, 701, 701)
    assert uploads.waiting(connection, new.user_id + 1) == (0, 0, 701)
    assert uploads.find_upload(connection, new.user_id + 1, first.uid) is None


def test_one_request_advances_a_file(connection, new):
    upload = uploads.begin(connection, new, NOW)
    assert uploads.advance(connection, upload, 60, NOW)
    assert not uploads.advance(connection, upload, 60, NOW)
    found = uploads.find_upload(connection, new.user_id, upload.uid)
    assert found.received == 60
    assert uploads.remove(connection, found)
    assert not uploads.remove(connection, found)


def test_a_refused_file_keeps_its_reason_for_a_while(connection, new):
    upload = uploads.begin(connection, new, NOW)
    uploads.refuse(connection, upload, "It is no picture.", NOW)
    assert uploads.waiting(connection, new.user_id) == (0, 0, 0)
    assert uploads.known_uids(connection) == set()
    again = uploads.begin(connection, new, NOW + timedelta(hours=1))
    assert again.uid != upload.uid
    [refused, waiting] = uploads.list_uploads(connection, new.user_id)
    assert (refused.problem, waiting.problem) == ("It is no picture.", None)
    assert uploads.drop_old(connection, NOW + timedelta(minutes=1)) == [upload.uid]
    assert uploads.known_uids(connection) == {again.uid}
