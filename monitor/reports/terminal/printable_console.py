"""The terminal: its width, the characters it can show, and progress bars on standard error."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console, RenderHook
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table

from detector.names import printable
from monitor.reports.terminal.charts import BLOCKS, PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import ConsoleOptions, ConsoleRenderable, RenderResult
    from rich.text import Text

    from monitor.reports.terminal.charts import Signs


class PrintableConsole(Console):
    """A console that escapes names which would control the terminal, and ends no line in spaces."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.push_render_hook(_Trimming())

    @property
    def file(self) -> IO[str]:
        """The stream behind an escaping one, which would escape the console's own sequences."""
        stream = super().file
        return getattr(stream, "as_is", stream)

    @file.setter
    def file(self, stream: IO[str]) -> None:
        self._file = stream

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text with its markup turned into styles."""
        return super().render_str(printable(text, keep="\n"), **options)


class _Trimming(RenderHook):
    """Trims all that is printed: tables fill their last column with spaces."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Trimmed(renderable) for renderable in renderables]


class _Trimmed:
    """Something to print without the spaces at the ends of its lines."""

    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line: list[Segment] = []
        for text, style, control in console.render(self._renderable, options):
            *ended, rest = [text] if control else text.split("\n")
            for part in ended:
                yield from _without_spaces_at_end([*line, Segment(part, style)])
                yield Segment.line()
                line.clear()
            line.append(Segment(rest, style, control))
        yield from line


def _without_spaces_at_end(line: list[Segment]) -> list[Segment]:
    while line and not line[-1].control:
        text, style, _ = line.pop()
        if kept := text.rstrip(" "):
            return [*line, Segment(kept, style)]
    return line


def wide_console() -> Console:
    """Return a console whose tables do not wrap in a file or a pipe."""
    console = PrintableConsole()
    return console if console.is_terminal else PrintableConsole(width=160)


def signs_of(console: Console) -> Signs:
    """Return the characters for charts on a console."""
    return PLAIN if console.options.ascii_only else BLOCKS


def shown(console: Console, text: str) -> str:
    """Return a text as a console prints it: no markup, `?` for what its encoding lacks."""
    text = printable(text).encode(console.encoding, "replace").decode(console.encoding)
    return escape(text)


def table_with(*columns: str, right: Sequence[str] = ()) -> Table:
    """Return a table with columns that fold, and columns aligned to the right that do not wrap."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for column in right:
        table.add_column(column, justify="right", no_wrap=True)
    return table


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar with the time left on standard error, if that is a terminal.

    Yields:
        A function to call with what is done and the total (0: not known).
    """
    console = PrintableConsole(stderr=True)
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
