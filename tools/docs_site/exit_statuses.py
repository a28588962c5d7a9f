"""The reference of exit statuses, from the code that turns errors into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.cli.errors import callers_mistakes, known_failures
from monitor.cli.options import DONE, FAILED, STATUSES, WRONG
from tools.docs_site.commands import all_commands

if TYPE_CHECKING:
    from collections.abc import Iterable

INTRODUCTION = """\
# Exit statuses

Made from the program. A message goes to the standard error output, in one sentence that begins with
`Error:` and says what to do; the standard output holds results only.

| status | means |
|---|---|
"""

REST = f"""\

`run --supervised` ends with 128 + n when a second signal n ended it at once. `doctor` ends with
{FAILED} if a kiosk could not run here, `config check` with {WRONG} if the file has a mistake. A
reader that closes the output early, such as `head`, is no error: the status is {DONE}.
"""


def exit_statuses_page() -> str:
    """Return the page."""
    list(all_commands())  # imports all modules with errors of their own
    parts = [INTRODUCTION]
    parts += [f"| {status} | {meaning} |\n" for status, meaning in STATUSES.items()]
    parts.append(REST)
    mistakes = set(callers_mistakes())
    failures = [one for one in _with_kinds(known_failures()) if not issubclass(one, (*mistakes,))]
    parts += [f"\n## What ends with {WRONG}\n\n", *_rows(_with_kinds(mistakes))]
    parts += [f"\n## What ends with {FAILED}\n\n", *_rows(failures)]
    parts.append("\nSo does an internal error; `--debug` shows where it happened.\n")
    return "".join(parts)


def _with_kinds(errors: Iterable[type[Exception]]) -> set[type[Exception]]:
    """Return these errors and all kinds of them."""
    found = set(errors)
    for error in errors:
        found |= _with_kinds(error.__subclasses__())
    return found


def _rows(errors: Iterable[type[Exception]]) -> list[str]:
    named = sorted((one.__name__, (one.__doc__ or "").split("\n")[0]) for one in errors)
    return [f"- {text} (`{name}`)\n" for name, text in named if not text.startswith("Base")]
