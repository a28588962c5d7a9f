"""Names from outside never control the terminal, and every command takes paths of any bytes."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from rich.markup import escape

from detector.names import printable
from monitor.cli.main import main
from monitor.cli.shared.output import PrintableStream
from monitor.reports.terminal.printable_console import PrintableConsole, table_with

EVIL = os.fsdecode(b"caf\xe9\x1b[31m\n\x9b31m".replace(b"\x9b", "\x9b".encode()))


def ad_monitor(*arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "XDG_DATA_HOME": str(folder / "data"), "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-m", "monitor", *arguments],
        check=False, cwd=folder, env=environment, capture_output=True, timeout=300,
    )  # fmt: skip


@pytest.fixture
def playlist(tmp_path) -> Path:
    folder = tmp_path / EVIL
    folder.mkdir()
    for name in (f"{EVIL}.png", "plain.png", f"{EVIL}.txt"):
        Image.new("RGB", (64, 48), (90, 120, 60)).save(folder / name, "PNG")
    return folder


def test_a_terminal_gets_no_control_character(playlist, tmp_path):
    checked = ad_monitor("playlist", "check", str(playlist), folder=tmp_path)
    assert checked.returncode == 0
    shown = checked.stdout.decode()
    assert shown == printable(shown, keep="\n")
    assert r"caf\udce9\x1b[31m\n\x9b31m" in shown
    assert checked.stderr == b""
    wrong = ad_monitor("playlist", "check", f"{EVIL}.yaml", folder=tmp_path)
    assert wrong.returncode == 2
    assert printable(wrong.stderr.decode(), keep="\n") == wrong.stderr.decode()
    assert wrong.stderr.count(b"\n") == 1


def test_json_is_valid_everywhere(playlist, tmp_path):
    checked = ad_monitor("playlist", "check", str(playlist), "--json", folder=tmp_path)
    document = json.loads(checked.stdout.decode("utf-8", "strict"))
    assert document["ads"][0]["ad_id"] == r"caf\udce9\x1b[31m\n\x9b31m"
    assert checked.stdout.decode() == printable(checked.stdout.decode(), keep="\n")


def test_a_stream_escapes_and_its_stream_does_not():
    behind = io.StringIO()
    stream = PrintableStream(behind)
    assert stream.write("a\x1b\tb\n") == 5
    stream.writelines(["\x07"])
    stream.as_is.write("\x1b[0m")
    assert behind.getvalue() == "a\\x1b\tb\n\\x07\x1b[0m"
    assert not stream.isatty()


def test_a_console_keeps_its_own_styles(monkeypatch):
    behind = io.StringIO()
    console = PrintableConsole(
        file=PrintableStream(behind), force_terminal=True, color_system="standard", width=60
    )
    console.print(f"[bold]{escape(EVIL)}[/bold]", highlight=False)
    shown = behind.getvalue()
    assert shown.startswith("\x1b[1m")
    plain = shown.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert plain == printable(plain, keep="\n")
    assert r"\x1b[31m" in plain


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_line_of_a_console_ends_in_spaces(is_terminal):
    behind = io.StringIO()
    console = PrintableConsole(
        file=behind, color_system="standard" if is_terminal else None, width=60
    )
    table = table_with("ad", "why")
    table.add_row("summer", "its picture is too large for the memory of this very kiosk")
    table.columns[-1].style = "dim"
    console.print(table, style="red")
    console.print("[bold]held [/bold]  ", "\n  two  ", sep="")
    console.print("a ", end="")
    console.print("b", "c", sep="   ")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", behind.getvalue())
    assert plain.splitlines() == [
        "ad      why",
        "summer  its picture is too large for the memory of this very",
        "        kiosk",
        "held",
        "  two",
        "a b   c",
    ]
    assert ("\x1b[1mheld\x1b[0m\n" in behind.getvalue()) == is_terminal


def test_a_log_line_is_one_line():
    from detector.sources.passwords import HidingFormatter

    record = logging.LogRecord("a", logging.WARNING, "", 0, "about %s", (EVIL,), None)
    assert HidingFormatter("%(message)s").format(record) == rf"about {printable(EVIL)}"
    try:
        raise ValueError(EVIL)
    except ValueError:
        record.exc_info = sys.exc_info()
    lines = HidingFormatter("%(message)s").format(record)
    assert lines == printable(lines, keep="\n")
    assert lines.splitlines()[1].startswith("Traceback")


@pytest.mark.parametrize(
    "arguments",
    [
        ("sessions", "--db", "LONG"),
        ("backup", "--db", "LONG"),
        ("playlist", "check", "LONG"),
    ],
)
def test_a_path_that_no_file_can_have_gets_a_sentence(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main([argument.replace("LONG", "x" * 5000) for argument in arguments])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "too long" in said
    assert "Internal error" not in said
    assert len(said.splitlines()) == 1
    assert len(said) < 300
