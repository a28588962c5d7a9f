"""What `run` would refuse, `install` refuses: the same sentence, the same status, nothing written."""

from __future__ import annotations

import sqlite3

import pytest

WRONG = {
    "kind of source": ["--source", "rtps://camera/1"],
    "port of a source": ["--source", "rtsp://camera:70000/1"],
    "recording": ["--source", "missing.mp4"],
    "no recording": ["--source", "notes.txt"],
    "playlist": ["--playlist", "missing.yaml"],
    "ad": ["--playlist", "broken.yaml"],
    "address of a database": ["--db", "postgresql+psycopg://host:port/name"],
    "driver of a database": ["--db", "oracle://host/name"],
    "folder as a database": ["--db", "."],
    "another program's database": ["--db", "other.db"],
    "database in a file": ["--db", "notes.txt/monitor.db"],
    "model": ["--model", "missing"],
    "damaged model": ["--model", "notes.keras"],
    "zones": ["--zones", "missing.yaml"],
    "settings file": ["--config", "missing.yaml"],
    "setting": ["--config", "sauce.yaml"],
    "value in the settings file": ["--config", "screen.yaml"],
    "camera and none": ["--no-camera", "--source", "0"],
    "notice that nobody sees": ["--notice", "required", "--headless"],
    "format of the report": ["--report", "report.docx"],
    "folder of the report": ["--report", "notes.txt/report.html"],
    "number": ["--loops", "0"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("wrong")
    (made / "notes.txt").write_text("milk\nbread\n")
    (made / "notes.keras").write_text("milk\nbread\n")
    (made / "broken.yaml").write_text("ads:\n  - file: missing.png\n    duration_s: never\n")
    (made / "sauce.yaml").write_text("camera:\n  sauce: 0\n")
    (made / "screen.yaml").write_text("window:\n  screen: big\n")
    with sqlite3.connect(made / "other.db") as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    return made


@pytest.mark.slow
@pytest.mark.parametrize("what", WRONG)
def test_install_refuses_what_run_refuses(program, folder, what):
    options = WRONG[what]
    program.folder = folder
    config = folder / what / "config"
    program.environment["XDG_CONFIG_HOME"] = str(config)
    headless = [] if "--headless" in options else ["--headless"]
    by_run = program.complaint("run", *headless, *options, status=2)
    by_install = program.complaint("install", "--", *headless, *options, status=2)
    assert by_install.replace("ad-monitor install", "ad-monitor run") == by_run
    assert not config.exists()
