"""The list of all parts: complete, true to its specification, and only what the program needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from tools import sbom

LIST = {
    "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "metadata": {},
    "components": [
        {
            "type": "library",
            "bom-ref": "us",
            "name": sbom.PROGRAM,
            "version": "1",
            "externalReferences": [
                {"type": "distribution", "url": "file:///home/somebody"},
                {"type": "other", "url": "https://www.gnu.org"},
            ],
        },
        *(
            {"type": "library", "bom-ref": name.lower(), "name": name, "version": "1"}
            for name in ("Flask", "werkzeug", "pytest")
        ),
    ],
    "dependencies": [
        {"ref": "us", "dependsOn": ["flask", "pytest"]},
        {"ref": "flask", "dependsOn": ["werkzeug"]},
        {"ref": "werkzeug"},
        {"ref": "pytest"},
    ],
}


@pytest.fixture(scope="module")
def made():
    return sbom.document(LIST, {sbom.PROGRAM, "flask", "werkzeug"})


def test_only_what_the_program_needs_is_listed(made):
    assert [one["name"] for one in made["components"]] == ["Flask", "werkzeug"]
    assert {one["ref"] for one in made["dependencies"]} == {"us", "flask", "werkzeug"}
    assert made["dependencies"][0] == {"ref": "us", "dependsOn": ["flask"]}


def test_no_folder_of_this_machine_is_named(made):
    assert "file:" not in json.dumps(made)
    assert len(made["metadata"]["component"]["externalReferences"]) == 1


def test_a_list_that_would_lack_a_library_is_refused():
    with pytest.raises(ValueError, match=r"not listed: duckdb, numpy$"):
        sbom.document(LIST, {sbom.PROGRAM, "flask", "numpy", "duckdb"})


def test_a_licence_in_words_is_listed_where_there_is_no_other():
    (licence,) = sbom.with_licence({"name": "PyQt5"})["licenses"]
    assert licence["license"]["name"] == "GPL v3"
    known = {"name": "PyQt5", "licenses": [{"expression": "GPL-3.0-only"}]}
    assert sbom.with_licence(known) == known


def test_it_follows_the_specification(made):
    pytest.importorskip("cyclonedx.validation.json", reason="make sbom installs it")
    sbom.check(json.dumps(made))
    with pytest.raises(ValueError, match=r"does not follow CycloneDX 1\.6"):
        sbom.check(json.dumps(made | {"surprise": 1}))


def test_libraries_of_other_extras_are_left_out():
    assert {"flask", "werkzeug", "numpy"} <= sbom.needed(())
    assert not {"pytest", "duckdb", "tensorflow"} & sbom.needed(())
    assert "duckdb" in sbom.needed(["hub"])


def test_libraries_that_mediapipe_names_but_the_program_does_not_need_are_left_out():
    names = sbom.needed(())
    assert "mediapipe" in names
    assert not {"jax", "matplotlib", "sentencepiece", "opencv-contrib-python"} & names


OF_THE_PROGRAM = {".py", ".css", ".html", ".j2", ".mako", ".po", ".yaml", ".json", ".md", ".svg"}


def test_every_font_script_model_and_medium_is_in_the_table():
    listed = {path for work in sbom.bundled() for path in work.paths()}
    own_scripts = set(Path(sbom.ROOT, "monitor").glob("web/static/*.js"))
    own_scripts |= set(Path(sbom.ROOT, "monitor").glob("reports/templates/*.js"))
    for package in ("monitor", "detector", "training", "ads", "db"):
        for path in (sbom.ROOT / package).rglob("*"):
            if not path.is_file() or "__pycache__" in path.parts or path.suffix == ".pyc":
                continue
            known = path.suffix in OF_THE_PROGRAM or path in own_scripts or path in listed
            assert known or path.parent.name in {"fonts", "vendor"}, path
            if path.parent.name in {"fonts", "vendor"} and path.suffix not in {
                ".py",
                ".txt",
                ".md",
            }:
                assert path in listed


def test_each_row_has_files_and_the_text_of_its_licence():
    for work in sbom.bundled():
        assert work.paths(), work.files
        assert (sbom.ROOT / work.text).is_file(), work.text


def test_versions_are_those_of_the_files():
    for work in sbom.bundled():
        for path in work.paths():
            if path.suffix in {".otf", ".ttf"}:
                with TTFont(path, lazy=True) as font:
                    assert f"Version {work.version}" in font["name"].getDebugName(5), path
            elif path.suffix == ".js":
                assert work.version in path.read_text(encoding="utf-8")[:200], path
