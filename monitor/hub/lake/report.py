"""Report on ads from a lake: DuckDB adds up its cells by screen and second.

A cell has no viewers, only their number, so all means are over readings or exposures, and intervals
are between screens. `docs/explanation/metrics.md` says how each figure is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from pyarrow import fs

from db.read.cells import WHOLE
from db.schema import SCORE_COLUMNS, SUM_COLUMNS
from detector.emotion.labels import EMOTIONS
from detector.emotion.prevalence import GROUPS, shares
from monitor.analytics.statistics import MIN_GROUPS, UNKNOWN, clustered_mean, known
from monitor.hub.lake.errors import LakeError
from monitor.hub.lake.writing import MIN_VIEWERS, SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from monitor.hub.lake.store import Lake

    Bools = NDArray[np.bool_]
    Columns = dict[str, NDArray[Any]]

REPORT_VERSION = 1

FIGURES = (
    "screens",
    "plays",
    "finished",
    "exposures",
    "viewers",
    "watchers",
    "watchers_2s",
    "dwell_s",
    "attention_s",
    "attention_per_exposure_s",
    "attention_per_exposure_low_s",
    "attention_per_exposure_high_s",
    "readings",
    "emotion_readings",
    "valence",
    "expressiveness",
)
"""Of an ad, and of an ad at a site."""

OF_VERSION = ("ad_id", "sha256", "duration_ms")

_COUNTS = ("viewers", "readings", "emotion_readings", "attentive", "exposures")
_WATCHERS = ("watchers", "watchers_2s")
_SUMS = ("dwell_s", "attention_s", *SUM_COLUMNS)
_KEYS = "ad_id, sha256, duration_ms, site, CASE screen WHEN '' THEN kiosk ELSE screen END AS place"
_PLAYS = (
    f"{_KEYS}, CAST(count(*) AS DOUBLE) AS plays, "
    "CAST(count(*) FILTER (outcome = 'finished') AS DOUBLE) AS finished"
)


@dataclass(frozen=True, slots=True)
class LakeScope:
    """Which cells and plays of a lake count; None and empty are no condition.

    Attributes:
        since, until: First and last day, in UTC.
        sites, groups, tags: A screen has one of each.
    """

    since: date | None = None
    until: date | None = None
    sites: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def holds(self, day: date) -> bool:
        """Return whether a day counts."""
        after = self.since is None or day >= self.since
        return after and (self.until is None or day <= self.until)

    def conditions(self) -> tuple[list[str], list[Any]]:
        """Return conditions in SQL, and their parameters."""
        wanted = [
            ("list_contains(?, site)", self.sites),
            ("list_contains(?, group_name)", self.groups),
            ("list_has_any(?, tags)", self.tags),
        ]
        chosen = [(text, list(names)) for text, names in wanted if names]
        return [text for text, _ in chosen], [names for _, names in chosen]


def lake_report(lake: Lake, ads: Sequence[str], scope: LakeScope) -> dict[str, Any]:
    """Build the report of some ads, each version an entry, as a document for JSON.

    Raises:
        LakeError: The lake cannot be read, or has nothing of an ad; DuckDB is not installed.
    """
    days = [day for day in lake.days("plays") if scope.holds(day)]
    if not days:
        raise LakeError(f"The lake {lake.target} {_days_there(lake)}.")
    files = {
        table: sorted(path for day in days for path in lake.parts(table, day))
        for table in ("cells", "plays")
    }
    connection = _connect()
    try:
        reader = _Reader(lake, connection, ads, scope)
        cells = reader.read("cells", files["cells"], _cells_figures())
        plays = reader.read("plays", files["plays"], _PLAYS)
        missing = sorted(set(ads) - {*plays["ad_id"].tolist(), *cells["ad_id"].tolist()})
        if missing:
            known_ads = _known_ads(lake, files["plays"])
            raise LakeError(
                f"The lake {lake.target} has no plays of {', '.join(missing)} from {days[0]} to "
                f"{days[-1]} at these screens; it has {known_ads}."
            )
    finally:
        connection.close()
    least = _min_viewers(lake, files["cells"])
    versions = _versions(cells, plays)
    entries = [_ad_entry(version, cells, plays) for version in versions]
    return {
        "report": {
            "version": REPORT_VERSION,
            "lake": lake.target,
            "since": days[0].isoformat(),
            "until": days[-1].isoformat(),
            "days": len(days),
            "sites": list(scope.sites),
            "groups": list(scope.groups),
            "tags": list(scope.tags),
            "min_viewers": least,
        },
        "ads": entries,
        "withheld": _withheld(entries, least),
    }


# --- reading --------------------------------------------------------------------------------------


def _connect() -> DuckDBPyConnection:
    try:
        import duckdb  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError as error:
        raise LakeError(
            "Reading a lake needs DuckDB, which is not installed; install it with "
            "`make hub-setup` or `pip install 'ad-reaction-monitor[hub]'`."
        ) from error
    return duckdb.connect()


def _cells_figures() -> str:
    added = {name: f"sum({name})" for name in (*_COUNTS, *_SUMS)}
    added["scored_readings"] = "sum(emotion_readings) FILTER (sum_happy_score IS NOT NULL)"
    for name in _WATCHERS:
        # Unknown as soon as one cell of whole exposures does not know them.
        added[name] = f"CASE WHEN count({name}) = count(exposures) THEN sum({name}) END"
    figures = (f"coalesce(CAST({text} AS DOUBLE), 'NaN') AS {name}" for name, text in added.items())
    return ", ".join([_KEYS, "second", *figures])


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the rows of some ads, grouped by version, screen and site."""

    lake: Lake
    connection: DuckDBPyConnection
    ads: Sequence[str]
    scope: LakeScope

    def read(self, table: str, files: list[str], figures: str) -> Columns:
        conditions, parameters = self.scope.conditions()
        where = " AND ".join([f"ad_id IN ({', '.join('?' * len(self.ads))})", *conditions])
        source, given = "given", []
        if not files:
            self.connection.register("given", SCHEMAS[table].empty_table())
        elif isinstance(self.lake.files, fs.LocalFileSystem):
            source, given = "read_parquet(?)", [files]
        else:
            # DuckDB itself reads buckets only with an extension that it would have to download.
            from pyarrow.dataset import dataset  # noqa: PLC0415 (slow to import)

            rows = dataset(files, filesystem=self.lake.files, format="parquet")
            self.connection.register("given", rows)
        query = f"SELECT {figures} FROM {source} WHERE {where} GROUP BY ALL ORDER BY ALL"  # noqa: S608 (constants)
        return dict(self.connection.execute(query, [*given, *self.ads, *parameters]).fetchnumpy())


