"""The tutorials are done literally: their commands run one after the other in an empty home.

A comment before a block says what is not run, or runs on while the next blocks do; a block of text
after one of commands shows lines that these print, with … for what differs each time, and any
number for a number.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Self

import pytest

from tests.helpers.rtsp import free_port

from .conftest import wait_until

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
BLOCK = re.compile(
    r"(?:^<!-- (?P<how>not run|in the background): [^\n]+ -->\n)?"
    r"^```(?P<kind>sh|text)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", sorted(TUTORIALS.glob("*.md")), ids=lambda page: page.stem)
def test_the_commands_do_what_the_page_says(page: Path, tmp_path: Path) -> None:
    (tmp_path / "ads").symlink_to(ROOT / "ads")
    blocks = [found.groupdict() for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    assert blocks
    with Terminal(tmp_path) as terminal:
        for block, after in pairwise([*blocks, {"kind": "", "text": ""}]):
            if block["kind"] != "sh" or block["how"] == "not run":
                continue
            expected = after["text"].splitlines() if after["kind"] == "text" else []
            if block["how"]:
                terminal.start(block["text"], expected)
            else:
                terminal.run(block["text"], expected)


class Terminal:
    """A shell in an empty home; what it started in the background ends with it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
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
            process.wait(20)

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
