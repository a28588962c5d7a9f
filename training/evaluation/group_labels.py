"""Read a table of group labels: which picture shows a person of which groups."""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.datasets.folders import emotion_of
from training.datasets.report import ReadingReport
from training.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

FILE_COLUMNS = ("file", "filename", "file_name", "image", "path")
EXPRESSION_COLUMNS = ("expression", "emotion")
OTHER_COLUMNS = ("", "service_test")
"""Columns of FairFace that say nothing about the person; the first is an unnamed index."""

MAX_GROUPS = 30
"""A column with more different values is a number or a name rather than a grouping."""

MAX_ROWS = 1_000_000
MAX_FIELD = 1000


@dataclass(frozen=True)
class LabelledPicture:
    """A picture, the group of its person in each column, and the expression if it is known."""

    file: Path
    groups: dict[str, str]
    expression: str | None = None


@dataclass(frozen=True)
class GroupTable:
    """The rows of a table of group labels, its groupings, and what was left out of it."""

    pictures: tuple[LabelledPicture, ...]
    columns: tuple[str, ...]
    has_expressions: bool
    reading: ReadingReport


def read_group_labels(path: Path) -> GroupTable:
    """Read a CSV with the columns of FairFace: file, age, gender, race, service_test.

    Column names may be in any case, fields may be separated by semicolons or tabs, and files are
    relative to the table. `expression` or `emotion` is the expression that a picture shows; every
    other column with 2 to `MAX_GROUPS` different values is a grouping. Raises `DatasetError` if the
    table is missing or unreadable, or has no column of files, no grouping or no row.
    """
    log = ReadingReport("row")
    header, rows = _table(path, log)
    names = [name.strip().lower() for name in header]
    files = next((names.index(name) for name in FILE_COLUMNS if name in names), None)
    if files is None:
        raise DatasetError(
            f"{path} has no column of files: expected one named file, as FairFace has it, beside "
            f"the columns of groups; received {', '.join(filter(None, header)) or 'none'}."
        )
    shown = next((names.index(name) for name in EXPRESSION_COLUMNS if name in names), None)
    again = {at for at, name in enumerate(names) if names.index(name) < at}
    for name in sorted({names[at] for at in again} - {""}):
        log.note(f"The column {name} is there more than once: the first one is used.")
    left_out = {files, shown, *again}
    left_out |= {at for at, name in enumerate(names) if name in OTHER_COLUMNS}
    columns = {
        name: values
        for at, name in enumerate(names)
        if at not in left_out and (values := _groups([row[at] for row in rows], name, log))
    }
    if not columns:
        raise DatasetError(
            f"{path} has no column of groups: expected at least one, such as age, gender, race or "
            f"skin_tone, with 2 to {MAX_GROUPS} different values. {' '.join(log.notes)}".strip()
        )
    pictures: dict[Path, LabelledPicture] = {}
    for row in rows:
        file = path.parent / row[files].strip()
        if not row[files].strip():
            log.skip("no file is named", "a row with an empty file")
        elif file in pictures:
            log.skip("the file is named before", row[files].strip())
        else:
            groups = {
                name: values[key]
                for name, values in columns.items()
                if (key := row[names.index(name)].strip().casefold())
            }
            expression = None if shown is None else emotion_of(row[shown].strip())
            pictures[file] = LabelledPicture(file, groups, expression)
    if not pictures:
        raise DatasetError(f"{path} names no picture. {' '.join(log.sentences())}")
    log.read = len(pictures)
    known = any(picture.expression for picture in pictures.values())
    return GroupTable(tuple(pictures.values()), tuple(columns), known, log)


def _table(path: Path, log: ReadingReport) -> tuple[list[str], list[list[str]]]:
    """Return the header, and the rows that have as many fields."""
    rows = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(1 << 16)
            file.seek(0)
            separator = max(",;\t", key=first.count)
            lines = csv.reader(file, delimiter=separator)
            header = next(lines, [])
            for number, row in enumerate(itertools.islice(lines, MAX_ROWS), 1):
                if len(row) == len(header) and max(map(len, row), default=0) <= MAX_FIELD:
                    rows.append(row)
                elif row:
                    log.skip(
                        "another number of fields than the header, or too long a field",
                        f"row {number}: expected {len(header)} fields, received {len(row)}",
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DatasetError(
            f"Cannot read the group labels {path} ({reason}): expected a CSV in UTF-8 with the "
            "columns of FairFace: file, age, gender, race."
        ) from error
    return header, rows


def _groups(values: list[str], name: str, log: ReadingReport) -> dict[str, str] | None:
    """Return the spelling of each value by its lower case, or `None` if it is not a grouping."""
    spelt: dict[str, str] = {}
    for value in values:
        word = value.strip()
        if word:
            spelt.setdefault(word.casefold(), word)
    if len(spelt) > MAX_GROUPS:
        log.note(
            f"The column {name} is not used: it has {len(spelt):,} different values; expected at "
            f"most {MAX_GROUPS}, such as bands of age."
        )
        return None
    if len(spelt) < 2:
        log.note(f"The column {name} is not used: it has a single value.")
        return None
    return spelt
