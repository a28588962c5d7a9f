"""Changing a settings file: what was asked for, and nothing else."""

from __future__ import annotations

import errno
import os
import stat

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from monitor.cli.shared.options import database_url, load_settings
from monitor.settings.models import RunSettings
from monitor.settings.page import settings_file
from monitor.settings.paths import default_settings_file
from monitor.settings.sources import SettingsError, SettingsFile
from monitor.settings.writing import (
    SettingsChangedError,
    changed_text,
    digest_of,
    write_settings,
)

HAND_WRITTEN = """\
# Our shop
data:   # who we are
    site:   "Shop 12"      # by the door
    # campaign: summer
    #campaign: winter  # later
    measure_hours:
      # mornings
      - "08:00-12:00"   # with coffee
      # afternoons
      - "13:00-18:00"
    # the end

camera: {source: 0, above_cm: 12}   # on the shelf
window:
    # everything here is as it was
notice:
    url: >
      https://shop.example/notice

    # after the address
"""


def lines_left(before: str, after: str) -> list[str]:
    left = before.splitlines(keepends=True)
    for line in after.splitlines(keepends=True):
        if line in left:
            left.remove(line)
    return left


@pytest.mark.parametrize(
    ("changes", "gone", "come"),
    [
        (
            {"data.site": "Müller & Söhne"},
            '    site:   "Shop 12"      # by the door\n',
            "    site:   Müller & Söhne      # by the door\n",
        ),
        ({"camera.above_cm": 20.5}, None, "camera: {source: 0, above_cm: 20.5}   # on the shelf\n"),
        (
            {"camera.picker": False},
            None,
            'camera: {source: 0, above_cm: 12, "picker": false}   # on the shelf\n',
        ),
        ({"data.campaign": "spring"}, None, "    campaign: spring  # later\n"),
        ({"data.retention_days": 30}, None, '      - "13:00-18:00"\n    retention_days: 30\n'),
        ({"data.measure_hours": ("09:00-17:00",)}, None, "    measure_hours: ['09:00-17:00']\n"),
        ({"window.volume": 0.5}, None, "window:\n  volume: 0.5\n    # everything"),
        ({"notice.url": "https://x.example"}, None, "    url: https://x.example\n\n    # after"),
        ({"report.min_viewers": 5}, None, "\nreport:\n  min_viewers: 5\n"),
        ({"data.site": None}, None, '    #site:   "Shop 12"      # by the door\n'),
        ({"data.measure_hours": None}, None, "    #measure_hours:\n      # mornings\n    #"),
    ],
)
def test_only_the_setting_changes_and_comments_stay(changes, gone, come):
    after = changed_text(HAND_WRITTEN, changes)
    assert come in after
    comments = [line.strip() for line in HAND_WRITTEN.splitlines() if line.strip().startswith("# ")]
    for comment in comments:
        assert comment in after
    if gone is not None:
        assert lines_left(HAND_WRITTEN, after) == [gone]
    for key, value in changes.items():
        section, _, name = key.partition(".")
        found = (yaml.safe_load(after)[section] or {}).get(name)
        assert found == (list(value) if isinstance(value, tuple) else value)


def test_the_generated_file_keeps_its_explanations():
    text = settings_file()
    after = changed_text(text, {"data.site": "Shop 12", "notice.languages": ("de", "en")})
    assert set(lines_left(text, after)) == {"  #languages:\n", "  #site: default\n"}
    assert len(after.splitlines()) == len(text.splitlines())
    back = changed_text(after, {"data.site": None, "notice.languages": None})
    assert yaml.safe_load(back) == yaml.safe_load(text)


texts = st.text(
    st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from("\n\t:#'\"{}[],&*!|>%@`-? "),
    max_size=20,
)
values = st.one_of(
    texts,
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(-1e6, 1e6, allow_nan=False),
    st.lists(texts, max_size=3),
)
keys = st.sampled_from(
    ["data.site", "data.campaign", "data.measure_hours", "camera.source", "notice.url", "run.log"]
)


