"""Settings from file, environment and options; tests `models.py` and `sources.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.settings.models import MODELS, RunSettings, TrainSettings, WebSettings
from monitor.settings.sources import (
    SettingsError,
    SettingsFile,
    Sources,
    all_settings,
    check,
    load,
    settings_of,
)


@pytest.fixture
def make_file(tmp_path):
    def make(text):
        path = tmp_path / "kiosk.yaml"
        path.write_text(text, encoding="utf-8")
        return SettingsFile(path)

    return make


def test_option_over_environment_over_file_over_default(make_file):
    file = make_file("window:\n  volume: 0.2\n")
    environ = {"AD_MONITOR_VOLUME": "0.4"}
    [volume] = [setting for setting in settings_of(RunSettings) if setting.name == "volume"]
    steps = [
        (Sources({"volume": 0.6}, file, environ), 0.6, "option --volume"),
        (Sources({"volume": None}, file, environ), 0.4, "environment variable AD_MONITOR_VOLUME"),
        (Sources({}, file, {}), 0.2, f"{file.path}:2"),
    ]
    for sources, value, origin in steps:
        assert load(RunSettings, sources).volume == value
        assert sources.find(volume)[1] == origin
    nobody = Sources({}, None, {})
    assert load(RunSettings, nobody).volume == 1
    assert nobody.find(volume) is None


def test_settings_of_models_within_come_from_all_sources(make_file):
    file = make_file("ads:\n  holdout: 0.3\ncamera:\n  above_cm: 20\n  tilt_deg: 5\n")
    sources = Sources({"seed": 4}, file, {"AD_MONITOR_BLOCK": "a, b"})
    settings = load(RunSettings, sources)
    assert (settings.guard_rails.seed, settings.guard_rails.holdout) == (4, 0.3)
    assert settings.guard_rails.blocked == ("a", "b")
    assert (settings.analysis.camera.above_cm, settings.analysis.camera.tilt_deg) == (20, 5)


def test_a_camera_on_its_side_in_file_environment_and_option(make_file):
    in_file, nobody = make_file("camera:\n  rotate: 90\n"), Sources({}, None, {})
    for sources, degrees in (
        (Sources({}, in_file, {}), 90),
        (Sources({}, in_file, {"AD_MONITOR_ROTATE": "180"}), 180),
        (Sources({"rotate": "270"}, in_file, {}), 270),
        (nobody, 0),
    ):
        assert load(RunSettings, sources).analysis.camera.rotate == degrees


def test_old_names_of_variables(tmp_path):
    environ = {"AD_MONITOR_DB": "shop.db", "AD_MONITOR_TOKEN": "t" * 16, "AD_MONITOR_MEDIA": "a:b"}
    settings = load(WebSettings, Sources({}, None, environ))
    assert (settings.database, settings.token) == ("shop.db", "t" * 16)
    assert settings.folders == (Path("a"), Path("b"))


def test_relative_paths_in_the_file_begin_in_its_folder(make_file, tmp_path):
    file = make_file(
        "ads:\n  playlist: summer.yaml\ndata:\n  database: shop.db\n  spool: /spool\n"
        "run:\n  log: none\nweb:\n  media: [ads]\n"
    )
    settings = load(RunSettings, Sources({}, file, {}))
    assert settings.playlist == tmp_path / "summer.yaml"
    assert settings.database == str(tmp_path / "shop.db")
    assert (settings.spool, settings.log) == (Path("/spool"), "none")
    assert load(WebSettings, Sources({}, file, {})).folders == (tmp_path / "ads",)


def test_a_number_is_a_camera_and_a_comment_is_the_default(make_file):
    file = make_file("camera:\n  source: 0\nwindow:\n  #volume: 0.5\nnotice:\n  seconds:\n")
    settings = load(RunSettings, Sources({}, file, {}))
    assert (settings.source, settings.volume, settings.notice_seconds) == ("0", 1, 5)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\ncamera:\n  sauce: 0\n", ":3: unknown key camera.sauce; did you mean camera.source?"),
        ("camra:\n  source: 0\n", ":1: unknown key camra; did you mean camera?"),
        ("window:\n  site: x\n", ":2: unknown key window.site; did you mean data.site?"),
        ("window: 3\n", ":1: window must be a section with keys below it, received 3."),
        (
            "window:\n  volume: loud\n",
            ":2: invalid window.volume: expected a number from 0 to 1, received loud.",
        ),
        (
            "window:\n  volume: 1.5\n",
            ":2: invalid window.volume: expected a number from 0 to 1, received 1.5.",
        ),
        (
            "window:\n  fullscreen: perhaps\n",
            ":2: invalid window.fullscreen: expected true or false, received perhaps.",
        ),
        (
            "ads:\n  policy: lern\n",
            ":2: invalid ads.policy: expected one of sequential, shuffle, weighted, mood, learn, "
            "received lern; did you mean learn?",
        ),
        (
            "ads:\n  holdout: 2\n",
            ":2: invalid ads.holdout: expected a number from 0 to 1, received 2.",
        ),
        (
            "camera:\n  rotate: 45\n",
            ":2: invalid camera.rotate: expected one of 0, 90, 180, 270, received 45.",
        ),
        (
            "run:\n  loops: true\n",
            ":2: invalid run.loops: expected a whole number of at least 1, received true.",
        ),
        (
            "web:\n  hosts: one\n",
            ":2: invalid web.hosts: expected a list, received one.",
        ),
        (
            "data:\n  measure_hours: ['8-12']\n",
            ":2: invalid data.measure_hours: ",
        ),
        (
            "window:\n  language: tlh\n",
            ":2: invalid window.language: expected one of de, en, received 'tlh'.",
        ),
        (
            "camera:\n  source: ''\n",
            ":2: invalid camera.source: expected text, received an empty text; leave it out for "
            "the default.",
        ),
        ("ads:\n  playlist: ''\n", ":2: invalid ads.playlist: expected a path, received an empty"),
        ("data:\n  database: ''\n", ":2: invalid data.database: expected text, received an empty"),
        ("data:\n  site: ' '\n", ":2: invalid data.site: expected text, received an empty text"),
        (
            "web:\n  trusted_proxy: proxy.local\n",
            ":2: invalid web.trusted_proxy: expected the IP address of the proxy, such as "
            "127.0.0.1, received 'proxy.local'.",
        ),
        ("web:\n  host: ''\n", ":2: invalid web.host: expected text, received an empty text"),
        ("web:\n  media: ['']\n", ":2: invalid web.media: expected text, received an empty text"),
        (
            "web:\n  networks: [lan]\n",
            ":2: invalid web.networks: expected a network such as 192.168.1.0/24, received 'lan'.",
        ),
    ],
)
def test_one_sentence_with_the_line_on_what_is_wrong(make_file, text, sentence):
    file = make_file(text)
    [found] = check(file)
    assert found.startswith(f"{file.path}{sentence}")
    model = WebSettings if text.startswith("web") else RunSettings
    with pytest.raises(SettingsError) as error:
        load(model, Sources({}, file, {}))
    assert str(error.value) == found


def test_empty_parts_of_a_variable_are_no_folders():
    environ = {"AD_MONITOR_MEDIA": f"/ads{os.pathsep}", "AD_MONITOR_CAMPAIGN": ""}
    assert load(WebSettings, Sources({}, None, environ)).folders == (Path("/ads"),)
    assert load(RunSettings, Sources({"campaign": ""}, None, environ)).campaign == ""


def test_all_mistakes_are_found_at_once(make_file):
    file = make_file("window:\n  volume: 2\n  colour: red\ntraining:\n  balance: -1\n")
    assert [sentence.split(":")[1] for sentence in check(file)] == ["3", "2", "5"]


def test_a_wrong_variable_or_option_is_named():
    for sources, origin in (
        (Sources({}, None, {"AD_MONITOR_RETENTION": "soon"}), "environment variable AD_MONITOR_RE"),
        (Sources({"language": "tlh"}, None, {}), "option --language"),
    ):
        with pytest.raises(SettingsError, match=f"^{origin}"):
            load(RunSettings, sources)


@pytest.mark.parametrize("text", ["", "# nothing\n", "window:\n"])
def test_an_empty_file_sets_nothing(make_file, text):
    assert make_file(text).values == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a\n", "expected sections such as ads, camera, faces, received [a]."),
        ("a: [", "is not valid YAML"),
        ("window:\n  volume: 1\n  volume: 0\n", "written twice"),
    ],
)
def test_a_file_of_another_form(make_file, text, sentence):
    with pytest.raises(SettingsError) as error:
        make_file(text)
    assert sentence in str(error.value)


def test_every_setting_has_help_a_section_and_a_variable_of_its_own():
    for model in MODELS:
        settings = settings_of(model)
        assert all(setting.help.endswith(".") for setting in settings)
        assert len({setting.variable for setting in settings}) == len(settings)
        assert len({setting.name for setting in settings}) == len(settings)
    assert {key.split(".")[0] for key in all_settings()} >= {"camera", "web", "training"}


def test_no_two_settings_of_one_command_share_an_option():
    for model in MODELS:
        options = [setting.option for setting in settings_of(model) if setting.option]
        assert len(set(options)) == len(options)


def test_a_session_keeps_the_settings_under_their_old_keys():
    assert set(RunSettings(database="x.db").logged()) == {
        "analysis",
        "campaign",
        "device",
        "duration_s",
        "fullscreen",
        "guard_rails",
        "headless",
        "language",
        "loops",
        "measure_hours",
        "model",
        "no_camera",
        "notice",
        "notice_languages",
        "notice_seconds",
        "notice_url",
        "overlay",
        "patient",
        "picker",
        "policy",
        "readings_per_second",
        "retention_days",
        "screen",
        "venue_type",
        "volume",
    }


@pytest.mark.parametrize("venue", ["", "2", "203", "10101", "1101", "retail", "retail.grocery"])
def test_venue_types_of_the_taxonomy(venue):
    assert RunSettings(database="x.db", venue_type=venue).venue_type == venue


@pytest.mark.parametrize("venue", ["shop", "0", "12", "1201", "2030101", "retail.", "a.b.c.d"])
def test_venue_types_that_are_none(venue):
    with pytest.raises(ValueError, match=r"expected a venue type of OpenOOH.*transit, retail"):
        RunSettings(database="x.db", venue_type=venue)


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        TrainSettings().seed = 3


def test_importing_settings_loads_no_native_library():
    code = "import sys, monitor.settings.page, monitor.settings.options; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "cv2", "sqlalchemy", "PyQt5", "mediapipe"} & set(done.stdout.split())


def test_paths_of_any_bytes_and_texts_that_are_no_names():
    name = os.fsdecode(b"caf\xe9.db")
    typed = {"database": name, "playlist": Path(name), "report": (name,), "source": name}
    made = load(RunSettings, Sources(typed | {"site": name}, None, {"AD_MONITOR_SPOOL": name}))
    assert (made.database, made.source, made.site) == (name, name, r"caf\udce9.db")
    assert (made.playlist, made.spool, made.report) == (Path(name), Path(name), (Path(name),))
