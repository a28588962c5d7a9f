"""The recipes of CONTRIBUTING.md name files, targets and names that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FOLDERS = r"(?:ads|db|detector|docs|monitor|tests|tools|training)/"
PATHS = sorted(set(re.findall(rf"(?<![\w/]){FOLDERS}[\w./-]*\w", TEXT)))
NEW = {"monitor/ui/languages/fr.yaml"}
"""What a recipe makes."""


@pytest.mark.parametrize("path", [path for path in PATHS if path not in NEW])
def test_paths_are_there(path):
    assert (ROOT / path).exists()


def test_a_recipe_makes_only_what_is_not_there_yet():
    assert set(PATHS) >= NEW
    assert not any((ROOT / path).exists() for path in NEW)


def test_targets_of_make_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"`make ([\w-]+)`", TEXT))
    assert len(targets) > 5
    assert targets - set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE)) == set()


def test_a_clone_may_lie_below_a_folder_with_spaces_in_its_name():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = [line for line in makefile.splitlines() if line.startswith("\t")]
    bare = [line for line in recipes if re.search(r"(?<!['\"])\$\(CURDIR\)", line)]
    assert bare == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("class VideoSource", "detector/sources/video_source.py"),
        ("class SourceSpec", "detector/sources/video_source.py"),
        ("def any_source", "tests/unit/detector/sources/test_video_source.py"),
        ("class Policy", "ads/policies/base.py"),
        ("    def _choose", "ads/policies/fixed.py"),
        ("_CLASSES = ", "ads/policies/__init__.py"),
        ("class Reaction", "monitor/analytics/metrics.py"),
        ("        given = ", "monitor/reports/withheld.py"),
        ("        needs = ", "monitor/reports/withheld.py"),
        ("blueprint = ", "monitor/web/pages/experiments.py"),
        ("COMMANDS = ", "monitor/cli/main.py"),
        ("REVISIONS = ", "db/migrations/__init__.py"),
    ],
)
def test_names_are_where_the_recipe_says(name, path):
    assert f"\n{name}" in (ROOT / path).read_text(encoding="utf-8")
    assert name.split()[-1 if not name.endswith("= ") else 0].strip("_ =") in TEXT


@pytest.mark.parametrize("line", re.findall(r"^\.venv/bin/python .*$", TEXT, re.MULTILINE))
def test_commands_name_tests_that_are_there(line):
    file = re.search(r"tests/\S+\.py", line)[0]
    chosen = re.search(r"-k (\w+)", line)
    tests = re.findall(r"def (test_\w+)", (ROOT / file).read_text(encoding="utf-8"))
    assert [name for name in tests if chosen is None or chosen[1] in name]
