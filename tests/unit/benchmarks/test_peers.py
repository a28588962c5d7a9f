"""Turns, times and ratios of the comparison, with contestants whose work is known."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from rich.console import Console

from benchmarks import peers
from benchmarks.peers import Round, Row
from detector.types import Frame


def frames(count: int) -> list[Frame]:
    return [
        Frame(np.zeros((4, 4, 3), dtype=np.uint8), index * 40_000_000, index)
        for index in range(count)
    ]


def test_a_row_has_medians_over_rounds_and_percentiles_over_frames() -> None:
    ours = [
        Round([0.1, 0.1], 0.4, [1, 0]),
        Round([0.2, 0.2], 0.8, [1, 0]),
        Round([0.4, 0.4], 0.1, [1, 0]),
    ]
    theirs = [
        Round([0.2, 0.2], 0.2, [2, 0]),
        Round([0.1, 0.1], 0.2, [2, 2]),
        Round([0.1, 0.1], 0.2, [0, 0]),
    ]
    row = peers.row_of(theirs, ours)
    assert row.fps == pytest.approx(10.0)
    assert row.p50_ms == pytest.approx(100.0)
    assert row.p95_ms == pytest.approx(200.0)
    assert row.cpu_ms == pytest.approx(100.0)
    assert row.faces == pytest.approx(1.0)
    assert row.share_with_face == pytest.approx(0.5)
    assert row.ratio == pytest.approx(2.0)  # the median of 0.5, 2 and 4
    assert row.cpu_ratio == pytest.approx(0.5)  # the median of 0.5, 0.25 and 2


def test_the_first_contestant_has_ratio_1() -> None:
    rounds = [Round([0.1], 0.4, [1]), Round([0.3], 0.2, [1])]
    row = peers.row_of(rounds, rounds)
    assert (row.ratio, row.cpu_ratio) == (1.0, 1.0)


def test_later_turns_come_after_all_earlier_ones() -> None:
    shown = frames(3)
    first, second = peers.later(shown, 1), peers.later(shown, 2)
    assert [frame.captured_ns for frame in first] == [
        frame.captured_ns + 80_000_000 + peers.BETWEEN_ROUNDS_NS for frame in shown
    ]
    assert second[0].captured_ns - first[-1].captured_ns == peers.BETWEEN_ROUNDS_NS
    assert first[1].image is shown[1].image


def test_only_this_project_runs_with_one_thread_as_its_sensor_does() -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        others = cv2.getNumThreads()  # not 2 where OpenCV has no threads
        counts = {name: lambda _: cv2.getNumThreads() for name in (peers.OURS, "a")}
        found = peers.compare(counts, frames(1), rounds=2)
    finally:
        cv2.setNumThreads(before)
    assert [one.faces for one in found[peers.OURS]] == [[1], [1]]
    assert [one.faces for one in found["a"]] == [[others], [others]]


def test_contestants_take_turns_and_another_one_begins_each_round() -> None:
    calls: list[tuple[str, int]] = []

    def contestant(name: str, faces: int) -> peers.Contestant:
        def run(frame: Frame) -> int:
            calls.append((name, frame.captured_ns))
            return faces

        return run

    found = peers.compare({"a": contestant("a", 1), "b": contestant("b", 2)}, frames(2), rounds=2)
    assert "".join(name for name, _ in calls) == "aabb" + "aabb" + "bbaa"
    for name in "ab":
        times = [captured_ns for called, captured_ns in calls if called == name]
        assert times == sorted(set(times)), "a contestant was shown the past"
    assert [one.faces for one in found["a"]] == [[1, 1], [1, 1]]
    assert [one.faces for one in found["b"]] == [[2, 2], [2, 2]]


def test_a_contestant_that_takes_longer_is_slower() -> None:
    def work(size: int) -> peers.Contestant:
        return lambda frame: sum(range(size)) * 0

    rounds = [peers.timed(work(size), frames(5)) for size in (10, 1_000_000)]
    assert [len(one.wall_s) for one in rounds] == [5, 5]
    assert rounds[1].fps < rounds[0].fps
    assert rounds[1].cpu_s > rounds[0].cpu_s


def test_what_is_missing_says_how_to_get_it_and_the_rest_is_measured(
    demo_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fer", None)
    monkeypatch.setattr(peers, "pipeline", lambda stack, model: lambda frame: 1)
    monkeypatch.setattr(peers, "mediapipe", lambda stack: {"bare": lambda frame: 0})
    document = peers.measure(str(demo_video), 4, 2)
    assert (document["video"], document["frames"], document["rounds"]) == (demo_video.name, 4, 2)
    assert {name: row.faces for name, row in document["rows"].items()} == {
        peers.OURS: 1.0,
        "bare": 0.0,
    }
    [(name, reason)] = document["missing"].items()
    assert name == "fer, Haar cascade"
    assert "pip install --target FOLDER --no-deps fer" in reason


def test_fer_counts_its_faces_and_leaves_our_log_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def detector(*, mtcnn: bool) -> SimpleNamespace:
        assert not mtcnn
        logging.getLogger().setLevel(logging.CRITICAL + 1)
        return SimpleNamespace(
            detect_emotions=lambda image: [{"box": (0, 0, 1, 1)}] * image.shape[0]
        )

    monkeypatch.setitem(sys.modules, "fer", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "fer.fer", SimpleNamespace(FER=detector))
    before = logging.getLogger().level
    assert peers.fer()(frames(1)[0]) == 4
    assert logging.getLogger().level == before


@pytest.mark.slow
def test_mediapipe_alone_finds_the_demo_viewer(demo_video: Path) -> None:
    [frame] = peers.frames_of(str(demo_video), 1)
    with ExitStack() as stack:
        found = {name: run(frame) for name, run in peers.mediapipe(stack).items()}
    assert len(found) == 3
    assert set(found.values()) == {1}


def test_the_table_shows_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row(10.0, 90.0, 120.5, 55.25, 1.5, 0.75, 2.0, 0.5)
    assert peers.cells("x", row) == [
        "x",
        "10.0",
        "90.00",
        "120.50",
        "55.25",
        "1.50",
        "75.0 %",
        "2.00",
        "0.50",
    ]
    Console(width=160).print(
        peers.table(
            {
                "video": "v.mp4",
                "frames": 3,
                "rounds": 2,
                "cpus": 2,
                "rows": {"x": row},
                "missing": {},
            }
        )
    )
    shown = capsys.readouterr().out
    assert "v.mp4: 3 frames, 2 rounds, 2 CPUs, decoding left out" in shown
    assert "120.50" in shown


def test_the_command_line_refuses_no_frames(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", "v.mp4", "--frames", "0"])
    with pytest.raises(SystemExit):
        peers.main()
    assert "argument --frames: expected at least 1, received 0" in capsys.readouterr().err


def test_a_missing_video_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["peers", str(tmp_path / "no.mp4")])
    with pytest.raises(SystemExit, match=r"no\.mp4 is missing: expected a file"):
        peers.main()


def test_json_holds_the_rows(
    demo_video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "fer", None)
    monkeypatch.setattr(peers, "pipeline", lambda stack, model: lambda frame: 1)
    monkeypatch.setattr(peers, "mediapipe", lambda stack: {})
    monkeypatch.setattr(
        sys, "argv", ["peers", str(demo_video), "--frames", "2", "--rounds", "1", "--json"]
    )
    peers.main()
    document = json.loads(capsys.readouterr().out)
    assert document["rows"][peers.OURS]["faces"] == 1.0
    assert document["rows"][peers.OURS]["ratio"] == 1.0
