"""The tables of a report, one row per thing, for spreadsheets and for programs: as CSV and as Parquet.

A table has columns of a kind each, and rows of plain values; None is what is not known or withheld.
CSV and Parquet are written from the same rows, which are made one after the other: a month by the
second has millions of them.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from detector.emotion.labels import EMOTIONS
from monitor.analytics import proof_of_play
from monitor.analytics.errors import ReportError
from monitor.analytics.gaps import covered_us, microseconds
from monitor.analytics.metrics import WATCHER_ATTENTION_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from db.read.sessions import AdInfo, PlayInfo, SessionInfo
    from monitor.analytics.metrics import Bools, Floats, Ints
    from monitor.analytics.report_data import ReportData

Kind = Literal["text", "whole", "number", "moment"]
"""Of a column: text, an integer, a float, or a moment in UTC."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins so for a formula."""

_AD: dict[str, Kind] = {
    "session_id": "whole",
    "ad_id": "text",
    "ad_version": "whole",
    "ad_name": "text",
}
_PLAYED: dict[str, Kind] = {
    "session_id": "whole",
    "site": "text",
    "ad_id": "text",
    "ad_version": "whole",
    "ad_name": "text",
    "play": "whole",
}
_P: dict[str, Kind] = {f"p_{emotion}": "number" for emotion in EMOTIONS}

COLUMNS: dict[str, dict[str, Kind]] = {
    "seconds": {
        **_PLAYED,
        "at": "moment",
        "second": "whole",
        "n": "whole",
        "emotion_viewers": "whole",
        "valence": "number",
        "expressiveness": "number",
        "attention": "number",
        **_P,
    },
    "timeline": {
        **_AD,
        "second": "whole",
        "n": "whole",
        "valence": "number",
        "valence_low": "number",
        "valence_high": "number",
        "attention": "number",
        **_P,
    },
    "ads": {
        **_AD,
        "plays": "whole",
        "shown_s": "number",
        "opportunities": "whole",
        "watchers": "whole",
        "held": "whole",
        "conversion": "number",
        "mean_dwell_s": "number",
        "attention_s": "number",
        "attraction_ratio": "number",
        "dominant_emotion": "text",
        "mean_valence": "number",
        "mean_valence_low": "number",
        "mean_valence_high": "number",
        "peak_valence": "number",
        "expressiveness": "number",
        "impact": "number",
        "score": "number",
        **_P,
    },
    "plays": {
        **_PLAYED,
        "started_at": "moment",
        "ended_at": "moment",
        "outcome": "text",
        "reason": "text",
        "probability": "number",
        "shown_s": "number",
        "opportunities": "whole",
        "watchers": "whole",
        "dwell_s": "number",
        "attention_s": "number",
        "mean_valence": "number",
    },
    "gaps": {
        "session_id": "whole",
        "start": "moment",
        "end": "moment",
        "cause": "text",
        "detail": "text",
    },
}
"""The columns of each table, in order. `ads` has one more for each figure of the norms, `percentile_FIGURE`."""

ROWS_PER_GROUP = 1 << 16
"""Rows of a Parquet file that are turned into columns at a time."""

TABLES = tuple(COLUMNS)
DEFAULT_TABLE = "seconds"

_VALENCE, _EXPRESSIVENESS = 7, 8
_MICROSECOND = timedelta(microseconds=1)


class UnknownTableError(ReportError, ValueError):
    """A table was asked for that does not exist."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain values.

    Attributes:
        name: One of `TABLES`.
        columns: Name and kind of each column, in order.
        rows: Makes the rows: values in the order of the columns, None where one is not known.
    """

    name: str
    columns: dict[str, Kind]
    rows: Callable[[], Iterable[list[Any]]]