@limits(max_examples=40)
@given(st.lists(st.tuples(keys, values), min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_whatever_is_written_is_read_back_and_comments_survive(changes, newline):
    text = HAND_WRITTEN.replace("\n", newline)
    expected = yaml.safe_load(text)
    after = text
    for key, value in changes:
        after = changed_text(after, {key: value})
        section, _, name = key.partition(".")
        expected[section] = {**(expected.get(section) or {}), name: value}
    assert yaml.safe_load(after) == expected
    for comment in (
        "# Our shop",
        "# campaign: summer",
        "# the end",
        "# on the shelf",
        "# mornings",
    ):
        assert comment in after
    again = changed_text(after, dict(changes))
    assert again == after


def test_a_file_that_is_not_there_is_made_with_every_explanation(tmp_path):
    path = tmp_path / "new" / "kiosk.yaml"
    assert digest_of(path) == ""
    write_settings(path, {"data.site": "Shop 12"}, seen="")
    assert SettingsFile(path).values == {"data.site": "Shop 12"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "# Name of the site, shown in reports." in path.read_text("utf-8")
    assert [one.name for one in path.parent.iterdir()] == ["kiosk.yaml"]


def test_the_state_before_stays_beside_it_and_rights_and_links_are_kept(tmp_path):
    real, link = tmp_path / "real.yaml", tmp_path / "kiosk.yaml"
    real.write_text(HAND_WRITTEN, encoding="utf-8")
    real.chmod(0o640)
    link.symlink_to(real.name)
    write_settings(link, {"data.site": "Shop 13"})
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    backup = tmp_path / "real.yaml.bak"
    assert backup.read_text("utf-8") == HAND_WRITTEN
    assert stat.S_IMODE(backup.stat().st_mode) == 0o640
    write_settings(link, {"data.site": "Shop 13"})  # nothing to change
    assert backup.read_text("utf-8") == HAND_WRITTEN


def test_a_change_by_somebody_else_is_noticed(tmp_path):
    path = tmp_path / "kiosk.yaml"
    path.write_text(HAND_WRITTEN, encoding="utf-8")
    seen = digest_of(path)
    path.write_text(HAND_WRITTEN + "run:\n  loops: 3\n", encoding="utf-8")
    with pytest.raises(SettingsChangedError, match="changed by somebody else"):
        write_settings(path, {"data.site": "Shop 13"}, seen=seen)
    assert "Shop 13" not in path.read_text("utf-8")


def test_nothing_wrong_is_written(tmp_path):
    path = tmp_path / "kiosk.yaml"
    path.write_text(HAND_WRITTEN, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"window\.volume: expected a number from 0 to 1"):
        write_settings(path, {"window.volume": 7})
    with pytest.raises(SettingsError, match=r"unknown key data\.sight"):
        write_settings(path, {"data.sight": "x"})
    assert path.read_text("utf-8") == HAND_WRITTEN


@pytest.mark.parametrize(
    "text",
    [
        "data: &d\n  site: a\nrun: *d\n",  # the place of an alias is another one
        "data:\n  site: a\n...\n# behind the end\n",
    ],
)
def test_a_layout_that_cannot_be_changed_is_refused_in_words(text):
    with pytest.raises(SettingsError, match=r"run\.log can only be changed by hand"):
        changed_text(text, {"run.log": "none"})


def test_a_folder_without_rights_is_a_sentence(tmp_path):
    path = tmp_path / "kiosk.yaml"
    path.write_text("data:\n  site: a\n", encoding="utf-8")
    tmp_path.chmod(0o500)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("the superuser may write everywhere")
        with pytest.raises(SettingsError, match="cannot be written"):
            write_settings(path, {"data.site": "b"})
    finally:
        tmp_path.chmod(0o700)


def test_commands_read_the_usual_file_if_it_is_there(tmp_path):
    assert load_settings(RunSettings, {"config": None}).site == "default"
    usual = default_settings_file()
    write_settings(usual, {"data.site": "Shop 12", "data.database": "shop.db"})
    assert load_settings(RunSettings, {"config": None}).site == "Shop 12"
    assert load_settings(RunSettings, {}).site == "default"  # a command without --config
    assert database_url(None) == str(usual.parent / "shop.db")
    named = tmp_path / "other.yaml"
    named.write_text("data:\n  site: other\n", encoding="utf-8")
    assert load_settings(RunSettings, {"config": named}).site == "other"


def test_after_a_full_disk_settings_can_be_saved_again(tmp_path, monkeypatch):
    file = tmp_path / "kiosk.yaml"

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(SettingsError, match="No space left"):
            write_settings(file, {"data.site": "Shop 12"})
    assert not list(tmp_path.iterdir())
    write_settings(file, {"data.site": "Shop 12"})
    assert SettingsFile(file).values == {"data.site": "Shop 12"}
