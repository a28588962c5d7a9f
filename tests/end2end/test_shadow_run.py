"""A shadow run from the recording to its report: readings stay the same, only sums are stored."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from detector.emotion.model_card import sha256_of
from detector.emotion.model_store import DEFAULT_MODEL, shipped_default
from detector.sources.video_source import DEMO_VIDEO

pytestmark = pytest.mark.slow


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    """The shipped model in another file, and less sure of itself."""
    shipped = shipped_default()
    path = tmp_path / "candidate.keras"
    path.write_bytes(shipped.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"a candidate"
    path.with_suffix(".tflite").write_bytes(shipped.with_suffix(".tflite").read_bytes())
    card = json.loads(shipped.with_suffix(".json").read_text(encoding="utf-8"))
    card |= {"name": "candidate", "sha256": sha256_of(path), "temperature": 3.0}
    path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    return path


def test_a_replay_with_a_shadow_model(program, candidate):
    readings = (
        "SELECT at, p_happy, valence, attentive FROM readings WHERE session_id = {} ORDER BY id"
    )
    replay = ("replay", str(DEMO_VIDEO), "--started-at", "2026-03-01 10:30")
    program.run(*replay)
    program.run(*replay, "--shadow-model", str(candidate))
    assert program.rows(readings.format(1)) == program.rows(readings.format(2))
    [report] = program.json("models", "shadow", "--replays", "--demos")["shadow_runs"]
    assert (report["shadow_model"], report["model_in_use"]) == ("candidate", DEFAULT_MODEL)
    assert report["faces"] > 20
    # The temperature changes how sure a model is, not what it says.
    assert report["agreement"]["value"] == 1.0
    assert report["confidence"]["difference"]["value"] < -0.1
    assert 0 < report["cpu_ms"]["shadow"] < 100
    assert not report["suffices"]
    said = program.run("models", "shadow", "--replays", "--demos")
    assert "does not suffice yet" in said.stdout
    assert "There is no shadow run" in program.run("models", "shadow").stderr
    program.run("purge", "--older-than", "0d", "--yes")
    assert program.rows("SELECT count(*) FROM shadow_counts") == [(0,)]


def test_the_model_in_use_beside_itself_is_refused(program):
    complaint = program.complaint(
        "replay", str(DEMO_VIDEO), "--shadow-model", DEFAULT_MODEL, status=2
    )
    assert "is the model in use itself" in complaint
