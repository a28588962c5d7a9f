"""Every command line in the documents has a command and options that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from monitor.cli.main import cli

ROOT = Path(__file__).parents[4]
DOCUMENTS = [*ROOT.glob("[A-Z]*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^ *```(?:sh|bash|console)?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(ad-monitor [^`]+)`")
ENDS = {"|", "&&", "||", ";", ">", ">>", "<", "&", "#"}


def command_lines(text):
    """Yield the words of each call of the program, in blocks and between backticks."""
    lines = [one for block in BLOCK.findall(text) for one in block.replace("\\\n", " ").split("\n")]
    lines += [" ".join(found.split()) for found in INLINE.findall(text)]
    for line in lines:
        if "ad-monitor " not in line:
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # such as half of a sentence
            continue
        calls = [word.removeprefix("/opt/ad-monitor/.venv/bin/") for word in words]
        if "ad-monitor" not in calls:
            continue
        words = words[calls.index("ad-monitor") + 1 :]
        end = next((place for place, word in enumerate(words) if word in ENDS), None)
        yield words[:end]


def unknown(words):
    """Return what is wrong with a call, or nothing; words in capitals or with … stand for others."""
    command, context = cli, click.Context(cli, info_name="ad-monitor")
    words = [word for word in words if word not in {"…", "..."}]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        if not re.fullmatch("[a-z][a-z-]*", name):  # COMMAND, …
            return ""
        found = command.get_command(context, name)
        if found is None:
            return f"there is no command {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    if "--" in words:
        words = words[: words.index("--")]
    try:
        command.make_parser(context).parse_args(args=list(words))
    except click.NoSuchOption as error:
        return error.format_message()
    except click.UsageError:
        pass  # an argument or a value that the sentence leaves out
    return ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: str(one.relative_to(ROOT)))
def test_every_command_and_option_exists(document):
    text = document.read_text(encoding="utf-8")
    wrong = {" ".join(words): reason for words in command_lines(text) if (reason := unknown(words))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ad-monitor run --sauce 0", "--sauce"),
        ("ad-monitor hub begin", "no command begin"),
        ("sudo /opt/ad-monitor/.venv/bin/ad-monitor run --sauce 0", "--sauce"),
        ("ad-monitor install --start -- --fullscreen", ""),
        ("cd x && ad-monitor report --all --since 2026-03-01 | head", ""),
    ],
)
def test_a_wrong_line_is_found(line, reason):
    [words] = command_lines(f"```sh\n{line}\n```\n")
    assert reason in unknown(words)
    assert bool(reason) == bool(unknown(words))
