"""The tables of a report, for spreadsheets and programs, as CSV and Parquet.

Rows hold plain values; None is not known or withheld. Both formats are written from the same rows,
made one after the other: a month by the second has millions.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import numpy as np

from ads.playlists.playlist import DAYS
from db.read.formulas import WATCHER_ATTENTION_S, group_starts
from detector.emotion.labels import EMOTIONS
from detector.emotion.prevalence import GROUPS, corrected_valence, shares
from detector.names import printable
from monitor.analytics import proof_of_play, scenes
from monitor.analytics.currency import is_verified
from monitor.analytics.errors import ReportError
from monitor.analytics.metrics import (
    EXPRESSIVENESS,
    OWN,
    VALENCE,
    covered_us,
    group_scores,
    mean_by_second,
    microseconds,
    slow_sessions,
)
from monitor.analytics.report_data import ad_versions, places_to_withhold, zones_of
from monitor.reports import TABLES
from monitor.reports.formatting import utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from monitor.analytics.report_data import ReportData

Kind = Literal["text", "whole", "number", "moment"]
"""Of a column: text, an integer, a float, or a moment in UTC."""


SHARES = [f"share_{group}" for group in GROUPS]


def _columns() -> dict[str, dict[str, Kind]]:
    kinds: dict[str, Kind] = {
        **dict.fromkeys(
            ["site", "ad_id", "ad_name", "dominant_emotion", "outcome", "reason", "cause"], "text"
        ),
        **dict.fromkeys(["weekday", "clustered_by"], "text"),
        **dict.fromkeys(["screen", "name", "group", "tags"], "text"),
        **dict.fromkeys(["sessions", "viewers"], "whole"),
        **dict.fromkeys(["lineExternalId", "adUnitExternalId", "creativeAssetExternalId"], "text"),
        **dict.fromkeys(["startTime", "endTime"], "moment"),
        **dict.fromkeys(["scene", "hour", "days", "exposures", "clusters"], "whole"),
        **dict.fromkeys(["watchers_2s", "audience_impressions"], "whole"),
        **dict.fromkeys(["viewable_plays_1s", "viewable_plays_2s"], "whole"),
        **dict.fromkeys(
            ["session_id", "ad_version", "play", "second", "n", "emotion_viewers"], "whole"
        ),
        **dict.fromkeys(["plays", "opportunities", "watchers", "held"], "whole"),
        **dict.fromkeys(["at", "started_at", "ended_at", "start", "end"], "moment"),
        "detail": "text",
    }
    ad = "session_id ad_id ad_version ad_name"
    play = "session_id site ad_id ad_version ad_name play"
    emotions = " ".join(f"p_{emotion}" for emotion in EMOTIONS)
    groups = " ".join(SHARES)
    tables = {
        "seconds": f"{play} at second n emotion_viewers valence expressiveness attention "
        f"{emotions} valence_corrected_audience {groups}",
        "timeline": f"{ad} second n valence valence_low valence_high attention {emotions} "
        "valence_corrected_audience valence_corrected_audience_low valence_corrected_audience_high "
        f"{groups}",
        "ads": f"{ad} plays shown_s opportunities watchers held conversion mean_dwell_s "
        "attention_s attraction_ratio dominant_emotion mean_valence mean_valence_low "
        f"mean_valence_high peak_valence expressiveness impact score watchers_2s "
        "audience_impressions average_unit_audience attentive_s_per_1000 viewable_plays_1s "
        f"viewable_plays_2s cost cost_per_1000_attentive_s {emotions} valence_corrected_mean "
        f"valence_corrected_mean_low valence_corrected_mean_high {groups}",
        "plays": f"{play} started_at ended_at outcome reason probability shown_s opportunities "
        "watchers dwell_s attention_s mean_valence valence_corrected_mean",
        "gaps": "session_id start end cause detail",
        "multipliers": "site weekday hour plays days exposures multiplier multiplier_low "
        "multiplier_high clusters clustered_by",
        "ad_plays": "lineExternalId adUnitExternalId creativeAssetExternalId startTime endTime "
        "impressionCount",
        "screens": "screen name site group tags sessions plays viewers exposures attention_s "
        "attention_per_exposure_s",
        "scenes": f"{ad} scene start_s end_s n emotion_viewers attention attention_low "
        "attention_high valence_corrected valence_corrected_low valence_corrected_high "
        + " ".join(
            f"{name}_change {name}_change_low {name}_change_high {name}_change_p_adjusted"
            for name in scenes.MEASURES
        ),
    }
    return {
        table: {name: kinds.get(name, "number") for name in names.split()}
        for table, names in tables.items()
    }


COLUMNS = _columns()
"""The columns of each table, in order. `ads` also has a `percentile_FIGURE` for each norm; where a
model has labels outside the seven emotions, `ads`, `timeline` and `seconds` have a `p_LABEL` for
each of these behind all others."""


class UnknownTableError(ReportError, ValueError):
    """A table was asked for that does not exist."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table by its name in `TABLES`: kinds of its columns in order, and a maker of its rows."""

    name: str
    columns: dict[str, Kind]
    rows: Callable[[], Iterable[list[Any]]]


