"""A kiosk from a settings file alone, and how option and environment override it."""

from __future__ import annotations

import re

WRONG = 2


def set_in(file, **values):
    """Remove the comment before settings, and give them values."""
    text = file.read_text()
    for name, value in values.items():
        text, found = re.subn(rf"^  #{name}:.*$", f"  {name}: {value}", text, count=1, flags=re.M)
        assert found, name
    file.write_text(text)


def test_a_kiosk_runs_from_the_file_alone(program, wait_for):
    del program.environment["AD_MONITOR_DB"]
    program.run("config", "init", "kiosk.yaml")
    set_in(
        program.folder / "kiosk.yaml",
        source="demo",
        headless="true",
        database="monitor.db",
        site="Shop 12",
    )
    program.run("config", "check", "kiosk.yaml")
    kiosk = program.start("run", "--config", "kiosk.yaml")
    wait_for(lambda: program.rows("SELECT 1 FROM readings LIMIT 1"), what="a reading")
    kiosk.terminate()
    _, complaints = kiosk.communicate()
    assert kiosk.returncode == 0, complaints
    assert program.rows("SELECT site FROM sessions") == [("Shop 12",)]
    program.environment["AD_MONITOR_SITE"] = "Shop 13"
    shown = program.json("config", "show", "--config", "kiosk.yaml")["settings"]
    row = next(row for row in shown if row["key"] == "data.site")
    assert row == {
        "key": "data.site",
        "value": "Shop 13",
        "from": "environment variable AD_MONITOR_SITE",
    }


def test_a_mistake_is_named_with_its_line_before_anything_starts(program):
    file = program.folder / "kiosk.yaml"
    file.write_text("camera:\n  sauce: demo\n")
    for arguments in (("run", "--headless"), ("replay", "x.mp4"), ("serve",), ("train",)):
        sentence = program.complaint(*arguments, "--config", "kiosk.yaml", status=WRONG)
        assert sentence == "kiosk.yaml:2: unknown key camera.sauce; did you mean camera.source?"
    file.write_text("window:\n  volume: loud\n")
    sentence = program.complaint("run", "--headless", "--config", "kiosk.yaml", status=WRONG)
    assert sentence == (
        "kiosk.yaml:2: invalid window.volume: expected a number from 0 to 1, received loud."
    )
    assert not program.database.exists()
