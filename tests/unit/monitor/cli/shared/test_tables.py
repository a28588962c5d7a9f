"""What a person sees of a training run: movement within an epoch, with and without a terminal."""

from __future__ import annotations

import pytest

from monitor.cli.shared import tables
from monitor.cli.shared.tables import training_bar
from training.fit.schedule import RunProgress, Stage


def progress_of(steps: int) -> RunProgress:
    progress = RunProgress((Stage(32, 2), Stage(48, 2)), 100)
    progress.steps = steps
    return progress


def test_the_bar_moves_within_an_epoch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with training_bar() as tell:
        tell(progress_of(130), {"loss": 1.234})
    said = capsys.readouterr().err
    assert "32.5%" in said
    assert "epoch 2, step 30 of 100, 32 px, loss 1.234" in said


def test_the_bar_of_a_trained_model_says_that_it_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with training_bar() as tell:
        tell(progress_of(400), {"loss": 1.234})
    said = capsys.readouterr().err
    assert "100.0%  trained; now measuring" in said
    assert "epoch 5" not in said


def test_without_a_terminal_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "")
    now = 1000.0
    monkeypatch.setattr(tables.time, "monotonic", lambda: now)
    with caplog.at_level("INFO", logger="monitor.cli.shared.tables"), training_bar() as tell:
        for seconds, steps in ((59, 10), (60, 20), (100, 30), (121, 240)):
            now = 1000.0 + seconds
            tell(progress_of(steps), {})
    lines = [record.message for record in caplog.records]
    assert len(lines) == 2
    assert lines[0].startswith("5.0%: epoch 1, step 20 of 100, 32 px")
    assert lines[1].startswith("60.0%: epoch 3, step 40 of 100, 48 px")


def test_a_picture_is_one_line_whatever_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    face = {"label": "happy", "confidence": 0.9, "uncertain": False, "box": (1, 2, 3, 4)}
    tables.print_faces([{"image": "a\n[b].png", "faces": [face]}, {"image": "c.png", "faces": []}])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == r"a\n[b].png: 1 face"
    assert said[-1] == "c.png: 0 faces"


@pytest.mark.parametrize("taken", [0.125, None])
def test_scores_hold_for_other_mixes_of_labels_too(
    taken: float | None, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {
        "accuracy": 0.9,
        "balanced_accuracy": 0.75,
        "taken_for_neutral": taken,
        "n": 10,
        "macro_f1": 0.7,
        "loss": 0.5,
        "ece": 0.02,
        "against": "majority",
        "per_class": {},
    }
    tables.print_evaluation(figures)
    said = capsys.readouterr().out
    assert "With as many faces of each label: 75.00%." in said
    assert ("12.5% are taken for neutral" in said) == (taken is not None)