def table_of(name: str, document: dict[str, Any], data: ReportData) -> Table:
    """Make one of `TABLES` of a report, from the data that it was made of, with its seconds.

    Raises:
        UnknownTableError: There is no such table.
    """
    if name not in COLUMNS:
        raise UnknownTableError(
            f"Unknown table: expected one of {', '.join(TABLES)}, received {name!r}."
        )
    own = [f"p_{label}" for label in data.own_labels]
    if name == "ads":
        return _ads(document, own)
    min_viewers = document["report"]["min_viewers"]
    makers: dict[str, Callable[[], Iterable[list[Any]]]] = {
        "seconds": lambda: _second_rows(data, min_viewers),
        "timeline": lambda: _timeline_rows(document, own),
        "plays": lambda: _play_rows(data, min_viewers),
        "gaps": lambda: [
            [gap.session_id, gap.started_at, gap.ended_at, gap.cause, gap.detail or None]
            for gap in data.gaps
        ],
        "multipliers": lambda: [
            [entry[key] for key in COLUMNS["multipliers"]] for entry in document["multipliers"]
        ],
        "ad_plays": lambda: _ad_play_rows(document, data),
        "screens": lambda: [
            [", ".join(entry[key]) if key == "tags" else entry[key] for key in COLUMNS["screens"]]
            for entry in document.get("screens", ())
        ],
        "scenes": lambda: _scene_rows(document),
    }
    more: dict[str, Kind] = dict.fromkeys(own if name in {"timeline", "seconds"} else (), "number")
    return Table(name, COLUMNS[name] | more, makers[name])


# --- files ----------------------------------------------------------------------------------------


def to_csv(table: Table) -> str:
    """Return a table as CSV: comma, line feed, moments in UTC, an empty field where not known."""
    return to_csv_rows(table.columns, table.rows())


def proof_csv(document: dict[str, Any]) -> str:
    """Return the rows of a proof of play as CSV, without the total, with up to three decimals."""
    names = [column for group in document["by"] for column in proof_of_play.COLUMNS[group]]
    columns = [*names, *proof_of_play.FIGURES]
    rows = (
        [round(row[key], 3) if isinstance(row[key], float) else row[key] for key in columns]
        for row in document["rows"]
    )
    # Without a byte order mark some spreadsheets guess a wrong encoding.
    return "\N{ZERO WIDTH NO-BREAK SPACE}" + to_csv_rows(columns, rows)


def lake_csv(document: dict[str, Any]) -> str:
    """Return a report from a lake as CSV: of each ad the whole, then its sites and its seconds."""
    entries = []
    for ad in document["ads"]:
        name = {key: ad[key] for key in ("ad_id", "sha256")}
        whole = {key: value for key, value in ad.items() if key not in {"sites", "timeline"}}
        for part in (whole, *ad["sites"], *ad["timeline"]):
            emotions = part.get("emotions", {"probabilities": {}, "shares": {}})
            named = {f"{kind}_{k}": v for kind in emotions for k, v in emotions[kind].items()}
            entries.append({**name, "site": "", "second": None, **part, **named})
    columns = list(dict.fromkeys(key for entry in entries for key in entry if key != "emotions"))
    rows = ([entry.get(key) for key in columns] for entry in entries)
    return "\N{ZERO WIDTH NO-BREAK SPACE}" + to_csv_rows(columns, rows)


