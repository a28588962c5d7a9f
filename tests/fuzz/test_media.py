"""A few damaged files of every format; `python -m tests.fuzz media` tries many."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.media import FORMATS, findings, mutate

COUNT = 3


@pytest.mark.slow
@pytest.mark.parametrize("ending", FORMATS)
def test_damaged_files_neither_crash_nor_hang(ending, tmp_path):
    assert findings(ending, tmp_path / ending, COUNT, seed=1) == []


def test_a_changed_file_is_another_one_and_never_empty():
    draw = random.Random(1)  # noqa: S311 (to be repeated)
    content = bytes(range(256)) * 4
    changed = {mutate(content, draw) for _ in range(50)}
    assert len(changed) > 40
    assert min(map(len, changed)) > 0
