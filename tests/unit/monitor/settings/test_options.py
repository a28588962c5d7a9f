from __future__ import annotations

import errno
import json
import os

import pytest
from click.testing import CliRunner

from monitor.cli.kiosk.config import config
from monitor.cli.kiosk.run import run
from monitor.cli.main import cli

FIRST = {
    "--console",
    "--config",
    "--source",
    "--playlist",
    "--site",
    "--db",
    "--headless",
    "--fullscreen",
    "--duration",
    "--loops",
    "--report",
}


def invoke(*arguments, of=config):
    return CliRunner().invoke(of, [*map(str, arguments)])


def options_in(text):
    return {line.split()[0].rstrip(",") for line in text.splitlines() if line.startswith("  --")}


def test_the_help_shows_the_first_options_in_groups_and_the_rest_on_request():
    short, full = invoke("--help", of=run).output, invoke("--help-all", of=run).output
    assert options_in(short) - {"--json", "--debug", "--help", "--help-all"} == FIRST
    assert options_in(full) > options_in(short) | {"--volume", "--supervised", "--camera-angle"}
    assert "The window and its sound:" in short
    assert "Example: ad-monitor run" in short


@pytest.mark.parametrize("command", ["run", "replay", "serve", "train"])
def test_commands_take_a_settings_file(command):
    assert "--config FILE" in invoke(command, "--help", of=cli).output


def test_bounds_and_defaults_come_from_the_models():
    output = " ".join(invoke("--help-all", of=run).output.split())
    assert "[default: 36] [12.0<=x<=2000]" in output
    assert "[default: the camera chosen before, else the first one, else demo]" in output
    done = invoke("--camera-angle", "5", of=run)
    assert done.exit_code == 2
    assert "expected a number from 20 to 170, received '5'." in done.output


@pytest.mark.parametrize(
    "arguments", [("train", "--out", "x"), ("evaluate",), ("models", "promote", "x.keras")]
)
def test_the_data_to_train_or_measure_on_must_be_named(arguments):
    done = invoke(*arguments, of=cli)
    assert done.exit_code == 2
    assert "Missing option '--data'" in done.output


def test_init_writes_a_file_once(tmp_path):
    file = tmp_path / "kiosk.yaml"
    assert invoke("init", file).exit_code == 0
    assert "#source:" in file.read_text()
    file.write_text("")
    done = invoke("init", file)
    assert "exists: name another file" in str(done.exception)
    assert file.read_text() == ""
    assert invoke("init", "--force", file).exit_code == 0
    assert file.read_text() == invoke("init", "-").output


def test_check_names_every_mistake_and_ends_with_2(tmp_path):
    file = tmp_path / "kiosk.yaml"
    file.write_text("window:\n  volume: 2\n  colour: red\n")
    done = invoke("check", file)
    assert done.exit_code == 2
    assert len(done.output.splitlines()) == 2
    assert f"{file}:2: invalid window.volume" in done.output
    file.write_text("window:\n  volume: 1\n")
    assert "is valid and sets 1 setting.\n" in invoke("check", file).output


def test_show_says_where_each_value_comes_from(tmp_path, monkeypatch):
    file = tmp_path / "kiosk.yaml"
    file.write_text(
        "data:\n  database: postgresql://shop:hunter2@server/ads\nweb:\n  token: hunter2\n"
        "hub:\n  token: hunter2-hunter2-hunter2\n  oidc_client_secret: hunter2\n"
    )
    monkeypatch.setenv("AD_MONITOR_VOLUME", "0.5")
    done = invoke("show", "--config", file, "--json", "--", "--site", "Shop 12")
    assert done.exit_code == 0, done.output
    rows = {row["key"]: (row["value"], row["from"]) for row in json.loads(done.output)["settings"]}
    assert rows["data.site"] == ("Shop 12", "option --site")
    assert rows["window.volume"] == (0.5, "environment variable AD_MONITOR_VOLUME")
    assert rows["data.database"][1] == f"{file}:2"
    assert rows["ads.policy"] == ("sequential", "default")
    assert "hunter2" not in done.output
    text = invoke("show", "--config", file).output
    assert "ads.policy" in text
    assert "(default)" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (("sessions", "--db", ""), "--db"),
        (("purge", "--db", " "), "--db"),
        (("run", "--playlist", ""), "--playlist"),
        (("run", "--config", ""), "--config"),
        (("report", "-o", ""), "--output"),
        (("backup", ""), "[FILE|FOLDER]"),
        (("config", "check", ""), "FILE"),
        (("install", "--system", ""), "--system"),
    ],
)
def test_an_empty_path_names_neither_the_default_nor_a_folder(typed, name):
    refused = CliRunner().invoke(cli, typed)
    assert refused.exit_code == 2
    assert "expected a path or a name, received an empty text" in refused.output
    assert name in refused.output


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (("report", "latest"), "expected a whole number of at least 1, received 'latest'"),
        (("report", "0"), "expected a whole number of at least 1, received '0'"),
        (("run", "--loops", ""), "expected a whole number of at least 1, received ''"),
        (("serve", "--port", "99999"), "expected a whole number from 0 to 65535, received '99999'"),
        (("run", "--volume", "loud"), "expected a number from 0 to 1, received 'loud'"),
        (("run", "--duration", "0"), "expected a number above 0, received '0'"),
        (
            ("run", "--farthest", "60"),
            "expected a number above 0 and at most 50, received '60'",
        ),
    ],
)
def test_numbers_out_of_their_range_are_told_the_range(typed, sentence):
    refused = CliRunner().invoke(cli, typed)
    assert refused.exit_code == 2
    assert sentence in " ".join(refused.output.split())


def test_a_variable_with_paths_may_end_in_their_mark(tmp_path):
    variable = {"AD_MONITOR_MEDIA": f"{tmp_path}{os.pathsep}"}
    done = CliRunner(env=variable).invoke(cli, ["report", "--db", str(tmp_path / "none.db")])
    assert "There is no database" in str(done.exception)


def test_init_on_a_full_disk_keeps_the_file_that_was_there(tmp_path, monkeypatch):
    file = tmp_path / "kiosk.yaml"
    file.write_text("data: {site: Shop}")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refused = CliRunner().invoke(cli, ["config", "init", "--force", str(file)])
    assert "No space left on device" in str(refused.exception)
    assert file.read_text() == "data: {site: Shop}"


@pytest.mark.parametrize(
    "typed",
    [
        ("simulate", "--floor", "nan"),
        ("compare", "--relevant", "inf"),
        ("run", "--duration", "nan"),
    ],
)
def test_numbers_are_finite(typed):
    refused = CliRunner().invoke(cli, typed)
    assert refused.exit_code == 2
    assert "expected a finite number " in refused.output
    assert f"received '{typed[-1]}'" in refused.output