def table_of(name: str, document: dict[str, Any], data: ReportData) -> Table:
    """Makes one of the tables of a report.

    Args:
        name: One of `TABLES`.
        document: The report, from `document.build_report`; it says from how many viewers on
            figures are shown.
        data: What the report was made of, with its seconds.

    Raises:
        UnknownTableError: There is no such table.
    """
    if name not in COLUMNS:
        raise UnknownTableError(
            f"Unknown table: expected one of {', '.join(TABLES)}, received {name!r}."
        )
    if name == "ads":
        return _ads(document)
    makers: dict[str, Callable[[], Iterable[list[Any]]]] = {
        "seconds": lambda: _second_rows(data, document["report"]["min_viewers"]),
        "timeline": lambda: _timeline_rows(document),
        "plays": lambda: _play_rows(data, document["report"]["min_viewers"]),
        "gaps": lambda: _gap_rows(data),
    }
    return Table(name, COLUMNS[name], makers[name])


# --- files ----------------------------------------------------------------------------------------


def to_csv(table: Table) -> str:
    """Returns a table as CSV: comma, line feed, moments in UTC, an empty field where a value is not known.

    Text that a spreadsheet would take for a formula is marked with an apostrophe.
    """
    return csv_text(table.columns, table.rows())


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Writes rows as CSV; text that a spreadsheet would take for a formula is marked with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_field(value) for value in row] for row in rows)
    return text.getvalue()


def proof_csv(document: dict[str, Any]) -> str:
    """Return the rows of a proof of play as CSV, without the total; figures have at most three decimals."""
    names = [column for group in document["by"] for column in proof_of_play.COLUMNS[group]]
    rows = (
        [
            *(row[name] for name in names),
            *(_to_three_decimals(row[key]) for key in proof_of_play.FIGURES),
        ]
        for row in document["rows"]
    )
    # Without a byte order mark some spreadsheets guess a wrong encoding.
    return "\N{ZERO WIDTH NO-BREAK SPACE}" + csv_text([*names, *proof_of_play.FIGURES], rows)


def _to_three_decimals(value: float | None) -> float | None:
    return round(value, 3) if isinstance(value, float) else value


