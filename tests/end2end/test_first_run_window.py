"""A shop owner's first hour: a new kiosk, set up in its window, to own ads and a report."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from tools.pictures.kiosk import virtual_screen

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "ads" / "sample"

PERSON = """
import sys

if sys.orig_argv[1:4] == ["-m", "monitor", "run"]:
    import shop_owner

    shop_owner.sit_down()
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
def test_a_new_kiosk_is_set_up_in_its_window_shows_own_ads_and_leaves_a_report(program):
    (program.folder / "sitecustomize.py").write_text(PERSON, "utf-8")
    path = program.environment.get("PYTHONPATH", "")
    seen, config = program.folder / "seen.json", program.folder / "config"
    names = ["brume.jpg", "second-chapter.png"]
    program.environment |= {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(program.folder), str(HERE), path])),
        "XDG_CONFIG_HOME": str(config),
        "QT_QPA_PLATFORM": "xcb",
        "LC_ALL": "C.UTF-8",
        "AD_MONITOR_CONSOLE_PORT": "0",
        "ADS": os.pathsep.join(str(SAMPLES / name) for name in names),
        "SEEN": str(seen),
    }
    with virtual_screen() as display:
        program.environment["DISPLAY"] = display
        done = program.run("run", "--report", "reactions.html")
    moments = json.loads(seen.read_text())
    assert list(moments) == ["start", "card", "answers", "start again", "ads", "measured"]
    settings = yaml.safe_load((config / "ad-monitor" / "kiosk.yaml").read_text("utf-8"))
    assert settings["data"]["site"] == "Shop 12"
    own = Path(settings["ads"]["playlist"])
    assert sorted(ad.name for ad in own.iterdir()) == names
    assert "Report: " in done.stderr
    assert "Shop 12" in (program.folder / "reactions.html").read_text("utf-8")
    ends = program.rows("SELECT end_reason FROM sessions ORDER BY id")
    assert ends == [("the kiosk was set up",), ("the window was closed",)]
    played = program.rows("SELECT DISTINCT ad_id FROM plays WHERE session_id = 2")
    assert {ad_id for (ad_id,) in played} <= {Path(name).stem for name in names}
