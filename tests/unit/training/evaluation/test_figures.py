"""The figures of a run: written as pictures of a sensible size, the same each time, nothing global
left behind.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from training.evaluation import figures
from training.evaluation.calibration import reliability_bins

LABELS = ("angry", "happy", "a label with a long name")


def history(
    epochs: int, *, heads: bool = True, sides: tuple[int, ...] = (32, 48)
) -> list[dict[str, Any]]:
    entries = []
    for epoch in range(1, epochs + 1):
        entry: dict[str, Any] = {
            "epoch": epoch,
            "side_px": sides[min(len(sides) - 1, epoch * len(sides) // (epochs + 1))],
            "loss": 3 / epoch,
            "val_loss": 1 / epoch + 0.2 * (epoch > 5),
            "val_accuracy": 1 - 0.5 / epoch,
        }
        extra = (
            {"votes_loss": 2 / epoch, "votes_accuracy": 1 - 0.7 / epoch}
            if heads
            else {"accuracy": 1 - 0.7 / epoch}
        )
        entries.append(entry | extra)
    return entries


def bins(seed: int, sharpness: float) -> Any:
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.2, 1, 500)
    return reliability_bins(confidence, (rng.random(500) < confidence**sharpness).astype(float))


PER_CLASS = {
    label: {"precision": 0.8, "recall": 0.5, "f1": 0.61, "support": 1234} for label in LABELS
}
CONDITIONS = {
    "blur_px": [{"value": value, "n": 10, "accuracy": 0.9 - value / 10} for value in (0, 0.5, 3)]
}

DRAW: dict[str, Callable[[Path], None]] = {
    "curves": lambda path: figures.draw_curves(history(9), path, head="votes"),
    "curves of one head": lambda path: figures.draw_curves(history(9, heads=False), path),
    "curves of one epoch": lambda path: figures.draw_curves(
        history(1, heads=False, sides=(48,)), path
    ),
    "confusion": lambda path: figures.draw_confusion(
        [[5, 1, 0], [0, 9, 1], [0, 0, 0]], LABELS, path, title="test"
    ),
    "many classes": lambda path: figures.draw_confusion(
        np.eye(20, dtype=int).tolist(), [f"class {n}" for n in range(20)], path, title="test"
    ),
    "reliability": lambda path: figures.draw_reliability(
        bins(0, 2), bins(1, 1), path, title="test"
    ),
    "per class": lambda path: figures.draw_per_class(PER_CLASS, path, title="test"),
    "conditions": lambda path: figures.draw_conditions(CONDITIONS, path, names={"blur_px": "blur"}),
    "four conditions": lambda path: figures.draw_conditions(
        dict.fromkeys("abcd", CONDITIONS["blur_px"]), path, names={}
    ),
}


@pytest.mark.parametrize("name", DRAW)
def test_a_figure_is_a_picture_and_the_same_each_time(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    DRAW[name](first)
    DRAW[name](second)
    assert first.read_bytes() == second.read_bytes()
    with Image.open(first) as picture:
        assert picture.format == "PNG"
        assert 400 <= picture.width <= 2400
        assert 300 <= picture.height <= 2400
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20


def test_the_loss_of_the_main_head_is_drawn() -> None:
    entry = {"loss": 9.0, "votes_loss": 2.0}
    assert figures._of_head(entry, "loss", "votes") == 2.0
    assert figures._of_head(entry, "loss", None) == 9.0
    assert np.isnan(figures._of_head(entry, "accuracy", "votes"))


def test_nothing_global_is_touched(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from matplotlib import rcParams; before = rcParams.copy();"
        "from training.evaluation import figures;"
        f"figures.draw_confusion([[1, 0], [0, 1]], ('a', 'b'), Path({str(tmp_path / 'c.png')!r}), title='t');"
        "print('matplotlib.pyplot' in sys.modules, before == rcParams.copy())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False True\n"
