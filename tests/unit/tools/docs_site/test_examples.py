"""The Python examples of the documents run; of those that need data, what they import exists."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
DATABASE = "docs/reference/database.md"  # tests/unit/db/test_database_page.py runs its example
NEED_DATA = {"docs/how-to/training.md"}
EXAMPLES = [
    (str(page.relative_to(ROOT)), code)
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for code in re.findall(
        r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
]


@pytest.mark.parametrize(
    ("page", "code"),
    EXAMPLES,
    ids=[f"{page}-{number}" for number, (page, _) in enumerate(EXAMPLES)],
)
def test_the_example_runs(page, code, monkeypatch, capsys):
    if page == DATABASE:
        return
    if page in NEED_DATA:
        for one in ast.parse(code).body:
            if isinstance(one, ast.ImportFrom) and one.module in {"detector", "training"}:
                assert {name.name for name in one.names} <= set(import_module(one.module).__all__)
        return
    monkeypatch.chdir(ROOT)
    exec(compile(code, page, "exec"), {})  # noqa: S102 (our own pages)
    assert capsys.readouterr().out


def test_examples_were_found():
    assert {page for page, _ in EXAMPLES} >= {DATABASE, "docs/reference/python.md", *NEED_DATA}
