"""Files that the documents show are valid: settings, a playlist, zones, an audience, outcomes."""

from __future__ import annotations

import json
import re
from inspect import cleandoc
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from ads.playlists.playlist_file import Entry, PlaylistHead, read_playlist_file
from ads.simulation.audience import read_audience
from detector import find_faces, load_classifier
from monitor.analytics.outcome_file import OutcomeForm, read_outcomes
from monitor.settings.models import SECTIONS
from monitor.settings.sources import SettingsFile, check
from monitor.settings.zones_file import read_zones

ROOT = Path(__file__).parents[4]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    (str(page.relative_to(ROOT)), found[2], dedent(found[3]))
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for found in BLOCK.finditer(page.read_text(encoding="utf-8"))
]
SETTINGS = [
    (page, text)
    for page, kind, text in BLOCKS
    if kind == "yaml" and set(yaml.safe_load(text)) <= set(SECTIONS)
]


def block(page, begins):
    """Return the one block of a page that begins so."""
    [found] = [text for name, _, text in BLOCKS if name == page and text.startswith(begins)]
    return found


def written(folder, text, name="example.yaml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_settings_are_found():
    assert {page for page, _ in SETTINGS} >= {
        "docs/how-to/hub/accounts.md",
        "docs/how-to/hub/server.md",
        "docs/how-to/kiosk.md",
        "docs/how-to/mqtt.md",
        "docs/how-to/notice.md",
    }


@pytest.mark.parametrize(("page", "text"), SETTINGS, ids=[page for page, _ in SETTINGS])
def test_a_settings_file_has_no_mistake(page, text, tmp_path):
    file = SettingsFile(written(tmp_path, text))
    assert file.values
    assert check(file) == []


def test_the_playlist_shows_every_key(tmp_path):
    text = block("docs/how-to/ads.md", "timezone:")
    head, entries = read_playlist_file(written(tmp_path, text))
    assert head.timezone == "Europe/Berlin"
    assert [entry.id for entry in entries] == ["summer-01"]
    for key, field in {**PlaylistHead.model_fields, **Entry.model_fields}.items():
        assert re.search(rf"^[ -]*{field.alias or key}:", text, re.MULTILINE), key


def test_the_zones(tmp_path):
    zones = read_zones(written(tmp_path, block("docs/explanation/perception.md", "zones:")))
    assert [(zone.kind, zone.name) for zone in zones] == [("ignore", "mirror"), ("count", "staff")]


def test_the_simulated_audience(tmp_path):
    text = block("docs/explanation/comparisons.md", "attention:")
    assert read_audience(written(tmp_path, text)).ads[0].id == "comfort"


def test_the_outcomes(tmp_path):
    text = block("docs/how-to/experiments.md", "time;site;value")
    found = read_outcomes(
        written(tmp_path, text, "sales.csv"), OutcomeForm(timezone="Europe/Berlin")
    )
    assert [(row.name, row.site, row.value) for row in found.rows] == [
        ("sales", "Shop 12", 1234.5),
        ("sales", "Shop 12", 987.0),
    ]


@pytest.mark.parametrize("text", [text for _, kind, text in BLOCKS if kind == "json"])
def test_documents_are_json(text):
    assert json.loads(cleandoc(text))


def test_the_answer_is_that_of_the_picture():
    [shown] = json.loads(block("docs/how-to/web.md", '{"images"'))["images"]
    picture = ROOT / "docs" / "images" / str(shown["image"])
    found = find_faces(str(picture), load_classifier("compact-3"))
    assert [face.label for face in found] == [face["label"] for face in shown["faces"]]
    for face, said in zip(found, shown["faces"], strict=True):
        assert face.confidence == pytest.approx(said["confidence"], abs=0.02)
        assert list(face.box) == pytest.approx(said["box"], abs=2)
