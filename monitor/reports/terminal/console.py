"""The terminal itself: how wide it is, which signs it can show, and the progress bars on standard error."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from monitor.reports.terminal.charts import BLOCKS, PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.reports.terminal.charts import Signs

PIPE_WIDTH = 160


def wide_console() -> Console:
    """A console whose tables do not wrap where the output goes to a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def signs_of(console: Console) -> Signs:
    """The characters that charts may be drawn with where a console prints to."""
    return PLAIN if console.options.ascii_only else BLOCKS


def shown(console: Console, text: str) -> str:
    """A text as a console prints it: no markup, and `?` for characters that its encoding lacks."""
    return escape(text.encode(console.encoding, "replace").decode(console.encoding))


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, with the time left; silent where nobody watches.

    Yields:
        A function to call with what is done and what there is in all (0: not known).
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
    )
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(what, total=None)

        def update(done: int, of: int) -> None:
            progress.update(task, completed=done, total=max(of, done) if of else None)

        yield update
