"""The analyst's and the integrator's jobs: replay, sessions, report, classify, bench, doctor.

Also tests `monitor/session/replay.py` and `bench.py`.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import openpyxl
import pptx
import pytest
from click.testing import CliRunner
from PIL import Image

import monitor
from monitor.cli.main import cli

from .live_database import replayed_rows


@pytest.mark.slow
def test_two_replays_give_identical_rows(program, demo_video, make_playlist, tmp_path):
    playlist = make_playlist([2, 1.5, 3])
    for name in ("first.db", "second.db"):
        program.run(
            "replay",
            str(demo_video),
            "--playlist",
            str(playlist),
            "--duration",
            "6.5",
            "--db",
            name,
        )
    first, second = replayed_rows(tmp_path / "first.db"), replayed_rows(tmp_path / "second.db")
    assert (
        sum('INSERT INTO "readings"' in line or "INSERT INTO readings" in line for line in first)
        > 50
    )
    assert first == second


@pytest.mark.slow
def test_a_recording_of_long_ago_keeps_its_fresh_readings(
    program, demo_video, make_playlist, tmp_path
):
    clip = tmp_path / "12:30:05.mp4"
    clip.write_bytes(demo_video.read_bytes())
    playlist = make_playlist([2])
    program.run(
        *("replay", clip.name, "--playlist", str(playlist), "--duration", "2"),
        *("--started-at", "2015-06-01T12:00:00+0200"),
    )
    [(started_at, count)] = program.rows(
        "SELECT started_at, (SELECT count(*) FROM readings) FROM sessions"
    )
    assert started_at.startswith("2015-06-01 10:00:00")
    assert count > 10
    program.run("purge", "--older-than", "30d", "--yes")
    assert program.rows("SELECT count(*) FROM readings") == [(count,)]
    failed = program.run("replay", clip.name, "--started-at", "2999-01-01 00:00", status=2)
    assert "expected a time in the past" in failed.stderr


@pytest.mark.parametrize(
    "name", ["tr_TR.UTF-8", pytest.param("de_DE.ISO-8859-1", marks=pytest.mark.slow)]
)
def test_people_are_measured_under_other_locales(program, demo_video, name):
    with suppress(FileNotFoundError):
        known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False)
        if name.replace("-", "").lower() not in known.stdout.replace("-", "").lower().split():
            pytest.skip(f"the locale {name} is not installed here")
    if "8859" in name and not monitor.__file__.isascii():
        pytest.skip("Python does not find its packages in such a path under a Latin-1 locale")
    program.environment["LC_ALL"] = name
    program.run("replay", str(demo_video), "--duration", "1")
    assert program.rows("SELECT count(*) FROM readings")[0][0] > 5


def test_replay_sessions_and_report_agree(program, demo_video, make_playlist):
    playlist = make_playlist([5, 3])
    document = program.json(
        "replay",
        str(demo_video),
        "--playlist",
        str(playlist),
        "--duration",
        "8",
        "--site",
        "Shop 12",
    )
    assert [ad["ad_id"] for ad in document["ads"]] == ["ad1", "ad2"]
    assert [ad["shown_s"] for ad in document["ads"]] == pytest.approx([5, 3])
    # The demo viewer begins to smile after five seconds.
    assert document["ads"][1]["dominant_emotion"] == "happy"
    assert (
        document["ads"][1]["mean_probabilities"]["happy"]
        > document["ads"][0]["mean_probabilities"]["happy"]
    )
    assert document["session"]["frames"] == 200
    assert document["gaps"] == []

    [listed] = program.json("sessions")["sessions"]
    assert listed["site"] == "Shop 12"
    assert listed["end_reason"] == "finished"
    assert program.json("report") == document

    program.run("report", "1", "--format", "html,json,csv", "-o", "written/out.html")
    written = program.folder / "written"
    assert json.loads((written / "out.json").read_text()) == document
    assert "Shop 12" in (written / "out.html").read_text()
    table = list(csv.DictReader(io.StringIO((written / "out.csv").read_text())))
    assert len(table) == 8


@pytest.mark.slow
def test_a_replay_becomes_slides_and_a_workbook_in_the_zone_asked_for(
    program, demo_video, make_playlist
):
    replay = ("replay", str(demo_video), "--playlist", str(make_playlist([2, 2])))
    (program.folder / "session 1.csv").touch()
    named = ("--report", "session {session}.csv", "--report", "{site}.xlsx")
    program.run(*replay, "--duration", "4", "--site", "Shop 12", "--campaign", "=Autumn", *named)
    assert "session_id" in (program.folder / "session 1-2.csv").read_text()
    assert (program.folder / "Shop 12.xlsx").is_file()
    program.run("report", "-o", "out.pptx", "--timezone", "Asia/Bangkok")
    program.run("report", "--format", "xlsx,html", "-o", "out.xlsx", "--timezone", "Asia/Bangkok")

    deck = pptx.Presentation(program.folder / "out.pptx")
    titles = [slide.shapes.title.text_frame.text for slide in deck.slides]
    assert titles[:2] == ["=Autumn, Shop 12", "What to do"]
    assert any(shape.has_chart for slide in deck.slides for shape in slide.shapes)
    book = openpyxl.load_workbook(program.folder / "out.xlsx")
    assert book["Overview"]["A1"].value == "=Autumn, Shop 12"
    assert book["Overview"]["A1"].data_type == "s"
    assert [row[0] for row in book["Ads"].iter_rows(min_row=2, values_only=True)]
    page = (program.folder / "out.html").read_text()
    started = datetime.fromisoformat(program.json("report")["session"]["started_at"])
    local = started.astimezone(ZoneInfo("Asia/Bangkok"))
    assert f"{local:%H:%M:%S} to" in page
    assert "Asia/Bangkok (UTC+07:00)" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "viewers", "read"),
    [
        ("ignore", 0, False),
        ("count", 1, False),
        ("measure", 1, True),
    ],
)
def test_a_zone_decides_what_is_measured(program, demo_video, make_playlist, kind, viewers, read):
    zones = program.folder / "zones.yaml"
    zones.write_text(
        f"zones:\n  - kind: {kind}\n    name: all of it\n    box: [0, 0, 1, 1]\n"
        "  - kind: measure\n    name: a corner\n    box: [0, 0, 0.02, 0.02]\n"
    )
    document = program.json(
        "replay",
        str(demo_video),
        "--playlist",
        str(make_playlist([4])),
        "--duration",
        "4",
        "--zones",
        str(zones),
    )
    assert document["session"]["viewers"] == viewers
    [ad] = document["ads"]
    assert ad["opportunities"] == viewers
    assert (ad["mean_valence"] is not None) is read


@pytest.mark.slow
def test_the_place_of_the_camera_decides_who_looks_at_the_screen(
    program, demo_video, make_playlist
):
    replay = ("replay", str(demo_video), "--playlist", str(make_playlist([4])), "--duration", "4")
    [ad] = program.json(*replay)["ads"]
    [aside] = program.json(
        *replay, "--db", "aside.db", "--camera-right", "150", "--camera-angle", "60"
    )["ads"]
    assert ad["attraction_ratio"] > 0.9
    assert aside["attraction_ratio"] < 0.1


def test_classify_names_the_faces_of_a_folder(program, tmp_path):
    from skimage.data import astronaut

    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(astronaut()).save(folder / "a.jpg")
    Image.new("RGB", (300, 200), "grey").save(folder / "b.png")
    document = program.json("classify", str(folder))
    first, second = document["images"]
    [face] = first["faces"]
    assert face["label"] == "happy"
    assert face["confidence"] == max(face["probabilities"].values())
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    x, y, width, height = face["box"]
    assert 160 < x + width / 2 < 290
    assert 60 < y + height / 2 < 180
    assert second["faces"] == []
    done = program.run("classify", str(folder / "a.jpg"))
    assert "happy" in done.stdout


@pytest.mark.slow
def test_bench_prints_the_contract(program):
    figures = program.json("bench", "demo")
    assert {
        "frames", "fps", "latency_ms", "stages_ms", "faces_per_frame", "cpu_ms_per_frame", "peak_rss_mb", "startup_s",
    } <= set(figures)  # fmt: skip
    assert figures["frames"] == 700
    assert figures["faces_per_frame"] == pytest.approx(1, abs=0.05)
    assert figures["latency_ms"]["p50"] <= figures["latency_ms"]["p95"]


@pytest.mark.slow
def test_doctor_examines_a_source(program):
    document = program.json("doctor", "--source", "demo")
    by_name = {check["name"]: check for check in document["checks"]}
    assert by_name["camera"]["state"] == "ok"
    assert "1 face" in by_name["camera"]["found"]
    assert (
        by_name["model"]["state"] == by_name["ads"]["state"] == by_name["database"]["state"] == "ok"
    )


def test_help_loads_nothing_heavy(program):
    """So it appears at once."""
    heavy = {
        "cv2",
        "mediapipe",
        "tensorflow",
        "keras",
        "PyQt5",
        "sqlalchemy",
        "scipy",
        "matplotlib",
        "flask",
    }
    code = f"import sys, monitor.cli.main; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=program.environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize("command", ["run", "replay", "sessions", "report", "classify", "bench", "doctor", "train",
                                     "evaluate", "compare", "serve"])  # fmt: skip
def test_every_command_shows_an_example(command):
    done = CliRunner().invoke(cli, [command, "--help"], prog_name="ad-monitor")
    assert done.exit_code == 0
    assert f"Example: ad-monitor {command}" in done.output


def test_the_reactions_of_a_known_viewer(program, media_folder, make_playlist):
    playlist = make_playlist([6, 8, 8, 8, 6, 4])
    document = program.json(
        "replay", str(media_folder / "viewer_reactions.mp4"), "--playlist", str(playlist)
    )
    truth = ["neutral", "happy", "surprise", "sad", "angry", "neutral"]
    found = [ad["dominant_emotion"] for ad in document["ads"]]
    assert sum(one == other for one, other in zip(found, truth, strict=True)) >= 5, found


def test_nobody_is_seen_where_nobody_is(program, media_folder, make_playlist):
    playlist = make_playlist([4])
    document = program.json(
        "replay", str(media_folder / "no_face.mp4"), "--playlist", str(playlist)
    )
    assert document["session"]["viewers"] == 0
    assert document["ads"][0]["opportunities"] == 0
    assert document["ads"][0]["mean_valence"] is None


@pytest.mark.slow
def test_environment_names_the_database(program, demo_video, make_playlist):
    assert os.environ.get("AD_MONITOR_DB") is None
    program.run("replay", str(demo_video), "--playlist", str(make_playlist([2])), "--duration", "2")
    assert program.database.exists()


@pytest.mark.slow
def test_outside_the_hours_nobody_is_measured(program, demo_video, make_playlist):
    playlist = make_playlist([2, 2])
    # The recording's own clock says when it was: a stretch that leaves out that minute, and one
    # that has it.
    for hours, expected in (("{past}", 0), ("00:00-24:00", 1)):
        probe = program.json(
            "replay", str(demo_video), "--playlist", str(playlist), "--duration", "2"
        )
        began = datetime.fromisoformat(
            probe["session"]["started_at"].replace("Z", "+00:00")
        ).astimezone()
        hour = (began.hour + 12) % 24
        stretch = hours.format(past=f"{hour:02}:00-{hour:02}:30")
        arguments = ["--playlist", str(playlist), "--duration", "2", "--measure-hours", stretch]
        document = program.json("replay", str(demo_video), *arguments)
        assert document["session"]["viewers"] == expected
        assert [gap["cause"] for gap in document["gaps"]] == ([] if expected else ["hours"])
    assert "expected text like" in program.complaint(
        "run", "--headless", "--measure-hours", "8-20", status=2
    )