def _known_ads(lake: Lake, files: list[str]) -> str:
    """The names of a few ads that a lake has, of its last file."""
    with lake.files.open_input_file(files[-1]) as file:
        names = sorted(set(pq.read_table(file, columns=["ad_id"])["ad_id"].to_pylist()))
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more


def _days_there(lake: Lake) -> str:
    days = lake.days("plays")
    if not days:
        return "is empty: write it with `ad-monitor hub lake write`"
    return f"has no day in this span; it has {days[0]} to {days[-1]}"


def _min_viewers(lake: Lake, files: list[str]) -> int | None:
    """With how many viewers the cells of the last file were kept."""
    if not files:
        return None
    with lake.files.open_input_file(files[-1]) as file:
        text = (pq.read_schema(file).metadata or {}).get(MIN_VIEWERS.encode(), b"")
    return int(text) if text.isdigit() else None


# --- figures --------------------------------------------------------------------------------------


def _ad_entry(version: tuple[Any, ...], cells: Columns, plays: Columns) -> dict[str, Any]:
    mine, shown = _of_version(cells, version), _of_version(plays, version)
    whole, seconds = _take(mine, mine["second"] == WHOLE), _take(mine, mine["second"] != WHOLE)
    names = dict(zip(OF_VERSION, version, strict=True))
    sites = sorted({*mine["site"].tolist(), *shown["site"].tolist()})
    return {
        "ad_id": names["ad_id"],
        "sha256": names["sha256"],
        "duration_s": names["duration_ms"] / 1000,
        **_figures(whole, shown),
        "emotions": _emotions(whole),
        "sites": [
            {
                "site": site,
                **_figures(
                    _take(whole, whole["site"] == site), _take(shown, shown["site"] == site)
                ),
            }
            for site in sites
        ],
        "timeline": [
            _second(_take(seconds, seconds["second"] == second), int(second))
            for second in np.unique(seconds["second"])
        ],
    }


