"""The reference of all commands, from their help."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.main import COMMANDS, cli
from monitor.cli.shared.options import PROGRAM
from monitor.settings.models import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRODUCTION = """\
# Commands

All commands with their options. In the terminal, `{program} --help` lists the commands,
`{program} COMMAND --help` the usual options of one, and `{program} COMMAND --help-all`, if the
command has it, all options. Many options are also [settings](settings.md), which you can put into a
file or the environment. See also [exit statuses](exit-statuses.md) and [the documents that `--json`
prints](json.md).

| command | what it does |
|---|---|
"""


class UndocumentedError(Exception):
    """A command or an option has no help."""


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield each command that does something and its whole name, such as `ad-monitor hub init`."""
    context = click.Context(cli)
    for name in COMMANDS:
        if command := cli.get_command(context, name):
            yield from _commands(f"{PROGRAM} {name}", command)


def _commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    if command.invoke_without_command:
        yield name, command
    for part, member in command.commands.items():
        yield from _commands(f"{name} {part}", member)


def commands_page() -> str:
    """Return the page.

    Raises:
        UndocumentedError: If a command or an option has no help, or a command no example.
    """
    found = list(all_commands())
    rows = [f"| [`{name}`](#{_anchor(name)}) | {_summary(name, one)} |\n" for name, one in found]
    return INTRODUCTION.format(program=PROGRAM) + "".join(rows + [_part(*one) for one in found])


def _part(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"\n## `{name}` {{ #{_anchor(name)} }}\n\n", f"{_prose(_help(name, command))}\n\n"]
    lines.append(f"```text\n{usage}\n```\n\n")
    if not command.epilog:
        raise UndocumentedError(f"{name} has no example")
    lines.append(_examples(cleandoc(command.epilog)))
    for title, rows in _options(name, command, context).items():
        lines.append(f"\n**{title}**\n\n| option | what it does |\n|---|---|\n")
        lines += [f"| `{_cell(option)}` | {_cell(_prose(text))} |\n" for option, text in rows]
    return "".join(lines)


def _examples(epilog: str) -> str:
    """Return the commands of a help's last line as a block to copy, with what is said of them."""
    said, *rest = re.split(rf"({PROGRAM} .+?)(?=, or {PROGRAM} |; |$)", " ".join(epilog.split()))
    lines = [f"{_prose(said.strip())}\n\n```sh\n"]
    for command, between in zip(rest[::2], rest[1::2], strict=True):
        lines.append(f"{command}\n")
        if between.endswith(": "):
            lines.append(f"# {between.strip('; :')}\n")
    after = rest[-1].strip("; ") if rest else ""
    return "".join(
        [*lines, "```\n", f"\n{_prose(after[:1].upper() + after[1:])}\n" if after else ""]
    )


def _options(
    name: str, command: click.Command, context: click.Context
) -> dict[str, list[tuple[str, str]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Argument):
            continue
        record = parameter.get_help_record(context)
        if record is None:
            continue
        option, text = record
        if not getattr(parameter, "help", ""):
            raise UndocumentedError(f"{name} {option} has no help")
        setting: Any = getattr(parameter, "setting", None)
        title = SECTIONS[setting.key.split(".")[0]] if setting else "Options"
        groups.setdefault(title.replace("`", ""), []).append((option, text))
    general = groups.pop("Options")
    return groups | {"Options" if not groups else "Other options": general}


def _help(name: str, command: click.Command) -> str:
    if not command.help:
        raise UndocumentedError(f"{name} has no help")
    return cleandoc(command.help).replace("\b\n", "")


def _summary(name: str, command: click.Command) -> str:
    return _cell(_prose(_help(name, command).split("\n\n")[0].replace("\n", " ")))


def _prose(text: str) -> str:
    """Keep Markdown from reading what is plain text: `<…>`, and lists in square brackets."""
    parts = re.split(r"(`[^`]*`)", text)
    for number, part in enumerate(parts):
        if not part.startswith("`"):
            parts[number] = part.replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[")
    return "".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _anchor(name: str) -> str:
    return name.replace(" ", "-")