def plain(text: str) -> str:
    """Marks a text that a spreadsheet would take for a formula with an apostrophe."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def _field(value: Any) -> Any:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, datetime):
        return (
            value.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds")
            + "Z"
        )
    return value


def to_parquet(table: Table, report_version: int) -> bytes:
    """Returns a table as a Parquet file: int64, float64, UTF-8, `timestamp[us, UTC]`, null where a value is not known.

    The file says in its metadata which version of the report it is from, and which table it is. The
    same table gives the same bytes.
    """
    import pyarrow  # noqa: PLC0415 - slow to import, and only this format needs it
    from pyarrow import parquet  # noqa: PLC0415

    kinds = {
        "text": pyarrow.string(),
        "whole": pyarrow.int64(),
        "number": pyarrow.float64(),
        "moment": pyarrow.timestamp("us", tz="UTC"),
    }
    metadata = {"ad_monitor.report_version": str(report_version), "ad_monitor.table": table.name}
    schema = pyarrow.schema(
        [(name, kinds[kind]) for name, kind in table.columns.items()], metadata=metadata
    )
    out = io.BytesIO()
    rows = iter(table.rows())
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        while chunk := list(islice(rows, ROWS_PER_GROUP)):
            columns = zip(*chunk, strict=True)
            arrays = [
                pyarrow.array(column, field.type)
                for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
    return out.getvalue()


# --- from the document ----------------------------------------------------------------------------


def _named(document: dict[str, Any], ad: dict[str, Any]) -> list[Any]:
    return [document["session"]["id"], ad["ad_id"], ad["version"], ad["name"]]


def _emotions(probabilities: dict[str, float | None] | None) -> list[float | None]:
    return (
        [None] * len(EMOTIONS)
        if probabilities is None
        else [probabilities[emotion] for emotion in EMOTIONS]
    )


def _timeline_rows(document: dict[str, Any]) -> list[list[Any]]:
    keys = ("second", "n", "valence", "valence_low", "valence_high", "attention")
    return [
        [*_named(document, ad), *(second[key] for key in keys), *_emotions(second["probabilities"])]
        for ad in document["ads"]
        for second in ad["timeline"]
    ]


def _ads(document: dict[str, Any]) -> Table:
    columns = COLUMNS["ads"]
    keys = [name for name in columns if name not in _AD and name not in _P]
    figures = list(dict.fromkeys(norm["figure"] for ad in document["ads"] for norm in ad["norms"]))
    rows = []
    for ad in document["ads"]:
        percentiles = {norm["figure"]: norm["percentile"] for norm in ad["norms"]}
        row = [
            *_named(document, ad),
            *(ad[key] for key in keys),
            *_emotions(ad["mean_probabilities"]),
        ]
        rows.append([*row, *(percentiles.get(figure) for figure in figures)])
    more: dict[str, Kind] = {f"percentile_{figure}": "number" for figure in figures}
    return Table("ads", columns | more, lambda: rows)


# --- from the data --------------------------------------------------------------------------------


def _played(data: ReportData) -> Callable[[PlayInfo], list[Any]]:
    """Gives the first columns of a row about a play."""
    sites = {info.id: info.site for info in data.sessions}
    ads = {ad.ad_row_id: ad for ad in data.ads}
    versions = _versions(data.ads)

    def named(play: PlayInfo) -> list[Any]:
        ad = ads[play.ad_row_id]
        return [
            play.session_id,
            sites[play.session_id],
            ad.ad_id,
            versions[ad.ad_row_id],
            ad.name,
            play.number,
        ]

    return named


def _versions(ads: Iterable[AdInfo]) -> dict[int, int | None]:
    """Numbers the versions of each ad as the report does; None where there is only one."""
    rows: dict[str, list[int]] = {}
    for ad in ads:
        rows.setdefault(ad.ad_id, []).append(ad.ad_row_id)
    return {
        row: number if len(of_ad) > 1 else None
        for of_ad in rows.values()
        for number, row in enumerate(sorted(of_ad), 1)
    }


def _second_rows(data: ReportData, min_viewers: int) -> Iterator[list[Any]]:
    """One row per play and second of the ad in which somebody was in view.

    Every figure is the mean over the viewers of each viewer's mean in that second of that play.
    """
    seconds = data.seconds
    places = {play.id: place for place, play in enumerate(data.plays)}
    ids, inverse = np.unique(seconds.play_id, return_inverse=True)
    place = np.array([places[play_id] for play_id in ids.tolist()], dtype=np.int64)[inverse]
    order = np.lexsort((seconds.second, place))
    play_id, second = seconds.play_id[order], seconds.second[order]
    starts = np.ones(play_id.size, dtype=np.bool_)
    starts[1:] = (play_id[1:] != play_id[:-1]) | (second[1:] != second[:-1])
    first = np.flatnonzero(starts)
    group = np.cumsum(starts) - 1
    n = np.bincount(group, minlength=first.size)
    has_emotion = seconds.emotion_readings[order] > 0
    emotion_viewers = np.bincount(group, weights=has_emotion, minlength=first.size).astype(np.int64)
    attention = _group_means(group, seconds.attentive[order] / seconds.readings[order], n)
    with np.errstate(invalid="ignore"):
        own = seconds.sums[order] / seconds.emotion_readings[order][:, None]
    means = np.column_stack(
        [
            _group_means(group[has_emotion], own[has_emotion, k], emotion_viewers)
            for k in range(own.shape[1])
        ]
    )
    means[emotion_viewers < min_viewers] = np.nan
    attention[n < min_viewers] = np.nan
    figures = np.column_stack(
        [means[:, _VALENCE], means[:, _EXPRESSIVENESS], attention, means[:, : len(EMOTIONS)]]
    )
    known = np.isfinite(figures)
    named, of_play = _played(data), place[order][first].tolist()
    counts = zip(of_play, second[first].tolist(), n.tolist(), emotion_viewers.tolist(), strict=True)
    for k, (index, at, viewers, with_emotion) in enumerate(counts):
        play = data.plays[index]
        values = [
            value if is_known else None
            for value, is_known in zip(figures[k].tolist(), known[k], strict=True)
        ]
        yield [
            *named(play),
            play.started_at + timedelta(seconds=at),
            at,
            viewers,
            with_emotion,
            *values,
        ]


def _group_means(group: Ints, values: Floats, counts: Ints) -> Floats:
    """Means of groups; NaN for a group without a value."""
    sums = np.bincount(group, weights=values, minlength=counts.size)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums / np.where(counts > 0, counts, np.nan))


def _play_rows(data: ReportData, min_viewers: int) -> list[list[Any]]:
    """One row per play, with its audience."""
    named, entries = _played(data), data.exposures
    measured = _measured(data)
    places = [
        slice(*np.searchsorted(entries.play_id, [play.id, play.id + 1]).tolist())
        for play in data.plays
    ]
    hidden = _hidden_plays(
        [play.ad_row_id for play in data.plays], [p.stop - p.start for p in places], min_viewers
    )
    rows = []
    for index, (play, is_measured, place) in enumerate(
        zip(data.plays, measured, places, strict=True)
    ):
        row = [
            *named(play),
            play.started_at,
            play.ended_at,
            play.outcome,
            play.reason,
            play.probability,
        ]
        row.append(None if play.shown_ms is None else play.shown_ms / 1000)
        viewers = place.stop - place.start
        # Nobody was seen is one thing, nobody could be seen another.
        if viewers == 0:
            rows.append([*row, *([0, 0] if is_measured else [None, None]), None, None, None])
        elif index in hidden:
            rows.append([*row, viewers, *[None] * 4])
        else:
            rows.append([*row, viewers, *_audience(data, place, min_viewers)])
    return rows


def _hidden_plays(ads: Sequence[int], viewers: Sequence[int], min_viewers: int) -> set[int]:
    """Places of the plays whose audience is withheld.

    Those that too few have seen; and where all of these of one ad still have fewer viewers
    together, the next smallest play of it: else what the others leave of the ad's own figures would
    give them away.

    Args:
        ads: Of each play.
        viewers: Of each play.
        min_viewers: As in the report.
    """
    hidden: set[int] = set()
    for ad in set(ads):
        seen = sorted(
            (count, place) for place, count in enumerate(viewers) if ads[place] == ad and count > 0
        )
        together = 0
        for count, place in seen:
            if count >= min_viewers and not 0 < together < min_viewers:
                break
            together += count
            hidden.add(place)
    return hidden


def _audience(data: ReportData, chosen: slice, min_viewers: int) -> list[Any]:
    """Watchers, dwell, attention and mean valence of one play; no valence where too few viewers stand behind it."""
    entries = data.exposures
    readings = entries.emotion_readings[chosen]
    read: Bools = readings > 0
    valence = entries.sums[chosen, _VALENCE][read] / readings[read]
    return [
        int((entries.longest_attention_s[chosen] >= WATCHER_ATTENTION_S).sum()),
        float(entries.dwell_s[chosen].sum()),
        float(entries.attention_s[chosen].sum()),
        float(valence.mean()) if valence.size >= max(min_viewers, 1) else None,
    ]


def _measured(data: ReportData) -> Sequence[bool]:
    """Whether faces could be measured during some of each play."""
    ends = {info.id: info.ended_at for info in data.sessions}
    found: dict[int, bool] = {}
    for info in data.sessions:
        plays = [play for play in data.plays if play.session_id == info.id]
        starts = np.array([microseconds(play.started_at) for play in plays], dtype=np.int64)
        stops = np.array([_end_us(play, info, ends[info.id]) for play in plays], dtype=np.int64)
        covered = covered_us([gap for gap in data.gaps if gap.session_id == info.id], starts, stops)
        found |= {
            play.id: bool(left > 0)
            for play, left in zip(plays, stops - starts - covered, strict=True)
        }
    return [found[play.id] for play in data.plays]


def _end_us(play: PlayInfo, info: SessionInfo, session_end: datetime | None) -> int:
    """When a play ended; one that is still on has lasted for a moment."""
    end = play.ended_at or session_end
    start = microseconds(play.started_at)
    return start + 1 if end is None else max(start, microseconds(end))


def _gap_rows(data: ReportData) -> list[list[Any]]:
    return [
        [gap.session_id, gap.started_at, gap.ended_at, gap.cause, gap.detail or None]
        for gap in data.gaps
    ]
