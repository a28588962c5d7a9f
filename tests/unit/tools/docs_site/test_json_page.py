"""The page about JSON has a section for each command with `--json`, and every key it prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli.main import cli
from tests.fuzz.web import write_session
from tools.docs_site.commands import all_commands

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "reference" / "json.md").read_text(encoding="utf-8")
EXPLANATIONS = ("explanation/metrics.md", "explanation/comparisons.md")
HEADINGS = re.findall(r"^### (.*)$", PAGE, re.MULTILINE)
PLAN = ("--treatment", "summer", "--site", "Hall <1>", "--timezone", "UTC", "--spread", "20%")
QUICK = [
    ("sessions",),
    ("stored",),
    ("config", "show"),
    ("models", "list"),
    ("playlist", "check", "--hours", "0.05"),
    ("simulate", "--plays", "20", "--runs", "1"),
    ("proof",),
    ("lift",),
    ("compare", "summer", "winter"),
    ("experiment", "plan", *PLAN),
    ("experiment", "start", "first", "--hypothesis", "It holds.", *PLAN),
    ("experiment", "status", "first"),
    ("experiment", "result", "first"),
    ("experiment", "stop", "first", "--reason", "seen"),
    ("outcome", "import", "--site", "Hall <1>"),
    ("backup",),
    ("purge", "--older-than", "30"),
    ("purge", "--everything", "--dry-run"),
]
OWN_NAMES = {"columns", "scores"}
"""Keys whose own keys are names of columns or datasets."""


def section_of(command):
    [heading] = [one for one in HEADINGS if f"`ad-monitor {command}`" in one]
    text = PAGE.partition(f"### {heading}\n")[2]
    return re.split(r"^##", text, maxsplit=1, flags=re.MULTILINE)[0]


def keys_of(document):
    """Yield every key of a document, at any depth."""
    if isinstance(document, list):
        for one in document:
            yield from keys_of(one)
    elif isinstance(document, dict):
        for key, value in document.items():
            yield key
            if key not in OWN_NAMES:
                yield from keys_of(value)


def names_in(text):
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`]+)`", prose)
    return set(re.findall(r"\w+", " ".join(spans)))


def test_every_command_with_json_has_a_section_and_no_other():
    with_json = {
        name
        for name, command in all_commands()
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert set(re.findall(r"`(ad-monitor [^`]+)`", "".join(HEADINGS))) == with_json


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A database with a session, a playlist with a picture, and a table of sales."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("json")
    write_session(folder / "monitor.db")
    (folder / "ads").mkdir()
    Image.new("RGB", (64, 36)).save(folder / "ads" / "one.png")
    (folder / "ads" / "note.png").write_text("no picture")
    (folder / "sales.csv").write_text("time,value\n2026-03-01 09:00,10\n2026-03-01 10:00,x\n")
    return folder


@pytest.mark.parametrize("arguments", QUICK, ids=lambda arguments: " ".join(arguments[:2]))
def test_every_key_is_in_the_section_of_its_command(folder, arguments, monkeypatch):
    files = {"playlist": "ads", "outcome": "sales.csv", "backup": "copies"}
    extra = [str(folder / files[arguments[0]])] if arguments[0] in files else []
    monkeypatch.setenv("AD_MONITOR_DB", str(folder / "monitor.db"))
    result = CliRunner().invoke(cli, [*arguments, *extra, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    [command] = [
        name.removeprefix("ad-monitor ")
        for name in re.findall(r"`(ad-monitor [^`]+)`", "".join(HEADINGS))
        if " ".join(arguments).startswith(name.removeprefix("ad-monitor "))
    ]
    section = section_of(command)
    known = names_in(section)
    for page in EXPLANATIONS:
        if page in section:
            known |= names_in((DOCS / page).read_text(encoding="utf-8"))
    if command.startswith("experiment"):
        known |= names_in(section_of("experiment plan"))
    known |= {"left_out", "withheld", "replay", "demo"}  # the head of the page
    keys = set(keys_of(json.loads(result.stdout)))
    assert keys
    assert keys - known == set()
