"""What `review` refuses before it reads, and what it says of the model that judges."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from detector.emotion.model_store import DEFAULT_MODEL
from monitor.cli.models import review as module
from training.errors import DatasetError

pytestmark = pytest.mark.skipif(
    find_spec("cleanlab") is None, reason="the extra `training` is not installed"
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A table of FER2013's name and form with twelve noisy faces."""
    path = tmp_path / "fer2013.csv"
    pictures = np.random.default_rng(2).integers(0, 255, (12, 48 * 48))
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("emotion", "pixels", "Usage"))
        for number, picture in enumerate(pictures):
            table.writerow((number % 2, " ".join(map(str, picture)), "Training"))
    return path


def test_it_says_that_the_model_knows_the_faces(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    monkeypatch.setattr(module, "silence_native_libraries", lambda: None)
    monkeypatch.setattr(module, "_serve", lambda found, *_, **__: shown.append(len(found)))
    out = tmp_path / "overlay.csv"
    options = ["--data", str(data), "--out", str(out), "--limit", "5", "--model", DEFAULT_MODEL]
    done = CliRunner().invoke(module.review, options)
    assert done.exit_code == 0, done.output
    assert shown == [5]
    assert f"{DEFAULT_MODEL} was trained on fer2013.csv" in done.output
    assert "Nothing was decided" in done.output
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_noticed_first(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "silence_native_libraries", lambda: None)
    options = ["--data", str(data), "--out", str(tmp_path / "nowhere" / "overlay.csv")]
    done = CliRunner().invoke(module.review, options)
    assert isinstance(done.exception, DatasetError)
    assert "Cannot write the overlay" in str(done.exception)


def test_a_refused_review_leaves_no_file(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "silence_native_libraries", lambda: None)
    out = tmp_path / "overlay.csv"
    options = ["--data", str(data), "--out", str(out), "--split", "nowhere"]
    done = CliRunner().invoke(module.review, options)
    assert isinstance(done.exception, DatasetError)
    assert "no rows in the split 'nowhere'" in str(done.exception)
    assert not out.exists()


def test_what_is_no_overlay_is_noticed_first_and_stays(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "silence_native_libraries", lambda: None)
    (out := tmp_path / "notes.csv").write_text("my notes\n")
    done = CliRunner().invoke(module.review, ["--data", str(data), "--out", str(out)])
    assert "is no overlay of labels" in str(done.exception)
    assert "Judging" not in done.output
    assert out.read_text() == "my notes\n"
