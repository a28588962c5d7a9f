"""The tutorials are done literally: their commands run one after the other in an empty home.

So are the how-to pages that need no other machine, in the home of a shop that has measured, with a
`systemctl` that does nothing.

A comment before a block says what is not run, or runs on while the next blocks do; a block of text
after one of commands shows lines that these print, with … for what differs each time, and any
number for a number.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Self

import pytest

from tests.helpers.rtsp import free_port

from .conftest import wait_until

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HOW_TO = [DOCS / "how-to" / f"{name}.md" for name in ("ads", "experiments", "kiosk", "notice")]
BLOCK = re.compile(
    r"(?:^<!-- (?P<how>not run|in the background): [^\n]+ -->\n)?"
    r"^ *```(?P<kind>sh|text|yaml)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
PLAYLIST = """\
media_root: ads/sample
ads:
  - {id: summer-01, file: solina.mp4, moods: [happy, neutral]}
  - {id: winter-02, file: brume.jpg, duration_s: 4, moods: [sad]}
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    "page", sorted((DOCS / "tutorials").glob("*.md")), ids=lambda page: page.stem
)
def test_the_commands_do_what_the_page_says(page: Path, tmp_path: Path) -> None:
    with Terminal(tmp_path) as terminal:
        terminal.follow(page)


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_the_commands_of_a_how_to_page_run(page: Path, tmp_path: Path) -> None:
    (tmp_path / "summer.yaml").write_text(PLAYLIST, encoding="utf-8")
    (tmp_path / "sales.csv").write_text(eight_weeks_of_sales(), encoding="utf-8")
    with Terminal(tmp_path) as terminal:
        terminal.run(
            "ad-monitor run --headless --source demo --loops 1 --site 'Shop 12' "
            "--playlist summer.yaml --policy mood --db monitor.db",
            [],
        )
        with sqlite3.connect(tmp_path / "monitor.db") as database:
            database.execute("UPDATE sessions SET session_kind = 'live'")
        database.close()
        terminal.environment["AD_MONITOR_DB"] = str(tmp_path / "monitor.db")
        terminal.follow(page)


def eight_weeks_of_sales() -> str:
    """Return a table of hourly sales that ends now."""
    now = datetime.now().astimezone().replace(minute=0, second=0, microsecond=0)
    hours = [now - timedelta(hours=ago) for ago in range(8 * 7 * 24, 0, -1)]
    lines = [f"{at:%Y-%m-%d %H:%M},{400 + 37 * (at.day + at.hour) % 90}" for at in hours]
    return "\n".join(["time,value", *lines, ""])


class Terminal:
    """A shell in an empty home; what it started in the background ends with it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "ads").symlink_to(ROOT / "ads")
        (home / "bin").mkdir()
        (home / "bin" / "systemctl").symlink_to("/bin/true")
        self.environment = {
            "HOME": str(home),
            "PATH": f"{home / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "200",
            "QT_QPA_PLATFORM": "offscreen",
            "AD_MONITOR_PORT": str(free_port()),
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.started:
            process.terminate()
            process.wait(300)

    def follow(self, page: Path) -> None:
        """Run the commands of a page, and write its settings to the file that they name."""
        blocks = [found.groupdict() for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]
        assert any(block["kind"] == "sh" for block in blocks)
        for block, after in pairwise([*blocks, {"kind": "", "text": ""}]):
            if dedent(block["text"]).startswith("notice:"):
                (self.home / "kiosk.yaml").write_text(dedent(block["text"]), encoding="utf-8")
            if block["kind"] != "sh" or block["how"] == "not run":
                continue
            expected = after["text"].splitlines() if after["kind"] == "text" else []
            if block["how"]:
                self.start(block["text"], expected)
            else:
                self.run(dedent(block["text"]), expected)

    def run(self, commands: str, expected: list[str]) -> None:
        exported = re.findall(r"^export (AD_MONITOR_\w+)=(\S+)$", commands, re.MULTILINE)
        self.environment.update(exported)
        done = subprocess.run(
            ["bash", "-e", "-c", commands],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}"
        assert [line for line in expected if not was_printed(line, done.stdout)] == [], done.stdout

    def start(self, command: str, expected: list[str]) -> None:
        log = self.home / "background.log"
        with log.open("wb") as output:
            self.started.append(
                subprocess.Popen(
                    command.split(),
                    cwd=self.home,
                    env=self.environment,
                    stdout=output,
                    stderr=output,
                )
            )
        wait_until(
            lambda: all(was_printed(line, log.read_text(encoding="utf-8")) for line in expected),
            limit_s=180.0,
            what="what the page shows",
        )


def was_printed(line: str, printed: str) -> bool:
    """Return whether a line begins like this one, with any numbers and spaces."""
    pattern = re.escape(" ".join(line.split())).replace("…", ".*")
    pattern = re.sub(r"\d(?:\d|,|\\\.)*", r"[\\d.,]+", pattern).replace(r"\ ", r"\s+")
    return re.search(rf"^\s*{pattern}", printed, re.MULTILINE) is not None
