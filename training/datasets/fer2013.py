"""FER2013 as Kaggle published it, with the FER+ votes; broken rows are skipped and counted."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

import numpy as np

from detector.emotion.labels import EMOTIONS
from training.datasets.archives import DAMAGE, open_table, unreadable
from training.datasets.faces import ROLES, VOTE_LABELS, FaceDataset
from training.datasets.report import ReadingReport, SkippedError
from training.datasets.splits import SHARES, hash_places
from training.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

FACE_SIDE_PX = 48
SPLITS = ("Training", "PublicTest", "PrivateTest")
MAX_LINE_BYTES = 1 << 20
"""A row of FER2013 has about 8 kB; a longer line is not a row, and must not fill the memory."""

MAX_ROWS = 5_000_000
"""A hundred times FER2013; more would fill the memory as well."""

_FERPLUS_NAMES = {"angry": "anger", "happy": "happiness", "sad": "sadness"}
_VOTE_COLUMNS = (*(_FERPLUS_NAMES.get(label, label) for label in VOTE_LABELS), "unknown", "NF")


def read_fer2013(path: Path, votes_path: Path | None = None) -> FaceDataset:
    """Read FER2013's CSV, plain or packed, and optionally FER+'s votes of the same rows.

    Column names may be in any case. Without a `Usage` column, rows get the splits of the votes,
    else splits by a hash of their pixels. `reading` of the result lists the skipped rows, numbered
    from 1 without the header. Raises `DatasetError` if a file is missing, cut off or lacks a
    column, no row can be used, or the files do not match.
    """
    log = ReadingReport("row")
    usage: list[str | None] = []
    sound: dict[int, tuple[NDArray[np.uint8], int]] = {}
    rows = _rows(path, ("emotion", "pixels"), "FER2013's Kaggle form", "dataset", "Usage")
    has_usage = True
    for number, row in enumerate(rows, 1):
        has_usage = has_usage and (row is None or len(row) > 2)
        fields = [*row, ""][:3] if row else None
        split = None if fields is None else _split_of(fields[2])
        usage.append(split)
        try:
            sound[number - 1] = _face(fields, has_usage=has_usage)
        except SkippedError as error:
            log.skip(error.reason, f"row {number}: {error}")
    if not usage:
        raise DatasetError(f"{path} has a header but no rows: expected FER2013's rows below it.")
    votes = None
    if votes_path is not None:
        votes = _read_votes(votes_path, usage, sound.keys(), log)
        sound = {row: face for row, face in sound.items() if not np.isnan(votes[row, 0])}
    if not sound:
        raise DatasetError(f"{path} has no row that can be used. {' '.join(log.sentences())}")
    index = list(sound)
    log.read = len(sound)
    if not has_usage:
        _deal(usage, sound, log)
    return FaceDataset(
        images=np.stack([face for face, _ in sound.values()]),
        original=np.array([label for _, label in sound.values()], dtype=np.int64),
        votes=None if votes is None else votes[index],
        usage=np.array([usage[row] for row in index]),
        reading=log,
    )


def read_pixels(path: Path) -> tuple[NDArray[np.uint8], ReadingReport]:
    """Read the `(n, 48, 48)` faces of a table with a column `pixels`, whatever else it holds."""
    log = ReadingReport("row")
    faces = []
    for number, row in enumerate(_rows(path, ("pixels",), "FER2013's Kaggle form", "dataset"), 1):
        try:
            faces.append(_parsed_pixels("" if row is None else row[0]))
        except SkippedError as error:
            log.skip(error.reason, f"row {number}: {error}")
    if not faces:
        raise DatasetError(f"{path} has no row that can be used. {' '.join(log.sentences())}")
    log.read = len(faces)
    return np.stack(faces), log


def _split_of(usage: str) -> str | None:
    word = usage.strip().lower()
    return next((split for split in SPLITS if split.lower() == word), None)


def _deal(
    usage: list[str | None], sound: dict[int, tuple[NDArray[np.uint8], int]], log: ReadingReport
) -> None:
    """Assign each row without a split by a hash of its pixels, the same on every machine."""
    ends = np.cumsum(SHARES)
    unassigned = [row for row in sound if usage[row] is None]
    if unassigned:
        places = hash_places(np.stack([sound[row][0] for row in unassigned]))
        parts = np.minimum(np.searchsorted(ends, places, "right"), len(ROLES) - 1)
        for row, part in zip(unassigned, parts, strict=True):
            usage[row] = ROLES[part]
        shares = " / ".join(f"{100 * share:.0f}" for share in SHARES)
        log.note(
            f"The table has no column Usage: its rows were dealt {shares} to training, validation "
            "and test by a hash of their pixels."
        )
    else:
        log.note("The table has no column Usage: that of the votes was taken.")


def _face(fields: list[str] | None, *, has_usage: bool) -> tuple[NDArray[np.uint8], int]:
    if fields is None:
        raise SkippedError(
            "fewer fields than the header names", "expected emotion, pixels and Usage"
        )
    emotion, pixels, usage = fields
    try:
        label = int(emotion)
    except ValueError as error:
        raise SkippedError(
            "an emotion that is not a whole number",
            f"expected whole numbers as emotion and pixels, received {_shortened(emotion)!r}",
        ) from error
    if not 0 <= label < len(EMOTIONS):
        span = f"0 to {len(EMOTIONS) - 1}"
        raise SkippedError(
            f"an emotion outside {span}", f"expected an emotion from {span}, received {label}"
        )
    if has_usage and _split_of(usage) is None:
        raise SkippedError(
            "an unknown Usage",
            f"expected {', '.join(SPLITS)} as Usage, received {_shortened(usage)!r}",
        )
    return _parsed_pixels(pixels), label


def _parsed_pixels(text: str) -> NDArray[np.uint8]:
    content = text.encode("ascii", "replace")
    # np.fromstring is by far the fastest parser, but only warns of other characters.
    if content.translate(None, b"0123456789 "):
        try:
            values = np.array([int(part) for part in content.split()], dtype=np.float64)
        except (ValueError, OverflowError) as error:
            odd = next((part for part in content.split() if not part.isdigit()), b"").decode()
            raise SkippedError(
                "pixels that are not whole numbers",
                f"expected whole numbers as emotion and pixels, received {_shortened(odd)!r}",
            ) from error
    elif content.strip(b" "):
        values = np.fromstring(content, dtype=np.int64, sep=" ")
    else:
        values = np.zeros(0)
    pixels = FACE_SIDE_PX**2
    if values.size != pixels:
        raise SkippedError(
            "a wrong number of pixels", f"expected {pixels} pixels, received {values.size}"
        )
    if not 0 <= values.min() <= values.max() <= 255:
        raise SkippedError(
            "pixels outside 0 to 255",
            f"expected pixels from 0 to 255, received {values.min():.0f} to {values.max():.0f}",
        )
    return values.astype(np.uint8).reshape(FACE_SIDE_PX, FACE_SIDE_PX)


def _read_votes(
    path: Path, usage: list[str | None], sound: Collection[int], log: ReadingReport
) -> NDArray[np.float64]:
    """Return the votes of the sound rows; NaN for other rows and for broken votes."""
    columns = (*_VOTE_COLUMNS, "Usage")
    rows = list(_rows(path, columns, "the FER+ vote file", "vote file"))
    # A split that is broken in either file says nothing about the order.
    differ = [
        number
        for number, (mine, other) in enumerate(zip(usage, rows, strict=False), 1)
        if mine and other and _split_of(other[-1]) in set(SPLITS) - {mine}
    ]
    if len(rows) != len(usage) or differ:
        where = f" whose split first differs in row {differ[0]}" if differ else ""
        raise DatasetError(
            f"{path} does not belong to the dataset: expected {len(usage)} rows in the same order "
            f"and splits, received {len(rows)}{where}."
        )
    votes = np.full((len(rows), len(_VOTE_COLUMNS)), np.nan)
    if not any(usage):
        usage[:] = [None if other is None else _split_of(other[-1]) for other in rows]
    for row in sound:
        try:
            votes[row] = _counted_votes(rows[row])
        except SkippedError as error:
            log.skip(error.reason, f"row {row + 1} of {path.name}: {error}")
    return votes


def _counted_votes(fields: list[str] | None) -> list[float]:
    if fields is None:
        raise SkippedError(
            "fewer votes than the header names",
            f"expected {len(_VOTE_COLUMNS)} numbers of votes",
        )
    *counts, usage = fields
    if _split_of(usage) is None:
        raise SkippedError(
            "an unknown Usage beside the votes",
            f"expected {', '.join(SPLITS)} as Usage, received {_shortened(usage)!r}",
        )
    values = [_number(field) for field in counts]
    for field, value in zip(counts, values, strict=True):
        if not 0 <= value < math.inf:
            raise SkippedError(
                "votes that are not numbers from 0 up",
                f"expected numbers of votes from 0 up, received {_shortened(field)!r}",
            )
    return values


def _number(field: str) -> float:
    """Return the number in a field, 0 for an empty one, NaN for anything else."""
    try:
        return float(field.strip() or 0)
    except ValueError:
        return math.nan


def _rows(
    path: Path, columns: tuple[str, ...], form: str, what: str, optional: str | None = None
) -> Iterator[list[str] | None]:
    """Yield the named columns of each row of a table; `None` for a row that is too short.

    The `optional` column comes last, and is absent from the rows if the table lacks it.
    """
    try:
        with open_table(path) as file:
            lines = _lines(file)
            first = next(lines, b"").removeprefix(b"\xef\xbb\xbf")
            mark = max((b",", b";", b"\t"), key=first.count).decode()
            header = [name.strip() for name in _fields(first, mark)]
            wanted = columns if optional is None else (*columns, optional)
            if header == [""]:
                raise DatasetError(
                    f"{path} is empty: expected {form} with the columns {', '.join(wanted)}."
                )
            names = [name.lower() for name in header]
            missing = {name for name in wanted if name.lower() not in names}
            if missing & set(columns):
                raise DatasetError(
                    f"{path} lacks the column(s) {', '.join(sorted(missing))} of {form}: expected "
                    f"{', '.join(wanted)}, received {_shortened(', '.join(header))}."
                )
            places = [names.index(name.lower()) for name in wanted if name not in missing]
            for number, line in enumerate(lines, 1):
                if number > MAX_ROWS:
                    raise DatasetError(f"{path} has more than {MAX_ROWS:,} rows: expected {form}.")
                fields = _fields(line, mark)
                yield [fields[place] for place in places] if len(fields) > max(places) else None
    except DAMAGE as error:
        raise unreadable(what, path, error) from error


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines without their ends, skipping empty ones and cutting overlong ones."""
    while line := file.readline(MAX_LINE_BYTES):
        rest = line
        while not rest.endswith(b"\n") and (rest := file.readline(MAX_LINE_BYTES)):
            pass
        if stripped := line.strip():
            yield stripped


def _fields(line: bytes, mark: str) -> list[str]:
    text = line.decode("utf-8", "replace")
    if '"' not in text:
        return text.split(mark)
    try:
        # Line by line: a stray quotation mark must not swallow the following rows.
        return next(csv.reader([text.replace("\0", " ")], delimiter=mark))
    except csv.Error:
        return []


def _shortened(text: str, limit: int = 80) -> str:
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable if len(printable) <= limit else printable[: limit - 3] + "..."
