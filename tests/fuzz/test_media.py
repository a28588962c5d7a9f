"""A few damaged files of every format; `python -m tests.fuzz media` tries many."""

from __future__ import annotations

import random

import pytest

from tests.fuzz import media
from tests.fuzz.media import FORMATS, Shows, findings, mutate

COUNT = 3


@pytest.mark.slow
def test_damaged_files_neither_crash_nor_hang(tmp_path):
    assert findings(FORMATS, tmp_path, COUNT, seed=1) == []


def test_a_changed_file_is_another_one_and_never_empty():
    draw = random.Random(1)  # noqa: S311 (to be repeated)
    content = bytes(range(256)) * 4
    changed = {mutate(content, draw) for _ in range(50)}
    assert len(changed) > 40
    assert min(map(len, changed)) > 0


@pytest.mark.parametrize(
    ("doing", "what"),
    [
        ("import os; os.abort()", "ended with -6"),
        ("import time; time.sleep(60)", "no answer within 0.5 s"),
        ('print(\'{"cpu_s": 9, "error": null}\', flush=True)', "took 9.0 s"),
        ('print(\'{"cpu_s": 1, "error": "KeyError"}\', flush=True)', "KeyError"),
        ('print(\'{"cpu_s": 1, "error": null}\', flush=True)', None),
    ],
)
def test_crashes_hangs_and_errors_are_found(doing, what, tmp_path, monkeypatch):
    monkeypatch.setattr(media, "WALL_LIMIT_S", 0.5)
    program = f"import time; print('ready', flush=True); input(); {doing}; time.sleep(60)"
    with Shows(("-c", program)) as shows:
        if what is None or "no answer" not in what:
            monkeypatch.setattr(media, "WALL_LIMIT_S", 30.0)
        assert shows.ask(tmp_path / "a.mp4") == what
