"""Files for the library, over HTTP: in parts that resume, by a form, and those that are refused."""

from __future__ import annotations

import hashlib
import io
import socket
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from db.engine import writing
from db.hub.library import folders
from db.hub.library.contents import MediaFacts
from db.hub.tables.library import CreativeVersion, MediaFile, Upload
from db.hub.tables.people import AuditEntry
from monitor.hub.library import media_check, uploads
from monitor.hub.library.media_check import Examined
from monitor.hub.library.uploads import PART_BYTES
from monitor.web.hub.changes import now
from monitor.web.services import EXTENSION
from tests.helpers.hostile_media import NAMES, harmless_files, refused_files
from tests.helpers.sending import PAGE, begin, part, send

pytest.importorskip("argon2", reason="the extra `hub` is not installed")


def a_picture(seed=1, size=(120, 90)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def editor(as_):
    return as_("editor")


@pytest.fixture
def left(tmp_path, monkeypatch):
    """Return the files that lie in the media store and in the folder for temporary files."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def find() -> list[str]:
        places = (tmp_path / "media", scratch)
        return sorted(path.name for place in places for path in place.rglob("*") if path.is_file())

    return find


@pytest.fixture
def trusting(monkeypatch):
    """Take every file for a picture, without looking, so that a test is about something else."""

    def examine(path, name, sha256):
        facts = MediaFacts(sha256, path.stat().st_size, path.suffix, "image", 1920, 1080)
        return Examined(name, facts, b"a still", None)

    monkeypatch.setattr(uploads, "examine", examine)


def rows(engine, table):
    with engine.connect() as connection:
        return connection.execute(select(table.__table__).order_by(table.id)).all()


def test_a_file_in_parts_becomes_an_ad_that_waits_for_approval(editor, engine, trusting, left):
    content = a_picture(size=(1200, 900))
    assert len(content) > PART_BYTES
    answer = send(editor, "Sommer 50%.PNG", content)
    assert answer.status_code == 200, answer.text
    digest = hashlib.sha256(content).hexdigest()
    assert left() == [digest]
    [version] = rows(engine, CreativeVersion)
    assert (version.number, version.approval, version.uploaded_by) == (1, "pending", "the editor")
    assert version.file_name == "Sommer 50%.PNG"
    assert rows(engine, Upload) == []
    entry = next(one for one in rows(engine, AuditEntry) if one.action == "library.create")
    assert (entry.actor, entry.after["sha256"]) == ("the editor", digest)
    page = editor.get(answer.json["address"])
    assert "Sommer 50%" in page.text
    uid = answer.json["address"].rpartition("/")[2]
    again = send(editor, "other.png", content + b" ", creative=uid)
    assert again.json == {"address": f"/library/{uid}", "number": 2}


def test_a_file_that_broke_off_goes_on_where_it_was(editor, as_, engine, trusting, left):
    content = bytes(range(256)) * ((2 * PART_BYTES + 1000) // 256)
    first = begin(editor, "a.png", len(content), fingerprint="1-aa").json
    assert (first["offset"], first["part"]) == (0, PART_BYTES)
    assert part(editor, first["address"], 0, content[:PART_BYTES]).headers["Upload-Offset"] == str(
        PART_BYTES
    )
    again = begin(editor, "a.png", len(content), fingerprint="1-aa").json
    assert (again["uid"], again["offset"]) == (first["uid"], PART_BYTES)
    assert begin(editor, "a.png", len(content), fingerprint="2-bb").json["uid"] != first["uid"]
    for method in ("get", "head"):
        answer = getattr(editor, method)(first["address"])
        assert answer.headers["Upload-Offset"] == str(PART_BYTES)
    assert "broke off at" in editor.get("/library").text
    assert as_("agency").get(first["address"]).status_code == 404
    for offset in (PART_BYTES, 2 * PART_BYTES):
        part(editor, first["address"], offset, content[offset : offset + PART_BYTES])
    done = editor.post(f"{first['address']}/finish", headers=PAGE)
    assert done.status_code == 200, done.text
    assert left() == [hashlib.sha256(content).hexdigest()]
    assert editor.post(f"{first['address']}/finish", headers=PAGE).status_code == 404


def test_only_the_next_part_is_taken_and_only_if_it_is_intact(editor, left, trusting):
    content = bytes(PART_BYTES + 10)
    address = begin(editor, "a.png", len(content)).json["address"]
    wrong = [
        (PART_BYTES, content[:10], None),
        (0, content[:10], None),
        (0, content[:PART_BYTES], "crc32 00000000"),
        (0, content[:PART_BYTES], "md5 00"),
        (0, content[:PART_BYTES], "sha256 "),
        (0, content[:PART_BYTES], " "),
    ]
    for offset, body, checksum in wrong:
        answer = part(editor, address, offset, body, checksum)
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (409, "0")
    assert left() == []
    for offset in ("", "-1", "x", "9" * 40):
        headers = PAGE | {"Upload-Offset": offset}
        assert editor.patch(address, data=b"x", headers=headers).status_code == 400
    too_large = part(editor, address, 0, bytes(PART_BYTES + 1))
    assert too_large.status_code == 413
    finished = editor.post(f"{address}/finish", headers=PAGE)
    assert (finished.status_code, finished.headers["Upload-Offset"]) == (409, "0")
    digest = hashlib.sha256(content[:PART_BYTES]).hexdigest()
    assert part(editor, address, 0, content[:PART_BYTES], f"SHA256 {digest}").status_code == 204


def test_a_part_that_was_sent_twice_at_once_counts_once(editor, app, trusting, left):
    content = bytes(PART_BYTES)
    address = begin(editor, "a.png", 2 * len(content)).json["address"]
    cookies = editor.get_cookie("ad_monitor_hub").value
    answers = []

    def put():
        browser = app.test_client()
        browser.set_cookie("ad_monitor_hub", cookies)
        answers.append(part(browser, address, 0, content).status_code)

    threads = [threading.Thread(target=put) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {204, 409}
    assert 204 in answers
    assert editor.get(address).headers["Upload-Offset"] == str(PART_BYTES)


def test_the_first_folder_is_made_once(editor, engine, monkeypatch):
    with writing(engine) as connection:
        made = folders.create_folder(connection, "General", now())
    listed, calls = folders.list_folders, []

    def late(connection, scope):
        """Return no folder at first, as for a request that another one overtakes."""
        calls.append(1)
        return listed(connection, scope) if len(calls) > 1 else []

    monkeypatch.setattr(folders, "list_folders", late)
    assert begin(editor, "a.png", 5).status_code == 200
    assert [one.folder_id for one in rows(engine, Upload)] == [made.id]


def test_thousands_of_parts_are_not_too_many_requests(editor, trusting):
    address = begin(editor, "a.png", 5).json["address"]
    statuses = {part(editor, address, 1, b"x").status_code for _ in range(70)}
    assert statuses == {409}
    assert {begin(editor, "b.png", 5, fingerprint="1").status_code for _ in range(70)} == {200}


def test_what_one_account_and_all_together_may_send_is_bounded(editor, app, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_OPEN", 2)
    assert [begin(editor, f"{n}.png", 5).status_code for n in range(3)] == [200, 200, 429]
    removed = editor.get("/library").text.count("/remove")
    assert removed == 2
    monkeypatch.setattr(uploads, "MAX_OPEN", 100)
    monkeypatch.setattr(uploads, "MAX_WAITING_FILES", 1)
    answer = begin(editor, "large.mp4", 2_000_000_000)
    assert answer.status_code == 429
    assert "no room" in answer.json["detail"]
    monkeypatch.setattr(uploads, "MAX_WAITING_FILES", 10)
    monkeypatch.setattr(
        "monitor.hub.library.media_store.MediaStore.free_bytes", lambda _: 600_000_000
    )
    assert begin(editor, "other.mp4", 90_000_000).status_code == 429


def test_one_account_cannot_take_the_room_of_all(editor, as_, monkeypatch):
    monkeypatch.setattr("monitor.hub.library.media_store.MediaStore.free_bytes", lambda _: 1 << 50)
    largest = editor.application.extensions[EXTENSION].settings.max_upload * 1_000_000_000
    said = [begin(editor, f"{n}.mp4", int(largest)).status_code for n in range(6)]
    assert said == [200] * 4 + [429] * 2
    assert begin(as_("admin"), "a.mp4", int(largest)).status_code == 200


def test_uploads_that_broke_off_are_forgotten_and_removed(editor, engine, app, trusting, left):
    from monitor.hub.library.media_cleanup import clean_up

    store = app.extensions[EXTENSION].media
    content = bytes(PART_BYTES)
    addresses = [
        begin(editor, name, 2 * len(content)).json["address"] for name in ("a.png", "b.png")
    ]
    for address in addresses:
        assert part(editor, address, 0, content).status_code == 204
    assert editor.post(f"{addresses[0]}/remove", headers=PAGE).status_code == 303
    assert left() == ["000000"]
    clean_up(engine, store, now() + timedelta(hours=23))
    assert editor.get(addresses[1]).status_code == 204
    clean_up(engine, store, now() + timedelta(hours=25))
    assert editor.get(addresses[1]).status_code == 404
    assert left() == []


def test_names_and_sizes_that_are_none_are_refused(editor, engine, left):
    for name in NAMES:
        answer = begin(editor, name, 10)
        assert answer.status_code == 422, (name, answer.text)
        assert answer.json["code"] == "file_refused"
        assert len(answer.json["detail"]) > 20
        assert all(one.isprintable() for one in answer.json["detail"]), name
    for size, words in ((0, "is empty"), (-1, "is empty"), (10**10, "at most 2 GB, received 10.0")):
        answer = begin(editor, "film.mp4", size)
        assert answer.status_code == 422
        assert words in answer.json["detail"]
    assert begin(editor, "film.mp4", "many").status_code == 400
    assert rows(engine, Upload) == []
    assert left() == []


def test_a_sparse_file_that_is_never_sent_leaves_nothing(editor, left):
    address = begin(editor, "film.mp4", 1_900_000_000).json["address"]
    assert left() == []
    assert editor.post(f"{address}/finish", headers=PAGE).status_code == 409
    editor.post(f"{address}/remove", headers=PAGE)
    assert left() == []


class Listener:
    """Counts who calls a port of this machine."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]

    def calls(self) -> int:
        count = 0
        try:
            while True:
                self._socket.accept()[0].close()
                count += 1
        except TimeoutError:
            return count

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.close()


def check_refused(editor, engine, left, name, content):
    answer = send(editor, name, content)
    assert answer.status_code == 422, (name, answer.text)
    detail = answer.json["detail"]
    assert name.split(".")[0] in detail, detail
    assert "media/" not in detail
    assert "_writing" not in detail
    assert left() == [], name
    assert rows(engine, MediaFile) == []


def test_a_file_that_is_no_media_is_refused_in_words_and_leaves_nothing(
    editor, engine, left, listener
):
    files = refused_files(listener.port)
    check_refused(editor, engine, left, "hls-url.ts", files["hls-url.ts"])
    assert listener.calls() == 0
    page = editor.get("/library").text
    assert "hls-url.ts" in page
    assert "cannot be decoded" in page


@pytest.mark.slow
def test_hostile_files_are_refused_in_words_and_leave_nothing(editor, engine, left, listener):
    for name, content in refused_files(listener.port).items():
        check_refused(editor, engine, left, name, content)
    assert listener.calls() == 0
    assert not Path("/tmp/executed").exists()  # noqa: S108 (what a hostile file would make)


@pytest.mark.slow
def test_truncated_and_damaged_files_leave_nothing_unless_they_can_be_shown(editor, engine, left):
    good = Path("ads/sample/solina.mp4").read_bytes()
    random = np.random.default_rng(3)
    kept = set()
    for number, end in enumerate([100, 1000, len(good) // 10, len(good) // 2, len(good) - 100]):
        changed = bytearray(good[:end])
        for place in random.integers(0, end, 20):
            changed[place] = random.integers(256)
        answer = send(editor, f"damaged {number}.mp4", bytes(changed))
        assert answer.status_code in {200, 422}, answer.text
        if answer.status_code == 200:
            kept.add(hashlib.sha256(changed).hexdigest())
        assert left() == sorted(kept)


@pytest.mark.slow
def test_a_file_that_is_also_something_else_cannot_act_in_a_browser(editor, left):
    for name, content in harmless_files().items():
        answer = send(editor, name, content)
        assert answer.status_code == 200, (name, answer.text)
        file = editor.get(f"{answer.json['address']}/versions/1/file")
        assert file.data == content
        assert file.content_type in {"image/gif", "image/jpeg", "image/png", "video/mp4"}
        assert file.headers["Content-Disposition"].startswith("attachment;")
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert file.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        still = editor.get(f"{answer.json['address']}/versions/1/thumbnail.jpg")
        assert still.content_type == "image/jpeg"
        assert b"script" not in still.data
        assert still.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_whose_check_breaks_is_refused(editor, left, monkeypatch):
    monkeypatch.setattr("ads.media.check.sys.executable", "/bin/false")
    answer = send(editor, "a.png", a_picture())
    assert answer.status_code == 422
    assert "cannot be checked now" in answer.json["detail"]
    assert left() == []


def form_of(*files, **fields):
    return {**fields, "file": [(io.BytesIO(content), name) for name, content in files]}


def test_the_form_works_without_a_script(editor, engine, trusting, left):
    one = form_of(("a.png", b"first"))
    answer = editor.post("/library/files", data=one, headers=PAGE)
    assert answer.status_code == 303
    uid = answer.location.split("?")[0].rpartition("/")[2]
    two = form_of(("b.png", b"second"), ("c.png", b"third"))
    assert editor.post("/library/files", data=two, headers=PAGE).location == "/library?done=sent"
    assert len(rows(engine, MediaFile)) == 3
    newer = form_of(("a2.png", b"fourth"), creative=uid)
    assert editor.post("/library/files", data=newer, headers=PAGE).status_code == 303
    assert [one.number for one in rows(engine, CreativeVersion)] == [1, 1, 1, 2]
    assert len(left()) == 4


def test_the_form_refuses_what_is_no_media_and_keeps_the_rest(editor, engine, trusting, left):
    wrong = form_of(("a.html", b"<p>"), ("b.png", b"good"), ("c.png", b""))
    answer = editor.post("/library/files", data=wrong, headers=PAGE)
    assert answer.status_code == 422
    assert "a.html is of no known kind" in answer.json["detail"]
    assert "c.png is empty" in answer.json["detail"]
    assert "1 other file was stored" in answer.json["detail"]
    assert left() == [hashlib.sha256(b"good").hexdigest()]
    for nothing in ({}, form_of(("a.png", b"x"), ("b.png", b"y"), creative="1" * 32)):
        assert editor.post("/library/files", data=nothing, headers=PAGE).status_code in {400, 404}


def test_nobody_sends_anything_into_a_folder_that_they_do_not_see(as_, engine, trusting, left):
    agency = as_("agency")
    with writing(engine) as connection:
        folder = folders.create_folder(connection, "Theirs", now())
    for form in ({}, {"folder": folder.uid}, {"folder": "1" * 32}, {"creative": "1" * 32}):
        answer = begin(agency, "a.png", 5, **form)
        assert answer.status_code in {403, 404}
        assert "Theirs" not in answer.text
    assert rows(engine, Upload) == []


def test_a_part_needs_a_login_and_comes_from_the_page(editor, app):
    address = begin(editor, "a.png", 5).json["address"]
    assert part(app.test_client(), address, 0, b"12345").status_code == 401
    headers = {"Origin": "https://evil.example", "Upload-Offset": "0"}
    assert editor.patch(address, data=b"12345", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "name", ["Sommer.png", "夏.mp4", "été 50%.JPG", "نمایش.webm", "a\u200cb.gif"]
)
def test_names_of_all_languages_are_taken(name):
    assert media_check.checked_name(name) == name
