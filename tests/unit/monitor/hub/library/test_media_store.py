"""Where the library's files lie: in a folder or a bucket, each whole or not there."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.hub.library.media_store import BLOCK, MediaStore, MediaStoreError, media_store
from monitor.settings.models import HubSettings

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
UID = "ab" * 16


@pytest.fixture
def store(tmp_path) -> MediaStore:
    return MediaStore(str(tmp_path / "media"))


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def put(store: MediaStore, content: bytes = CONTENT) -> str:
    digest = hashlib.sha256(content).hexdigest()
    with store.scratch(".png") as path:
        path.write_bytes(content)
        store.put(path, digest)
    return digest


def check_store(store: MediaStore) -> None:
    """Whatever lies behind it, a store does this."""
    assert not store.exists(SHA256)
    assert list(store.stored()) == []
    for _ in range(2):
        assert put(store) == SHA256
    assert store.exists(SHA256)
    assert store.size(SHA256) == len(CONTENT)
    blocks = list(store.open_range(SHA256))
    assert b"".join(blocks) == CONTENT
    assert max(map(len, blocks)) <= BLOCK
    assert b"".join(store.open_range(SHA256, 300_000, 300_007)) == CONTENT[300_000:300_007]
    assert b"".join(store.open_range(SHA256, len(CONTENT) - 5)) == CONTENT[-5:]
    assert [one.name for one in store.stored()] == [SHA256]
    store.put_part(UID, 1, b"second")
    store.put_part(UID, 0, b"longer than wanted")
    store.put_part(UID, 0, b"first")
    assert store.waiting_uploads() == {UID}
    with store.scratch() as target:
        assert store.join(UID, [5, 6], target) == hashlib.sha256(b"firstsecond").hexdigest()
        assert target.read_bytes() == b"firstsecond"
        with pytest.raises(MediaStoreError, match="did not arrive completely"):
            store.join(UID, [5, 7], target)
    assert not target.exists()
    for _ in range(2):
        store.drop_parts(UID)
        store.delete(SHA256)
    assert store.waiting_uploads() == set()
    assert not store.exists(SHA256)
    for call in (store.size, store.open_range):
        with pytest.raises(MediaStoreError, match=f"no file {SHA256}"):
            call(SHA256)


def test_a_folder(store, tmp_path):
    check_store(store)
    assert files_below(tmp_path) == []
    assert store.free_bytes() > 0


@pytest.mark.slow
def test_a_bucket(bucket):
    store = MediaStore(bucket)
    check_store(store)
    assert store.free_bytes() is None


def test_a_file_that_was_not_written_whole_is_not_there(store, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr("monitor.hub.library.media_store.flush_file", fail)
    with pytest.raises(MediaStoreError, match="no space left"):
        put(store)
    assert not store.exists(SHA256)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, f"{SHA256}/..", SHA256[1:]])
def test_only_a_digest_names_a_file(store, name):
    for call in (store.exists, store.delete, store.size, store.open_range):
        with pytest.raises(MediaStoreError, match="64 hexadecimal digits"):
            call(name)


@pytest.mark.parametrize("uid", ["", "..", "ab" * 15, "AB" * 16])
def test_only_a_uid_names_an_upload(store, uid):
    with pytest.raises(MediaStoreError, match="32 hexadecimal digits"):
        store.put_part(uid, 0, b"")
    with pytest.raises(MediaStoreError, match="32 hexadecimal digits"):
        store.drop_parts(uid)


def test_leftovers_of_killed_processes_go(store):
    with store.scratch() as path:
        path.write_bytes(b"half")
        store.clean_up(timedelta(hours=1))
        assert path.exists()
        store.clean_up(timedelta(hours=-1))
        assert not path.exists()


@pytest.mark.parametrize("target", ["", "http://host/media", "s3://", "s3://key:secret@b/media"])
def test_what_is_no_store_is_refused(target):
    with pytest.raises(MediaStoreError, match="expected a folder or s3://bucket/prefix"):
        MediaStore(target)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MediaStoreError, match=f"expected a folder, received the file {tmp_path}"):
        MediaStore(str(tmp_path / "file"))
    store = MediaStore(str(tmp_path / "file" / "media"))
    with pytest.raises(MediaStoreError, match="cannot be used"):
        store.put_part(UID, 0, b"")


def test_the_store_lies_beside_the_database(tmp_path):
    settings = HubSettings(database=str(tmp_path / "hub.db"))
    assert media_store(settings).target == str(tmp_path / "media")
    on_a_server = HubSettings(database="postgresql+psycopg://user@host/hub")
    assert Path(media_store(on_a_server).target).name == "media"
    assert media_store(HubSettings(media="s3://ads/media")).target == "s3://ads/media"
