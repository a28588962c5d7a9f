"""The reference of exit statuses, from the code that turns errors into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.cli.shared.errors import callers_mistakes, known_failures
from monitor.cli.shared.options import DONE, FAILED, STATUSES, WRONG
from tools.docs_site.commands import all_commands

if TYPE_CHECKING:
    from collections.abc import Iterable

INTRODUCTION = """\
# Exit statuses

What the exit status of a command means, for scripts. Error messages go to standard error: one
sentence that begins with `Error:` and says what to do. Standard output has only results.

| status | meaning |
|---|---|
"""

REST = f"""\

`run --supervised` ends with 128 + n if a second signal n ended it at once. `doctor` ends with
{FAILED} if a kiosk could not run on this machine, and `config check` with {WRONG} if the file has a
mistake. If a reader such as `head` closes the output early, that is not an error, and the status is
{DONE}.
"""


def exit_statuses_page() -> str:
    """Return the page."""
    list(all_commands())  # imports all modules with errors of their own
    parts = [INTRODUCTION]
    parts += [f"| {status} | {meaning} |\n" for status, meaning in STATUSES.items()]
    parts.append(REST)
    mistakes = set(callers_mistakes())
    failures = [one for one in _with_kinds(known_failures()) if not issubclass(one, (*mistakes,))]
    parts += [f"\n## Errors with status {WRONG}\n\n", *_rows(_with_kinds(mistakes))]
    parts += [f"\n## Errors with status {FAILED}\n\n", *_rows(failures)]
    parts.append(
        f"\nAn internal error has status {FAILED}, too; `--debug` shows where it happened.\n"
    )
    return "".join(parts)


def _with_kinds(errors: Iterable[type[Exception]]) -> set[type[Exception]]:
    """Return these errors and all kinds of them."""
    found = set(errors)
    for error in errors:
        found |= _with_kinds(error.__subclasses__())
    return found


def _rows(errors: Iterable[type[Exception]]) -> list[str]:
    named = sorted((one.__name__, (one.__doc__ or "").split("\n")[0]) for one in errors)
    return [
        f"- {text} (`{name}`)\n"
        for name, text in named
        if not (text.startswith("Base") or name.startswith("_"))
    ]
