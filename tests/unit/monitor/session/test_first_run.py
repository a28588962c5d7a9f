"""Whether a kiosk is to be set up; the answers are tested by the pages and the wizard."""

from __future__ import annotations

from monitor.session import first_run
from monitor.settings.models import RunSettings
from monitor.settings.paths import default_settings_file


def test_whether_the_kiosk_can_be_set_up(tmp_path):
    nothing = RunSettings()
    assert first_run.can_set_up(nothing, {"config": None})
    assert not first_run.can_set_up(RunSettings(source="demo"), {})
    assert not first_run.can_set_up(RunSettings(playlist=tmp_path), {})
    assert not first_run.can_set_up(RunSettings(camera=False), {})
    assert not first_run.can_set_up(RunSettings(patient=True), {})  # by a supervisor
    assert not first_run.can_set_up(nothing, {"config": tmp_path / "kiosk.yaml"})
    default_settings_file().parent.mkdir(parents=True)
    default_settings_file().touch()
    assert not first_run.can_set_up(nothing, {"config": None})


def test_who_declines_is_not_asked_again():
    assert not first_run.is_declined()
    first_run.decline()
    first_run.decline()
    assert first_run.is_declined()
    assert first_run.can_set_up(RunSettings(), {})
