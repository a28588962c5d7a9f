"""What the media store loses, and what it keeps."""

from __future__ import annotations

import hashlib
import logging
import os
from datetime import UTC, datetime, timedelta

import pytest

from db.engine import writing
from db.hub.library import catalogue, media
from db.hub.library.contents import EVERYTHING
from db.hub.screens import registry
from db.hub.shows.desired import NewDocument, store_documents
from monitor.hub.library.media_cleanup import GRACE, clean_up, cleaner
from monitor.hub.library.media_store import MediaStore, MediaStoreError
from tests.helpers.hub_screens import PLACE
from tests.helpers.library import add_creative

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
LONG_AGO = NOW - 2 * GRACE


@pytest.fixture
def store(tmp_path):
    return MediaStore(str(tmp_path / "media"))


def put(store, name, written_at=LONG_AGO):
    """Store a file whose content is a name, as creatives of `tests.helpers.library` have it."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    with store.scratch() as path:
        path.write_bytes(name.encode())
        os.utime(path, (written_at.timestamp(),) * 2)
        store.put(path, sha256)
    return sha256


def test_files_stay_that_an_ad_or_a_screen_shows(engine, store):
    shown, deleted, desired, orphan, fresh = (
        put(store, name, NOW if name == "fresh" else LONG_AGO)
        for name in ("shown", "deleted", "desired", "orphan", "fresh")
    )
    with writing(engine) as connection:
        add_creative(connection, "shown", LONG_AGO)
        for name in ("deleted", "desired"):
            uid = add_creative(connection, name, LONG_AGO)
            creative = catalogue.find_creative(connection, EVERYTHING, uid)
            catalogue.delete_creative(connection, creative)
        screen = registry.create_screen(connection, PLACE, NOW)
        content = {"media": [{"sha256": desired, "size": 7, "ending": ".png"}]}
        store_documents(connection, [NewDocument(screen.id, content, "digest")], "Ann", NOW)
    assert clean_up(engine, store, NOW) == 2
    assert {one.name for one in store.stored()} == {shown, desired, fresh}
    with engine.connect() as connection:
        assert media.known_media(connection) == {shown, desired}
    assert clean_up(engine, store, NOW) == 0
    assert clean_up(engine, store, NOW + GRACE + timedelta(hours=1)) == 1
    assert not store.exists(fresh)
    assert not store.exists(orphan)
    assert not store.exists(deleted)


def test_a_file_that_is_sent_again_is_young_again(engine, store):
    sha256 = put(store, "orphan")
    put(store, "orphan")
    assert clean_up(engine, store, datetime.now(UTC)) == 0
    assert store.exists(sha256)


def test_parts_without_an_upload_go(engine, store):
    store.put_part("ab" * 16, 0, b"part")
    clean_up(engine, store, NOW)
    assert store.waiting_uploads() == set()


def test_a_store_that_cannot_be_used_is_tried_again(engine, store, monkeypatch, caplog):
    def fail(_):
        raise MediaStoreError("The media store cannot be used.")

    monkeypatch.setattr(MediaStore, "stored", fail)
    with caplog.at_level(logging.WARNING):
        cleaner(store)(engine, NOW)
    assert "Trying again in three hours" in caplog.text
