"""`notice`, as typed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from monitor.cli.kiosk import notice as command
from monitor.cli.main import cli
from monitor.legal import sign
from monitor.legal.errors import PaperError, SignError
from monitor.legal.sign import SHEETS, Sign

GIVEN = (
    *("--notice-responsible", "Corner Shop", "--notice-contact", "privacy@example.com"),
    *("--notice-url", "https://example.com/privacy"),
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def invoke(*arguments):
        return CliRunner().invoke(cli, ["notice", *map(str, arguments)])

    return invoke


@pytest.fixture
def printed(monkeypatch):
    """The settings and sheets of the signs that are asked for; none is drawn."""
    asked = []

    def draw(settings, sheet):
        asked.append((settings, sheet))
        return Sign(b"%PDF-", settings.notice_languages or (settings.language,), 3.0)

    monkeypatch.setattr(sign, "print_sign", draw)
    return asked


def test_a_sign_is_written_once(run, printed, tmp_path):
    file = tmp_path / "sign.pdf"
    made = run("print", file, *GIVEN, "--paper", "A3", "--json")
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["notice"] == {
        "file": str(file),
        "paper": "a3",
        "languages": ["en"],
        "readable_m": 1.5,
    }
    assert file.read_bytes() == b"%PDF-"
    again = run("print", file, *GIVEN)
    assert isinstance(again.exception, PaperError)
    assert "replace it with --force" in str(again.exception)
    assert run("print", file, *GIVEN, "--force").exit_code == 0


def test_the_settings_file_and_the_options_of_run_count(run, printed, tmp_path):
    config = tmp_path / "kiosk.yaml"
    config.write_text("notice:\n  responsible: Shop\ndata:\n  retention_days: 14\n")
    done = run(
        *("print", tmp_path / "s.pdf", "--config", config, "--mqtt", "mqtt://broker.example"),
        *("--language", "de"),
    )
    assert done.exit_code == 0, done.output
    [(settings, sheet)] = printed
    assert (settings.notice_responsible, settings.retention_days) == ("Shop", 14)
    assert (settings.mqtt, settings.language, sheet) == ("mqtt://broker.example", "de", "a4")


def test_it_says_what_to_do_about_small_letters_and_readings_without_an_end(run, printed, tmp_path):
    done = run("print", tmp_path / "s.pdf", *GIVEN, "--retention", "0")
    assert "easy to read from 1.5 m" in done.stdout
    assert "choose a larger sheet (--paper)" in done.stderr
    assert "data.retention_days: 0" in done.stderr


def test_what_is_missing_is_named_with_its_option(run, tmp_path):
    refused = run("print", tmp_path / "s.pdf", *GIVEN[:2])
    assert isinstance(refused.exception, SignError)
    assert '--notice-contact "privacy@example.com"' in str(refused.exception)
    assert not (tmp_path / "s.pdf").exists()


def test_a_folder_that_is_not_there_is_said(run, printed, tmp_path):
    refused = run("print", tmp_path / "none" / "s.pdf", *GIVEN)
    assert isinstance(refused.exception, PaperError)
    assert "cannot be written" in str(refused.exception)


def test_the_sheets_of_the_option_are_those_that_there_are():
    assert set(command.SHEETS) == set(SHEETS)


def test_help_shows_the_settings_of_the_notice_and_help_all_the_others(run):
    short, whole = run("print", "--help").output, run("print", "--help-all").output
    assert "--notice-responsible" in short
    assert "--retention" not in short
    assert "--retention" in whole


@pytest.mark.parametrize("name", ["assessment", "technical-file"])
def test_papers_are_written_and_say_how_much_is_open(run, tmp_path, name):
    file = tmp_path / "paper.md"
    done = run(name, file, "--language", "de", "--json", *GIVEN)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)["paper"]
    assert (document["file"], document["language"]) == (str(file), "de")
    text = file.read_text(encoding="utf-8")
    assert text.count("> **Zu beantworten") == document["questions"]
    assert document["model"] in text
    assert "questions are marked" in run(name, file, "--force").stdout


def test_a_paper_of_an_unknown_kind_is_refused(run, tmp_path):
    refused = run("assessment", tmp_path / "paper.odt")
    assert isinstance(refused.exception, PaperError)
    assert not list(tmp_path.glob("paper*"))


def test_a_sign_is_a_pdf(run, printed, tmp_path):
    refused = run("print", tmp_path / "sign.docx", *GIVEN)
    assert refused.exit_code == 2
    assert "expected a file that ends in .pdf" in refused.output
    assert not list(tmp_path.glob("sign*"))
