"""Links between the documents lead somewhere, as they are read in the project's folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.docs_site.hook import PAGES

ROOT = Path(__file__).parents[4]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
FOLDERS = "ads|benchmarks|db|detector|docs|monitor|tests|tools|training"
TESTS = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
LATER = {"monitor/ui/languages/fr.yaml"}
"""What a recipe tells the reader to write."""
BUILT = {f"docs/{name}" for name in PAGES}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: str(one.relative_to(ROOT)))
def test_every_link_leads_to_a_file_that_is_there(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:|#", link):
            continue
        target = (document.parent / link.partition("#")[0]).resolve()
        if not target.exists() and str(target.relative_to(ROOT)) not in BUILT:
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: str(one.relative_to(ROOT)))
def test_every_file_of_the_project_that_is_named_is_there(document):
    """`db/schema.py`, `monitor/uplink/`; in a table's cell also `one.py`, in a folder it names."""
    if document.name == "CHANGELOG.md":  # it tells of files as they were
        return
    missing = []
    for cell in re.split(r"\n|\|", document.read_text(encoding="utf-8")):
        named = re.findall(r"`([\w./-]+)`", cell)
        whole = [one for one in named if re.match(rf"({FOLDERS})/", one)]
        folders = [ROOT / one if one.endswith("/") else (ROOT / one).parent for one in whole]
        missing += [one for one in whole if not (ROOT / one).exists()]
        for one in named:
            if one.startswith("test_") and one.endswith(".py"):
                found = TESTS
            elif folders and cell.startswith(" ") and re.fullmatch(r"[a-z]\w*\.py", one):
                found = {path.name for folder in folders for path in folder.glob("*.py")}
            else:
                continue
            missing += [one] if one not in found else []
    assert set(missing) - LATER == set()


def test_every_page_that_code_names_is_there():
    named = set()
    for folder in ("ads", "db", "detector", "monitor", "training"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".html", ".j2", ".yaml"}:
                text = path.read_text(encoding="utf-8")
                named |= set(re.findall(r"\bdocs/[\w/-]+\.md", text))
    assert named  # e.g. docs/reference/settings.md in the settings file
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_first_page_leads_to_every_other():
    first = ROOT / "docs" / "index.md"
    linked = set(re.findall(r"\]\(([\w/-]+\.md)", first.read_text(encoding="utf-8")))
    pages = {str(page.relative_to(first.parent)) for page in first.parent.rglob("*.md")}
    pages -= {"index.md", *(page for page in pages if re.match(r"decisions/\d", page))}
    assert pages - linked == set()
    decisions = (first.parent / "decisions" / "index.md").read_text(encoding="utf-8")
    for page in (first.parent / "decisions").glob("[0-9]*.md"):
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        assert f"[{title}]({page.name})" in decisions
