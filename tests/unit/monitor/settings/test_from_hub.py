"""Settings from the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monitor.cli.main import cli
from monitor.cli.shared import options as cli_options
from monitor.cli.shared.options import load_settings
from monitor.settings.from_hub import (
    hub_mistakes,
    hub_settings,
    keep_hub_settings,
    read_hub_settings,
)
from monitor.settings.models import RunSettings
from monitor.settings.sources import SettingsError, Sources, load


def test_nothing_that_protects_people_or_names_files_comes_from_a_hub() -> None:
    settings = hub_settings()
    assert not {"camera.enabled", "notice.mode", "notice.seconds", "window.headless"} & set(
        settings
    )
    assert not [key for key in settings if key.startswith(("uplink.", "mqtt.", "camera.", "run."))]
    assert not [key for key, setting in settings.items() if setting.holds_paths]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"window.volume": 2}, "Invalid window.volume: expected a number from 0 to 1, received 2."),
        ({"notice.mode": "bar"}, "notice.mode cannot be set by a hub."),
        (
            {"data.measure_hours": ["9-30"]},
            'Invalid data.measure_hours: expected text like "08:00-12:00", received 9-30.',
        ),
        (
            {"window.language": "XX"},
            "Invalid window.language: expected one of de, en, received 'XX'.",
        ),
    ],
)
def test_wrong_values_are_named_in_words(values: dict[str, object], sentence: str) -> None:
    assert hub_mistakes(values) == [sentence]


def test_right_values_have_no_mistakes() -> None:
    assert hub_mistakes({"window.volume": 0.5, "notice.languages": ["de", "en"]}) == []


def test_what_is_set_on_the_machine_comes_before_the_hub() -> None:
    hub = {"window.volume": 0.5, "data.site": "Hub"}
    settings = load(RunSettings, Sources({"site": "Here"}, None, {}, hub))
    assert (settings.site, settings.volume) == ("Here", 0.5)
    environ = {"AD_MONITOR_VOLUME": "0.25"}
    assert load(RunSettings, Sources({}, None, environ, hub)).volume == 0.25


def test_what_a_hub_sends_is_kept_for_the_next_start(tmp_path: Path) -> None:
    folder, database = tmp_path / "kiosk.db.hub", str(tmp_path / "kiosk.db")
    assert keep_hub_settings(folder, {}, {}) == []
    assert not folder.exists()
    sent = {"window.volume": 0.5, "data.measure_hours": ["09:00-18:00"], "run.log": "x"}
    assert keep_hub_settings(folder, sent, {}) == [
        "run.log cannot be set by a hub.",
        "The settings apply at the next start of the kiosk.",
    ]
    del sent["run.log"]
    assert read_hub_settings(database) == sent
    assert keep_hub_settings(folder, sent, sent) == []
    assert keep_hub_settings(folder, {}, sent) == [
        "The settings apply at the next start of the kiosk."
    ]
    assert read_hub_settings(database) == {}
    assert read_hub_settings("postgresql+psycopg://host/ads") == {}


@pytest.mark.parametrize("text", ["window: [", "- 1", "\0", "window:\n  volume: 7\n"])
def test_a_damaged_file_stops_no_start(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "kiosk.db.hub"
    folder.mkdir()
    (folder / "settings.yaml").write_text(text)
    assert read_hub_settings(str(tmp_path / "kiosk.db")) == {}
    assert "from the hub" in caplog.text


def test_the_kiosk_uses_them_unless_the_machine_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = str(tmp_path / "kiosk.db")
    sent = {"window.volume": 0.5, "data.site": "Hub", "ads.policy": "shuffle"}
    keep_hub_settings(tmp_path / "kiosk.db.hub", sent, {})
    monkeypatch.setenv("AD_MONITOR_POLICY", "weighted")
    options = {"database": database, "site": "Here"}
    settings = load_settings(RunSettings, options)
    assert (settings.volume, settings.site, settings.policy) == (0.5, "Here", "weighted")
    shown = CliRunner().invoke(cli, ["config", "show", "--", "--db", database, "--site", "Here"])
    lines = {line.split()[0]: line for line in shown.output.splitlines()}
    assert lines["window.volume"].endswith("0.5  (the hub)")
    assert lines["data.site"].endswith("(option --site)")


def test_settings_that_contradict_those_of_the_machine_stop_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(model: Any, sources: Sources, **computed: Any) -> Any:
        if sources.hub:
            raise SettingsError("These two exclude each other.")
        return load(model, sources, **computed)

    monkeypatch.setattr(cli_options, "load", refuse)
    keep_hub_settings(tmp_path / "kiosk.db.hub", {"window.volume": 0.5}, {})
    settings = load_settings(RunSettings, {"database": str(tmp_path / "kiosk.db")})
    assert settings.volume == 1.0
    assert "exclude each other" in caplog.text