def _figures(whole: Columns, plays: Columns) -> dict[str, Any]:
    """The figures of some screens, from cells of whole exposures and from plays."""
    exposures, attention = whole["exposures"].sum(), whole["attention_s"].sum()
    reach = UNKNOWN
    screen = np.unique(whole["place"], return_inverse=True)[1]
    if screen.size and screen.max() + 1 >= MIN_GROUPS:
        weights = np.bincount(screen, whole["exposures"]).astype(np.float64)
        means = np.bincount(screen, whole["attention_s"]) / weights
        reach = clustered_mean(means, weights, np.arange(weights.size)).interval()
    read = whole["emotion_readings"].sum()
    return {
        "screens": int(np.unique(np.concatenate([whole["place"], plays["place"]])).size),
        "plays": int(plays["plays"].sum()),
        "finished": int(plays["finished"].sum()),
        **{name: _count(whole[name].sum()) for name in ("exposures", "viewers", *_WATCHERS)},
        "dwell_s": float(whole["dwell_s"].sum()),
        "attention_s": float(attention),
        "attention_per_exposure_s": _ratio(attention, exposures),
        "attention_per_exposure_low_s": known(float(np.maximum(reach.low, 0.0))),
        "attention_per_exposure_high_s": known(reach.high),
        "readings": int(whole["readings"].sum()),
        "emotion_readings": int(read),
        "valence": _ratio(whole["sum_valence"].sum(), read),
        "expressiveness": _ratio(whole["sum_expressiveness"].sum(), read),
    }


def _second(cells: Columns, second: int) -> dict[str, Any]:
    read = cells["emotion_readings"].sum()
    return {
        "second": second,
        "viewers": int(cells["viewers"].sum()),
        "readings": int(cells["readings"].sum()),
        "emotion_readings": int(read),
        "attention": _ratio(cells["attentive"].sum(), cells["readings"].sum()),
        "valence": _ratio(cells["sum_valence"].sum(), read),
        "expressiveness": _ratio(cells["sum_expressiveness"].sum(), read),
        "emotions": _emotions(cells),
    }


def _emotions(cells: Columns) -> dict[str, Any]:
    """The mean probabilities of readings, and the audience's shares where scores are known."""
    read, scored = cells["emotion_readings"].sum(), np.nansum(cells["scored_readings"])
    scores = np.array([np.nansum(cells[name]) for name in SCORE_COLUMNS])
    parts = np.full(len(GROUPS), np.nan)
    if scored:
        means = scores / scored
        parts = shares([*means, 1 - means.sum()])
    return {
        "probabilities": {
            emotion: _ratio(cells[f"sum_{emotion}"].sum(), read) for emotion in EMOTIONS
        },
        "shares": {group: known(part) for group, part in zip(GROUPS, parts, strict=True)},
    }


def _withheld(entries: Sequence[dict[str, Any]], min_viewers: int | None) -> list[dict[str, Any]]:
    """Say in words what cells cannot tell."""
    told = [
        {
            "ad_id": None,
            "figures": ["viewers over days", "held", "medians", "intervals over viewers"],
            "why": "cells tell no viewer from another: a viewer counts once in each hour at each "
            "screen, means are over readings and exposures, and intervals are between screens",
        }
    ]
    if min_viewers is not None and min_viewers > 1:
        told.append(
            {
                "ad_id": None,
                "figures": ["hours and seconds with few viewers"],
                "why": f"those of an ad at a screen with fewer than {min_viewers} viewers are not "
                "in the lake, nor in its sums",
            }
        )
    for entry in entries:
        if entry["exposures"] and entry["watchers"] is None:
            why = "some cameras were read too seldom to tell watchers"
            told.append({"ad_id": entry["ad_id"], "figures": list(_WATCHERS), "why": why})
        if entry["exposures"] and entry["attention_per_exposure_low_s"] is None:
            figures = ["attention_per_exposure_low_s", "attention_per_exposure_high_s"]
            why = f"an interval between screens needs {MIN_GROUPS} screens with viewers"
            told.append({"ad_id": entry["ad_id"], "figures": figures, "why": why})
    return told


# --- columns --------------------------------------------------------------------------------------


def _versions(cells: Columns, plays: Columns) -> list[tuple[Any, ...]]:
    rows = (
        zip(*(table[name].tolist() for name in OF_VERSION), strict=True) for table in (cells, plays)
    )
    return sorted({version for table in rows for version in table})


def _of_version(table: Columns, version: tuple[Any, ...]) -> Columns:
    same = [table[name] == value for name, value in zip(OF_VERSION, version, strict=True)]
    return _take(table, np.logical_and.reduce(same))


def _take(table: Columns, rows: Bools) -> Columns:
    return {name: column[rows] for name, column in table.items()}


def _count(value: float) -> int | None:
    return None if np.isnan(value) else int(value)


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