def to_csv_rows(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as CSV that no spreadsheet takes a formula from."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_field(value) for value in row] for row in rows)
    return text.getvalue()


def _field(value: Any) -> Any:
    if isinstance(value, str):
        return printable(plain(value), keep="\n\r\t")
    return utc_text(value) if isinstance(value, datetime) else value


def plain(text: str) -> str:
    """Mark a text that a spreadsheet would take for a formula with an apostrophe."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def to_parquet(table: Table, report_version: int) -> bytes:
    """Return a table as Parquet, with the version of the report and its name in the metadata."""
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
        while chunk := list(islice(rows, 1 << 16)):
            arrays = [
                pyarrow.array(column, field.type)
                for column, field in zip(zip(*chunk, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
    return out.getvalue()


# --- from the document ----------------------------------------------------------------------------


def _named(document: dict[str, Any], ad: dict[str, Any]) -> list[Any]:
    return [document["session"]["id"], ad["ad_id"], ad["version"], ad["name"]]


def _flat(entry: dict[str, Any], probabilities: str) -> dict[str, Any]:
    """Return an entry with its probabilities and shares as columns."""
    emotions, groups = entry[probabilities] or {}, entry["shares"] or {}
    return {
        **{f"p_{label}": emotions.get(label) for label in (*EMOTIONS, *emotions)},
        **{f"share_{group}": groups.get(group) for group in GROUPS},
        **entry,
    }


def _timeline_rows(document: dict[str, Any], own: list[str]) -> list[list[Any]]:
    keys = [*list(COLUMNS["timeline"])[4:], *own]
    return [
        [*_named(document, ad), *(values.get(key) for key in keys)]
        for ad in document["ads"]
        for values in (_flat(second, "probabilities") for second in ad["timeline"])
    ]


def _scene_rows(document: dict[str, Any]) -> Iterator[list[Any]]:
    keys = list(COLUMNS["scenes"])[5 : -4 * len(scenes.MEASURES)]
    for ad in document["ads"]:
        for place, scene in enumerate(ad["scenes"] or (), 1):
            changes = scene["change"] or {name: {} for name in scenes.MEASURES}
            yield [
                *_named(document, ad),
                place,
                *(scene[key] for key in keys),
                *(
                    changes[name].get(key)
                    for name in scenes.MEASURES
                    for key in ("value", "low", "high", "p_adjusted")
                ),
            ]


def _ads(document: dict[str, Any], own: list[str]) -> Table:
    figures = list(dict.fromkeys(norm["figure"] for ad in document["ads"] for norm in ad["norms"]))
    keys, rows = list(COLUMNS["ads"])[4:], []
    for ad in document["ads"]:
        viewable = ad["viewable_plays"]
        values = {f"viewable_plays_{n}s": viewable[f"at_least_{n}s"] for n in (1, 2)}
        values |= _flat(ad, "mean_probabilities")
        percentiles = {norm["figure"]: norm["percentile"] for norm in ad["norms"]}
        rows.append(
            [
                *_named(document, ad),
                *(values[key] for key in keys),
                *(percentiles.get(figure) for figure in figures),
                *(values.get(key) for key in own),
            ]
        )
    names = [*(f"percentile_{figure}" for figure in figures), *own]
    more: dict[str, Kind] = dict.fromkeys(names, "number")
    return Table("ads", COLUMNS["ads"] | more, lambda: rows)


# --- from the data --------------------------------------------------------------------------------


def _played(data: ReportData) -> list[list[Any]]:
    """Return the first columns of a row about each play."""
    sites = {info.id: info.site for info in data.sessions}
    ads = {ad.ad_row_id: [ad.ad_id, version, ad.name] for ad, version in ad_versions(data.ads)}
    return [
        [play.session_id, sites[play.session_id], *ads[play.ad_row_id], play.number]
        for play in data.plays
    ]


def _second_rows(data: ReportData, min_viewers: int) -> Iterator[list[Any]]:
    """Make a row per play and second with somebody in view, of means over viewers."""
    seconds = data.seconds
    places = {play.id: place for place, play in enumerate(data.plays)}
    ids, inverse = np.unique(seconds.play_id, return_inverse=True)
    place = np.array([places[play_id] for play_id in ids.tolist()], dtype=np.int64)[inverse]
    order = np.lexsort((seconds.second, place))
    second = seconds.second[order]
    starts = group_starts(place[order], second)
    first, group = np.flatnonzero(starts), np.cumsum(starts) - 1
    size = first.size
    n = np.bincount(group, minlength=size)
    read = seconds.emotion_readings[order] > 0
    emotion_viewers = np.bincount(group, weights=read, minlength=size).astype(np.int64)
    attention = mean_by_second(seconds.attentive[order] / seconds.readings[order], group, size)
    attention[n < min_viewers] = np.nan
    own = seconds.sums[order][read] / seconds.emotion_readings[order][read][:, None]
    means = np.column_stack([mean_by_second(column, group[read], size) for column in own.T])
    means[emotion_viewers < min_viewers] = np.nan
    known, scores = group_scores(own)
    scored = np.bincount(group[read][known], minlength=size)
    of_groups = np.column_stack([mean_by_second(c, group[read][known], size) for c in scores.T])
    of_groups[scored < min_viewers] = np.nan
    figures = np.column_stack(
        [
            *(means[:, VALENCE], means[:, EXPRESSIVENESS], attention, means[:, : len(EMOTIONS)]),
            *(np.clip(corrected_valence(of_groups), -1, 1), shares(of_groups)),
            means[:, OWN:],
        ]
    )
    played, of_play = _played(data), place[order][first].tolist()
    counts = zip(of_play, second[first].tolist(), n.tolist(), emotion_viewers.tolist(), strict=True)
    for (index, at, viewers, with_emotion), values in zip(counts, figures, strict=True):
        yield [
            *played[index],
            data.plays[index].started_at + timedelta(seconds=at),
            at,
            viewers,
            with_emotion,
            *(None if math.isnan(value) else value for value in values.tolist()),
        ]


def _play_rows(data: ReportData, min_viewers: int) -> Iterator[list[Any]]:
    """Make one row per play, with its audience."""
    measured = _measured(data)
    places = [
        slice(*np.searchsorted(data.exposures.play_id, [play.id, play.id + 1]).tolist())
        for play in data.plays
    ]
    viewers = [place.stop - place.start for place in places]
    hidden = places_to_withhold([play.ad_row_id for play in data.plays], viewers, min_viewers)
    slow = slow_sessions(data)
    for index, (play, names) in enumerate(zip(data.plays, _played(data), strict=True)):
        audience: list[Any]
        if viewers[index] == 0:
            # "Nobody was in view" differs from "nothing could be measured".
            nobody = 0 if measured[play.id] else None
            audience = [nobody, nobody, None, None, None, None]
        elif index in hidden:
            audience = [viewers[index], None, None, None, None, None]
        else:
            audience = [viewers[index], *_audience(data, places[index], min_viewers)]
            if play.session_id in slow:
                audience[1] = None
        yield [
            *names,
            play.started_at,
            play.ended_at,
            play.outcome,
            play.reason,
            play.probability,
            None if play.shown_ms is None else play.shown_ms / 1000,
            *audience,
        ]


def _ad_play_rows(document: dict[str, Any], data: ReportData) -> Iterator[list[Any]]:
    """Make one row per verified play, in the shape of an `adPlay` of Display & Video 360.

    The impressions of a play that gaps cover are those of an average play of its hour, if known.
    """
    sessions = {info.id: info for info in data.sessions}
    ads = {ad.ad_row_id: ad.ad_id for ad in data.ads}
    measured = _measured(data)
    zone = document["report"]["timezone"]
    zones = zones_of(data.sessions, None if zone is None else ZoneInfo(zone))
    usual = {
        (entry["site"], entry["weekday"], entry["hour"]): entry["multiplier"]
        for entry in document["multipliers"]
    }
    for play in data.plays:
        session = sessions[play.session_id]
        if not is_verified(play, session):
            continue
        first, end = np.searchsorted(data.exposures.play_id, [play.id, play.id + 1]).tolist()
        impressions: float | None = end - first
        if not measured[play.id]:
            local = zones.local(play.started_at, session.id)
            impressions = usual.get((session.site, DAYS[local.weekday()], local.hour))
        yield [
            None,
            session.site,
            ads[play.ad_row_id],
            play.started_at,
            play.ended_at,
            impressions,
        ]


def _audience(data: ReportData, chosen: slice, min_viewers: int) -> list[Any]:
    """Return watchers, dwell, attention, mean valence and its corrected form of one play."""
    entries = data.exposures
    readings = entries.emotion_readings[chosen]
    read = readings > 0
    means = entries.sums[chosen][read] / readings[read][:, None]
    enough = max(min_viewers, 1)
    valence, corrected = means[:, VALENCE], corrected_valence(group_scores(means)[1])
    return [
        int((entries.longest_attention_s[chosen] >= WATCHER_ATTENTION_S).sum()),
        float(entries.dwell_s[chosen].sum()),
        float(entries.attention_s[chosen].sum()),
        float(valence.mean()) if valence.size >= enough else None,
        float(corrected.mean().clip(-1, 1)) if corrected.size >= enough else None,
    ]


def _measured(data: ReportData) -> dict[int, bool]:
    """Return whether faces could be measured during some of each play, by its id."""
    found: dict[int, bool] = {}
    for info in data.sessions:
        plays = [play for play in data.plays if play.session_id == info.id]
        starts = np.array([microseconds(play.started_at) for play in plays], dtype=np.int64)
        ends = [play.ended_at or info.ended_at for play in plays]
        # A play that is still on has lasted for a moment.
        stops = np.array(
            [
                start + 1 if end is None else max(start, microseconds(end))
                for start, end in zip(starts.tolist(), ends, strict=True)
            ],
            dtype=np.int64,
        )
        gaps = [gap for gap in data.gaps if gap.session_id == info.id]
        left = stops - starts - covered_us(gaps, starts, stops)
        if info.id in data.untold:
            left = np.zeros_like(left)
        found.update(zip((play.id for play in plays), (left > 0).tolist(), strict=True))
    return found
