"""The ad side end to end: a show that survives bad files, adapts, and proves what ran."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image


def picture(path: Path, shade: int = 90) -> str:
    Image.new("RGB", (320, 180), (shade, 90, 200)).save(path)
    return path.name


def clip(path: Path, frames: int = 50) -> bytes:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        noise = np.random.default_rng(0)
        for _ in range(frames):
            pixels = noise.integers(0, 256, (180, 320, 3), dtype=np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())
    return path.read_bytes()


def write_playlist(path: Path, entries: list[str], head: str = "") -> None:
    path.write_text(
        f"{head}ads:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries), encoding="utf-8"
    )


@pytest.mark.slow
def test_bad_files_are_left_out_with_their_reason_and_the_show_goes_on(program):
    folder = program.folder
    whole = clip(folder / "whole.mp4")
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    (folder / "empty.mp4").write_bytes(b"")
    Image.new("1", (20_000, 20_000)).save(folder / "giant.png")
    (folder / "text.jpg").write_text("no picture")
    picture(folder / "good.png")
    write_playlist(
        folder / "list.yaml",
        [
            "file: good.png, duration_s: 1",
            "file: cut.mp4, duration_s: 1",
            "file: empty.mp4, duration_s: 1",
            "file: giant.png, duration_s: 1",
            "file: text.jpg, duration_s: 1",
        ],
    )
    program.run(
        "run", "--headless", "--source", "demo", "--playlist", "list.yaml", "--duration", "6"
    )
    [(settings,)] = program.rows("SELECT settings FROM sessions")
    reasons = {ad["ad_id"]: ad["reason"] for ad in json.loads(settings)["skipped_ads"]}
    failed = dict(
        program.rows(
            "SELECT ad_id, error FROM plays JOIN ads ON ads.id = ad_version_id WHERE error > ''"
        )
    )
    assert {*reasons, *failed} == {"cut", "empty", "giant", "text"}
    assert "is empty" in reasons["empty"]
    assert "more than 80 million pixels" in reasons["giant"]
    finished = (
        "SELECT count(*) FROM plays JOIN ads ON ads.id = ad_version_id "
        "WHERE ad_id = 'good' AND outcome = 'finished'"
    )
    assert program.rows(finished)[0][0] >= 3


@pytest.mark.slow
def test_a_file_that_goes_and_a_playlist_that_is_half_written(program, wait_for):
    folder = program.folder
    for name in ("a", "b", "c"):
        picture(folder / f"{name}.png", 30 * ord(name) % 256)
    playlist = folder / "list.yaml"
    both = ["file: a.png, duration_s: 1", "file: b.png, duration_s: 1"]
    write_playlist(playlist, both)
    process = program.start("run", "--headless", "--source", "demo", "--playlist", "list.yaml")
    shown = (
        "SELECT ad_id, outcome, error FROM plays JOIN ads ON ads.id = ad_version_id ORDER BY number"
    )
    wait_for(lambda: len(program.rows(shown)) > 2, what="the first plays")

    whole = playlist.read_text(encoding="utf-8")
    playlist.write_text(whole[: len(whole) // 2] + "\n  - {file: [", encoding="utf-8")
    before = len(program.rows(shown))
    wait_for(lambda: len(program.rows(shown)) > before + 5, what="plays of the old playlist")
    assert {ad for ad, _, _ in program.rows(shown)} == {"a", "b"}

    write_playlist(playlist, [*both, "file: c.png, duration_s: 1"])
    wait_for(lambda: any(ad == "c" for ad, _, _ in program.rows(shown)), what="the new ad")
    (folder / "b.png").unlink()
    write_playlist(playlist, ["file: a.png, duration_s: 1", "file: c.png, duration_s: 1"])
    before = len(program.rows(shown))
    wait_for(lambda: len(program.rows(shown)) > before + 5, what="plays without the deleted file")
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    assert "list.yaml is not valid YAML" in complaints
    assert {outcome for _, outcome, _ in program.rows(shown)} <= {"finished", "stopped", "failed"}


@pytest.mark.slow
def test_ads_adapt_and_the_log_says_why(program):
    folder = program.folder
    for name in ("calm", "glad"):
        picture(folder / f"{name}.png")
    write_playlist(
        folder / "list.yaml",
        [
            "file: calm.png, duration_s: 4, moods: [neutral, sad]",
            "file: glad.png, duration_s: 4, moods: [happy]",
        ],
    )
    adapt = (
        "run",
        "--headless",
        "--source",
        "demo",
        "--playlist",
        "list.yaml",
        "--policy",
        "mood",
        "--holdout",
        "0.25",
    )
    program.run(*adapt, "--duration", "18")
    program.run(*adapt, "--duration", "10")
    plays = program.rows(
        "SELECT session_id, reason, probability, held_out, context, reward FROM plays"
    )
    assert len(plays) >= 5
    contexts = [json.loads(context) for _, _, _, _, context, _ in plays]
    assert [context["choice"] for context in contexts] == list(range(len(plays))), (
        "the second run goes on counting"
    )
    for (_, reason, probability, held_out, _, _), context in zip(plays, contexts, strict=True):
        assert reason
        assert 0 < probability <= 1
        assert sum(context["candidates"].values()) == pytest.approx(1)
        assert not held_out or "held out" in reason
    assert any(context["mood"] is not None for context in contexts)
    rewards = [reward for *_, reward in plays if reward is not None]
    assert len(rewards) >= 3
    assert all(-1 <= reward <= 1 for reward in rewards)

    lift = program.json("lift", "--demos")
    assert "more" in json.dumps(lift), "too few plays, so it says how many are needed"
    proof = program.run("proof", "--demos", "--csv", "proof.csv")
    assert "calm" in proof.stdout or "calm" in (folder / "proof.csv").read_text(encoding="utf-8")


@pytest.mark.slow
def test_two_replays_with_an_adaptive_policy_are_identical(program, demo_video, make_playlist):
    playlist = make_playlist([2, 2, 2])
    dumps = []
    for name in ("first.db", "second.db"):
        options = (
            "--playlist",
            str(playlist),
            "--policy",
            "learn",
            "--duration",
            "12",
            "--db",
            name,
        )
        program.run("replay", str(demo_video), *options)
        connection = sqlite3.connect(program.folder / name)
        dumps.append(
            connection.execute(
                "SELECT number, reason, probability, context, reward FROM plays"
            ).fetchall()
        )
        connection.close()
    assert dumps[0] == dumps[1]
    assert len(dumps[0]) == 6
    assert sum(reward is not None for *_, reward in dumps[0]) >= 4


def test_the_coming_hour_and_a_trial_of_a_policy(program, make_playlist):
    checked = program.json(
        "playlist", "check", str(make_playlist([10, 20])), "--at", "2026-12-24 08:00"
    )
    assert [ad["ad_id"] for ad in checked["ads"]] == ["ad1", "ad2"]
    assert len(checked["plays"]) == 240
    tried = program.json("simulate", "--plays", "300", "--runs", "2")
    assert tried["policies"][0]["ratio"] < 1
