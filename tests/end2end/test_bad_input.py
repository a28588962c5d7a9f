"""Wrong input: one clear sentence, the right exit status, nothing lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

WRONG, FAILED = 2, 1


@pytest.mark.slow
def test_a_camera_that_is_not_there(program):
    sentence = program.complaint("run", "--headless", "--source", "97", status=WRONG)
    assert "Camera 97 cannot be opened" in sentence
    assert "--source demo" in sentence
    # No session was begun that would have nothing in it.
    assert sqlite3.connect(program.database).execute(
        "SELECT count(*) FROM sessions"
    ).fetchone() == (0,)


def test_a_stream_that_does_not_answer(program):
    sentence = program.complaint(
        "run", "--headless", "--source", "http://127.0.0.1:9/none.ts", status=WRONG
    )
    assert "http://127.0.0.1:9/none.ts cannot be opened" in sentence


@pytest.mark.slow
def test_a_video_that_is_missing(program):
    assert "missing.mp4 is missing" in program.complaint("replay", "missing.mp4", status=WRONG)


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"this is no video"], ids=["empty", "text"])
def test_a_video_that_is_none(program, content):
    (program.folder / "broken.mp4").write_bytes(content)
    assert "holds no picture that can be decoded" in program.complaint(
        "replay", "broken.mp4", status=WRONG
    )


@pytest.mark.slow
def test_a_video_that_is_cut_off_keeps_what_was_measured(program, demo_video):
    whole = demo_video.read_bytes()
    (program.folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    sentence = program.complaint("replay", "cut.mp4", "--report", "cut.html", status=FAILED)
    assert "cut off" in sentence
    connection = sqlite3.connect(program.database)
    assert connection.execute("SELECT count(*) FROM readings").fetchone()[0] > 50
    assert connection.execute("SELECT end_reason FROM sessions").fetchone() == ("failed",)
    connection.close()
    assert (program.folder / "cut.html").exists()


def test_a_playlist_with_an_unknown_key(program, make_playlist):
    playlist = make_playlist([2, 2])
    playlist.write_text(playlist.read_text().replace("duration_s: 2", "duration: 2", 1))
    sentence = program.complaint(
        "run", "--headless", "--source", "demo", "--playlist", str(playlist), status=WRONG
    )
    assert "duration" in sentence
    assert "duration_s" in sentence


@pytest.mark.slow
def test_zones_with_a_mistake(program, demo_video):
    (program.folder / "zones.yaml").write_text(
        "zones:\n  - kind: ignored\n    box: [0, 0, 0.3, 1]\n"
    )
    sentence = program.complaint("replay", str(demo_video), "--zones", "zones.yaml", status=WRONG)
    assert "Zone 1 in the zones file zones.yaml has an invalid 'kind'" in sentence
    assert "did you mean 'ignore'?" in sentence


@pytest.mark.slow
def test_a_camera_angle_out_of_range(program, demo_video):
    assert "--camera-angle" in program.complaint(
        "replay", str(demo_video), "--camera-angle", "5", status=WRONG
    )


@pytest.mark.slow
def test_a_playlist_that_is_missing(program):
    assert "none.yaml" in program.complaint(
        "run", "--source", "demo", "--playlist", "none.yaml", status=WRONG
    )


@pytest.mark.slow
def test_a_broken_ad_is_skipped_and_the_show_goes_on(program, make_playlist):
    playlist = make_playlist([1.5, 1.5])
    (program.folder / "ad1.png").write_bytes(b"not a picture")
    done = program.run(
        "run", "--headless", "--source", "demo", "--playlist", str(playlist), "--loops", "1"
    )
    assert "ad1" in done.stderr
    [(outcome, ad_id)] = sqlite3.connect(program.database).execute(
        "SELECT outcome, ad_id FROM plays JOIN ads ON ads.id = ad_version_id"
    )
    assert (outcome, ad_id) == ("finished", "ad2")
    document = program.json("report")
    assert [skipped["ad_id"] for skipped in document["session"]["skipped_ads"]] == ["ad1"]


@pytest.mark.slow
def test_no_playable_ad_at_all(program, make_playlist):
    playlist = make_playlist([1.5])
    (program.folder / "ad1.png").unlink()
    sentence = program.complaint(
        "run", "--headless", "--source", "demo", "--playlist", str(playlist), status=WRONG
    )
    assert "playlist.yaml" in sentence


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("/proc/none/monitor.db", marks=pytest.mark.slow),
        pytest.param("file.txt/monitor.db", marks=pytest.mark.slow),
        pytest.param(".", marks=pytest.mark.slow),
    ],
)
def test_a_database_that_cannot_be_written(program, place):
    (program.folder / "file.txt").write_text("a file, not a folder")
    program.complaint("run", "--headless", "--source", "demo", "--db", place, status=WRONG)


def test_a_file_that_is_no_database_is_left_alone(program):
    text = program.folder / "notes.db"
    text.write_text("my notes" * 1000)
    program.complaint("run", "--headless", "--source", "demo", "--db", str(text), status=WRONG)
    assert text.read_text() == "my notes" * 1000


@pytest.mark.slow
def test_a_database_of_a_newer_schema(program, demo_video, make_playlist):
    program.run("replay", str(demo_video), "--playlist", str(make_playlist([1])), "--duration", "1")
    connection = sqlite3.connect(program.database)
    connection.execute("UPDATE alembic_version SET version_num = '9999_the_future'")
    connection.commit()
    connection.close()
    before = program.database.read_bytes()
    sentence = program.complaint("run", "--headless", "--source", "demo", status=WRONG)
    assert "newer" in sentence
    assert program.database.read_bytes() == before


@pytest.mark.slow
def test_a_model_that_is_none(program):
    (program.folder / "mine.keras").write_text("not a model")
    sentence = program.complaint(
        "run", "--headless", "--source", "demo", "--model", "mine.keras", status=WRONG
    )
    assert "mine.keras" in sentence
    assert "no model" in program.complaint(
        "classify", str(Path(__file__)), "--model", "other", status=WRONG
    )


def test_a_picture_that_is_none(program):
    (program.folder / "photo.jpg").write_bytes(b"no picture")
    done = program.run("classify", "photo.jpg", "--json", status=WRONG)
    assert "photo.jpg is not a picture" in done.stderr
    assert '"error"' in done.stdout
    assert "no picture none.jpg" in program.complaint("classify", "none.jpg", status=WRONG)


@pytest.mark.slow
def test_unknown_options_and_sessions(program, demo_video, make_playlist):
    assert "--sauce" in program.complaint("run", "--sauce", "0", status=WRONG)
    assert "expected" in program.complaint("run", "--report", "report.docx", status=WRONG)
    assert "no database" in program.complaint("report", status=WRONG)
    program.run("replay", str(demo_video), "--playlist", str(make_playlist([1])), "--duration", "1")
    assert "7" in program.complaint("report", "7", status=WRONG)
