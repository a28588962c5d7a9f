"""The table in README.md and the tests name the same inputs."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).parent
ROW = re.compile(r"^\| `([^`]+)` \|(.*)\|$")


def _rows() -> dict[str, list[str]]:
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    found = [match for line in lines if (match := ROW.match(line))]
    names = [match[1] for match in found]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    return {match[1]: [cell.strip() for cell in match[2].split(" | ")] for match in found}


def _inputs() -> list[str]:
    """All names in `INPUTS` of the test modules here, over which their tests are parametrised."""
    names: list[str] = []
    for file in sorted(FOLDER.glob("test_*.py")):
        module = importlib.import_module(f"tests.media.{file.stem}")
        names += getattr(module, "INPUTS", [])
    return names


def test_every_input_has_a_row_and_every_row_an_input():
    inputs = _inputs()
    assert [name for name, count in Counter(inputs).items() if count > 1] == []
    assert sorted(inputs) == sorted(_rows())


def test_every_row_says_what_is_right_and_by_which_reference():
    for name, cells in _rows().items():
        assert len(cells) == 3, name
        assert all(cells), name
