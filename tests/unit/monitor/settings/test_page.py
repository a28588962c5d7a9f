from __future__ import annotations

import re
from pathlib import Path

from monitor.settings.page import reference_page, settings_file
from monitor.settings.sources import SettingsFile, all_settings, check

ROOT = Path(__file__).parents[4]


def test_the_committed_page_is_the_generated_one():
    committed = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert committed == reference_page(), (
        "python -m monitor.settings.page > docs/reference/settings.md"
    )
    assert max(map(len, committed.splitlines())) <= 100


def test_the_file_names_every_setting_and_sets_none(tmp_path):
    path = tmp_path / "kiosk.yaml"
    path.write_text(settings_file(), encoding="utf-8")
    file = SettingsFile(path)
    assert file.values == {}
    assert check(file) == []
    for key in all_settings():
        assert f"\n  #{key.split('.')[1]}:" in settings_file()


def test_the_file_with_its_comments_removed_is_valid_and_sets_the_defaults(tmp_path):
    path = tmp_path / "kiosk.yaml"
    path.write_text(re.sub(r"^  #(?=\w)", "  ", settings_file(), flags=re.M), encoding="utf-8")
    file = SettingsFile(path)
    assert check(file) == []
    defaults = {key: setting.field.get_default() for key, setting in all_settings().items()}
    for key, value in file.values.items():
        assert (tuple(value) if isinstance(value, list) else value) == defaults[key]
