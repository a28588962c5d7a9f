"""The report document: loaded from the database, with the product's stable JSON keys.

Promised keys are always there; others may be added. What is not known is None, never 0 or NaN. What
rests on too few viewers is None too, and `withheld` says so. `docs/explanation/metrics.md`
explains every figure.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, fields
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from db.read.ads import ad_totals
from db.read.formulas import MIN_WATCHER_RATE, WATCHER_ATTENTION_S
from db.read.scope import left_out as sessions_left_out
from detector.emotion.labels import EMOTIONS
from detector.emotion.prevalence import GROUPS
from detector.names import printable_document
from detector.types import WITHHELD_REASONS
from monitor.analytics import currency, metrics, over_time
from monitor.analytics.baseline import SiteCurves
from monitor.analytics.by_screen import by_screen
from monitor.analytics.comparison import compare_ads, samples_of
from monitor.analytics.errors import ReportError
from monitor.analytics.measures import valence_measure
from monitor.analytics.metrics import covered_us, microseconds
from monitor.analytics.norms import EMOTION_FIGURES, Norms, build_norms, norms_of
from monitor.analytics.report_data import Scope, ad_versions, load_report_data, zones_of
from monitor.analytics.resampling import seed_of
from monitor.analytics.samples import exposure_groups, usable_groups
from monitor.analytics.statistics import CONFIDENCE, DRAWS
from monitor.languages import ENGLISH, speaking
from monitor.reports.claims import add_claims
from monitor.reports.diagnostics import add_baselines, add_scenes, videos_seen
from monitor.reports.formatting import utc_text
from monitor.reports.thumbnails import find_scenes
from monitor.reports.withheld import (
    AUDIENCE_FIGURES,
    REACTION_FIGURES,
    AdEntry,
    not_given,
    not_told,
    withhold_sums,
    withhold_watchers,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, tzinfo
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from db.read.sessions import AdInfo, GapInfo, PlayInfo, SessionInfo
    from detector.emotion.labels import LabelSet
    from monitor.analytics.currency import AdCurrency
    from monitor.analytics.metrics import Audience, Ints, Timeline
    from monitor.analytics.report_data import ReportData
    from monitor.reports.diagnostics import Starts
    from monitor.workers import Map

REPORT_VERSION = 1
"""Rises when a key of the document changes its meaning or goes away."""


def make_report(
    engine: Engine,
    scope: Scope,
    *,
    min_viewers: int = 1,
    prices: Mapping[str | None, float] | None = None,
    zone: tzinfo | None = None,
    media: Iterable[Path] = (),
    workers: Map = map,
) -> tuple[dict[str, Any], ReportData]:
    """Return the report of some sessions, and the data that tables are made of.

    The folders of `media`, and the bundled samples, are searched for the ads' files, to find the
    scenes of videos; see `build_report` for the other arguments.

    Raises:
        EmptyScopeError: No session is in scope.
        ReportError: `min_viewers` is less than 1.
    """
    data = load_report_data(engine, scope)
    totals = ad_totals(
        engine,
        WATCHER_ATTENTION_S,
        min_rate=MIN_WATCHER_RATE,
        replays=scope.replays,
        demos=scope.demos,
    )
    library = build_norms(totals, min_viewers=min_viewers)
    of_library = Scope(replays=scope.replays, demos=scope.demos)
    document = build_report(
        data,
        min_viewers=min_viewers,
        left_out=sessions_left_out(engine, scope),
        norms_left_out=sessions_left_out(engine, of_library),
        scope=scope,
        library=library,
        prices=prices,
        zone=zone or zones_of(data.sessions).common,
        scene_starts=find_scenes(videos_seen(data), media),
        workers=workers,
    )
    return document, data


# Its texts are translated where they are shown; until then they are English, also for programs.
@speaking(ENGLISH)
def build_report(
    data: ReportData,
    *,
    min_viewers: int = 1,
    scope: Scope | None = None,
    library: Norms | None = None,
    prices: Mapping[str | None, float] | None = None,
    zone: tzinfo | None = None,
    scene_starts: Mapping[str, Starts] | None = None,
    left_out: Mapping[str, int] | None = None,
    norms_left_out: Mapping[str, int] | None = None,
    workers: Map = map,
) -> dict[str, Any]:
    """Build the report of one or several sessions: a document for JSON, the same for the same data.

    Each version of an ad (another file, another length) has an entry with all its plays.

    Args:
        data: From `report_data.load_report_data`.
        min_viewers: Figures about fewer viewers are withheld: 1 on the device, 5 if shared.
        scope: Repeated in the report.
        library: The ads of the database to compare with.
        prices: What a verified play of each ad costs, by id; under None that of every other ad.
        zone: Of hours and weekdays; None: each session's own.
        scene_starts: From `monitor.reports.thumbnails.find_scenes`; None: nobody looked.
        left_out, norms_left_out: Numbers of sessions by kind that are left out of the report, or of
            the ads to compare with, because they are not live; None: not counted.
        workers: What draws in the bootstrap, see `monitor.workers`; the report is the same.

    Raises:
        ReportError: `min_viewers` is less than 1.
    """
    if min_viewers < 1:
        raise ReportError(f"Invalid min_viewers: expected 1 or more, received {min_viewers}.")
    log = _Log.of(data)
    prices = prices or {}
    ads = [
        _ad_entry(log, ad, version, min_viewers, prices.get(ad.ad_id, prices.get(None)), workers)
        for ad, version in ad_versions(data.ads)
    ]
    entries = [each.entry for each in ads]
    scope = scope or Scope()
    summary, withheld = _session_entry(log, ads, scope, min_viewers)
    withheld += withhold_watchers(data, summary, ads)
    _add_norms(entries, data, library or Norms(()), summary["site"])
    samples = samples_of(data, zone)
    findings = add_claims(
        entries, data, library=library, min_viewers=min_viewers, zone=zone, samples=samples
    )
    compared = compare_ads(
        data,
        measure=valence_measure(data) or "attention",
        min_viewers=min_viewers,
        zone=zone,
        samples=samples,
    )
    hidden_scenes = add_scenes(
        entries, [each.ad for each in ads], data, scene_starts or {}, min_viewers=min_viewers
    )
    add_baselines(entries, SiteCurves.of(data, min_viewers=min_viewers))
    parts, hidden_parts = _hours_weeks_and_screens(log, zone, min_viewers)
    return {
        "report": {
            "version": REPORT_VERSION,
            "min_viewers": min_viewers,
            "confidence": CONFIDENCE,
            "bootstrap_draws": DRAWS,
            "timezone": None if zone is None else str(zone),
            "scope": _scope_entry(data, scope, left_out),
            "norms_left_out": _known_counts(norms_left_out),
            "labels": None if data.labels is None else list(data.labels),
        },
        "session": summary,
        "sessions": [
            session_document(info) | ({"viewers": None} if info.id in data.untold else {})
            for info in data.sessions
        ],
        "ads": entries,
        "findings": findings,
        "comparisons": [comparison.document() for comparison in compared],
        **parts,
        "gaps": [_gap_entry(gap) for gap in data.gaps],
        "withheld": [
            *withheld,
            *chain.from_iterable(each.withheld for each in ads),
            *hidden_scenes,
            *hidden_parts,
            *not_told(data),
            *not_given(data),
        ],
        "quality": _quality(log),
    }


def _add_norms(
    entries: Sequence[dict[str, Any]], data: ReportData, library: Norms, site: str | None
) -> None:
    for entry in entries:
        # The library has emotions of the seven only.
        own = entry if data.labels == EMOTIONS else entry | dict.fromkeys(EMOTION_FIGURES)
        entry["norms"] = norms_of(own, library, site=site)


def _hours_weeks_and_screens(
    log: _Log, zone: tzinfo | None, min_viewers: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the parts of the report by time and place, and what is withheld in them."""
    data, countable = log.data, log.countable
    multipliers, hidden_hours = currency.multipliers(
        data, countable, zone=zone, min_viewers=min_viewers
    )
    trend, hidden_weeks = over_time.weekly(data, countable, zone=zone, min_viewers=min_viewers)
    screens, hidden_screens = by_screen(data, countable, min_viewers=min_viewers)
    return {
        "multipliers": multipliers,
        "trend": trend,
        "day_hours": over_time.day_hours(multipliers) if trend else [],
        **({"screens": screens} if screens else {}),
    }, [*hidden_hours, *hidden_weeks, *hidden_screens]


def _scope_entry(
    data: ReportData, scope: Scope, left_out: Mapping[str, int] | None
) -> dict[str, Any]:
    return {
        "sessions": len(data.sessions),
        **scope.document(),
        "since": utc_text(scope.since),
        "until": utc_text(scope.until),
        "left_out": _known_counts(left_out),
    }


def _gap_entry(gap: GapInfo) -> dict[str, Any]:
    return {
        "start": utc_text(gap.started_at),
        "end": utc_text(gap.ended_at),
        "cause": gap.cause,
        "detail": gap.detail or None,
        "session": gap.session_id,
    }


def _known_counts(counts: Mapping[str, int] | None) -> dict[str, int] | None:
    return None if counts is None else dict(counts)


def session_document(info: SessionInfo) -> dict[str, Any]:
    """Return a session as an entry of a list; what is not known is None."""
    document = {
        "id": info.id,
        "kind": info.kind,
        "session_kind": info.session_kind,
        "site": info.site,
        "venue_type": info.settings.get("venue_type") or None,
        "campaign": info.settings.get("campaign") or None,
        "source": info.source,
        "started_at": utc_text(info.started_at),
        "ended_at": utc_text(info.ended_at),
        "end_reason": info.end_reason,
        "model": info.model_name,
        "labels": list(info.labels),
        "plays": info.plays,
        "viewers": info.viewers,
        "readings": info.readings,
    }
    return dict(printable_document(document))


# --- input ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Log:
    """The sessions, and how long each play was on the screen and could be measured.

    By id: when each session ended (or the last known moment), how long each play was shown, how
    much of each play no gap covers, and how much of each session gaps cover. `groups` are the two
    groups of each exposure, see `exposure_groups`.
    """

    data: ReportData
    ended_us: dict[int, int]
    shown_s: dict[int, float]
    measured_us: dict[int, float]
    gap_us: dict[int, float]
    groups: tuple[Ints, Ints]

    def groups_of(self, plays: Iterable[PlayInfo]) -> tuple[Ints, Ints]:
        """Return the groups of the exposures to some plays."""
        ids = np.array([play.id for play in plays], dtype=np.int64)
        mine = np.isin(self.data.exposures.play_id, ids)
        return self.groups[0][mine], self.groups[1][mine]

    @property
    def sessions(self) -> dict[int, SessionInfo]:
        """The sessions by id."""
        return {info.id: info for info in self.data.sessions}

    @property
    def countable(self) -> set[int]:
        """The ids of the plays that were shown and measured, at least in part."""
        return {
            play for play, shown in self.shown_s.items() if shown > 0 and self.measured_us[play] > 0
        }

    @classmethod
    def of(cls, data: ReportData) -> _Log:
        plays: dict[int, list[PlayInfo]] = {info.id: [] for info in data.sessions}
        gaps: dict[int, list[GapInfo]] = {info.id: [] for info in data.sessions}
        for play in data.plays:
            plays[play.session_id].append(play)
        for gap in data.gaps:
            gaps[gap.session_id].append(gap)
        log = cls(data, {}, {}, {}, {}, exposure_groups(data.plays, data.exposures))
        for info in data.sessions:
            mine = plays[info.id]
            ended = log.ended_us[info.id] = _last_moment(info, mine, data.last_seen.get(info.id))
            starts = np.array([microseconds(play.started_at) for play in mine], dtype=np.int64)
            ends = np.array(
                [ended if p.ended_at is None else microseconds(p.ended_at) for p in mine],
                dtype=np.int64,
            )
            on_us = np.maximum(ends - starts, 0)
            measured = on_us - covered_us(gaps[info.id], starts, starts + on_us)
            if info.id in data.untold:
                measured = np.zeros_like(measured)
            log.measured_us.update(zip((play.id for play in mine), measured.tolist(), strict=True))
            for play, us in zip(mine, on_us.tolist(), strict=True):
                log.shown_s[play.id] = us / 1e6 if play.shown_ms is None else play.shown_ms / 1000.0
            start = np.array([microseconds(info.started_at)], dtype=np.int64)
            end = np.maximum(start, ended)
            log.gap_us[info.id] = float(covered_us(gaps[info.id], start, end)[0])
        return log


def _last_moment(info: SessionInfo, plays: Iterable[PlayInfo], last_seen: datetime | None) -> int:
    if info.ended_at is not None:
        return microseconds(info.ended_at)
    moments = [
        info.started_at,
        last_seen or info.started_at,
        *(play.ended_at or play.started_at for play in plays),
    ]
    return max(map(microseconds, moments))


def _exposed(arrays: Any, plays: Iterable[PlayInfo]) -> Any:
    """Return the exposures to, or seconds of, some plays, still sorted."""
    ids = np.array([play.id for play in plays], dtype=np.int64)
    return metrics.take(arrays, np.isin(arrays.play_id, ids))


# --- one ad ---------------------------------------------------------------------------------------


def _ad_entry(  # noqa: PLR0917 (the parts of one entry, handed over once)
    log: _Log,
    ad: AdInfo,
    version: int | None,
    min_viewers: int,
    price: float | None,
    workers: Map,
) -> AdEntry:
    """Return one entry of `ads`, and what had to be withheld in it."""
    plays = [play for play in log.data.plays if play.ad_row_id == ad.ad_row_id]
    duration_s = ad.duration_ms / 1000.0
    exposures = _exposed(log.data.exposures, plays)
    people = metrics.audience(exposures, duration_s)
    reaction = metrics.reaction(
        exposures,
        _exposed(log.data.seconds, plays),
        duration_s,
        seed=[seed_of(ad.ad_id)],
        min_viewers=min_viewers,
        group=usable_groups(log.groups_of(plays)),
        workers=workers,
        own_labels=log.data.own_labels,
    )
    own = log.data.own_labels
    traded = currency.ad_currency(plays, log.sessions, exposures, log.countable, price)
    # "Nobody was in view" differs from "nothing could be measured".
    measured = people.opportunities > 0 or math.fsum(log.measured_us[play.id] for play in plays) > 0
    entry: dict[str, Any] = {
        "ad_id": ad.ad_id,
        "version": version,
        "name": ad.name,
        "file": ad.file,
        "sha256": ad.sha256,
        "kind": ad.kind,
        "duration_s": duration_s,
        "brand_at_s": [float(second) for second in ad.brand_at_s],
        "plays": len(plays),
        "outcomes": dict(sorted(Counter(play.outcome or "open" for play in plays).items())),
        "shown_s": math.fsum(log.shown_s[play.id] for play in plays) if plays else None,
        "readings": int(exposures.readings.sum()),
        "opportunities": people.opportunities if measured else None,
        "emotion_viewers": reaction.emotion_viewers if measured else None,
        **_audience_figures(people, measured=measured),
        **_currency_figures(traded, measured=measured),
        "viewable_plays": currency.viewable_plays(plays, log.sessions, log.shown_s),
        **{key: _json(getattr(reaction, key), own) for key in REACTION_FIGURES},
        "impact": None if reaction.impact is None else reaction.impact.value,
        "moments": [_json(moment) for moment in reaction.moments],
        "timeline": _timeline(reaction.timeline, own),
    }
    made = AdEntry(ad, entry)
    made.withhold_few(people, reaction, min_viewers, log.data.labels or ())
    entry["funnel"] = {key: entry[key] for key in ("opportunities", "watchers", "held")}
    return made


def _timeline(timeline: Timeline, own_labels: LabelSet) -> list[dict[str, Any]]:
    return [
        {
            "second": k,
            **{
                curve.name: _json(getattr(timeline, curve.name)[k], own_labels)
                for curve in fields(timeline)
            },
        }
        for k in range(timeline.n.size)
    ]


def _audience_figures(people: Audience, *, measured: bool) -> dict[str, Any]:
    figures = {key: _json(getattr(people, key)) for key in AUDIENCE_FIGURES}
    if not measured:
        figures |= dict.fromkeys(("watchers", "held", "exposures"))
    if not people.opportunities:
        figures |= dict.fromkeys(("dwell_s", "attention_s"))
    return figures


def _currency_figures(traded: AdCurrency, *, measured: bool) -> dict[str, Any]:
    figures = {key.name: _json(getattr(traded, key.name)) for key in fields(traded)}
    if not measured:
        figures |= dict.fromkeys(("watchers_2s", "audience_impressions"))
    return figures


def _json(value: Any, own_labels: LabelSet = ()) -> Any:
    """Return a figure for JSON: NaN as None, arrays of labels or groups by their names."""
    if isinstance(value, np.ndarray):
        if not np.isfinite(value).any():
            return None
        names = GROUPS if value.size == len(GROUPS) else (*EMOTIONS, *own_labels)
        return {name: _json(each) for name, each in zip(names, value, strict=True)}
    if isinstance(value, metrics.Moment):
        return {"kind": value.kind, "second": value.second, "value": _json(value.value)}
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --- sessions, gaps and quality -------------------------------------------------------------------


def _session_entry(
    log: _Log, ads: Sequence[AdEntry], scope: Scope, min_viewers: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the sums over all sessions, what they have in common, and what is withheld."""
    sessions = log.data.sessions
    people = metrics.audience(log.data.exposures)
    known = people.opportunities > 0
    ends = [info.ended_at for info in sessions if info.ended_at is not None]
    lengths = [
        (i.ended_at - i.started_at).total_seconds() for i in sessions if i.ended_at is not None
    ]
    over = len(ends) == len(sessions)
    viewers = None
    if len(log.data.untold) < len(sessions):
        viewers = sum(info.viewers for info in sessions)
    entry: dict[str, Any] = {
        "id": sessions[0].id if len(sessions) == 1 else None,
        "kind": _common(info.kind for info in sessions),
        "session_kind": _common(info.session_kind for info in sessions),
        "site": _common(info.site for info in sessions),
        "venue_type": _common(info.settings.get("venue_type") or None for info in sessions),
        "campaign": _common(info.settings.get("campaign") or None for info in sessions),
        "source": _common(info.source for info in sessions),
        "started_at": utc_text(min(info.started_at for info in sessions)),
        "ended_at": utc_text(max(ends) if over else None),
        "end_reason": _common(info.end_reason for info in sessions),
        "duration_s": math.fsum(lengths) if over else None,
        "model": _common(info.model_name for info in sessions),
        "model_sha256": _common(info.model_sha256 for info in sessions),
        "program_version": _common(info.program_version for info in sessions),
        "skipped_ads": _skipped_ads(sessions),
        "frames": _total(info.frames for info in sessions),
        "dropped": _total(info.dropped for info in sessions),
        "fps": None if len(sessions) > 1 else _json(sessions[0].fps),
        "viewers": viewers,
        "static_faces": sum(info.static_faces for info in sessions),
        "readings": sum(info.readings for info in sessions),
        "plays": sum(info.plays for info in sessions),
        "watchers": people.watchers if known else None,
        "dwell_s": people.dwell_s if known else None,
        "attention_s": people.attention_s if known else None,
        "attraction_ratio": _json(people.attraction_ratio),
        "viewers_between_ads": None,
    }
    # With a part of the plays, viewers of the others would count as seen between ads.
    if viewers is not None and scope.since is None and scope.until is None:
        seen = np.unique(log.data.exposures.viewer_id).size
        entry["viewers_between_ads"] = max(0, viewers - seen)
    hidden_rows = {each.ad.ad_row_id for each in ads if each.is_hidden}
    hidden = [play for play in log.data.plays if play.ad_row_id in hidden_rows]
    left_over = metrics.audience(_exposed(log.data.exposures, hidden))
    return entry, withhold_sums(entry, people, left_over, min_viewers)


def _common(values: Iterable[Any]) -> Any:
    """Return what all sessions agree on; None if they do not."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


def _skipped_ads(sessions: Iterable[SessionInfo]) -> list[dict[str, Any]]:
    skipped = {
        (ad["ad_id"], ad["reason"]): ad
        for info in sessions
        for ad in info.settings.get("skipped_ads", ())
    }
    return list(skipped.values())


def _total(values: Iterable[int | None]) -> int | None:
    """Return the sum; None where one part is not known."""
    parts = list(values)
    return None if None in parts else sum(part for part in parts if part is not None)


def _quality(log: _Log) -> dict[str, Any]:
    """Return how much of the sessions could be measured, and how well."""
    sessions = log.data.sessions
    length = sum(log.ended_us[info.id] - microseconds(info.started_at) for info in sessions)
    missing = math.fsum(log.gap_us.values())
    frames = _total(info.frames for info in sessions)
    dropped = _total(info.dropped for info in sessions)
    captured = None if frames is None or dropped is None else frames + dropped
    sorts: Counter[str] = Counter()
    between = 0
    for (_, on_ad, sort), count in log.data.counts.items():
        sorts[sort] += count
        between += 0 if on_ad else count
    readings, read = sorts.total(), sorts["certain"] + sorts["uncertain"]
    return {
        "gap_s": missing / 1e6,
        "measured_share": (length - missing) / length if length > 0 else None,
        "dropped_share": dropped / captured if captured and dropped is not None else None,
        "uncertain_share": sorts["uncertain"] / read if read else None,
        "withheld_readings": {reason: sorts[reason] / readings for reason in WITHHELD_REASONS}
        if readings
        else None,
        "readings_between_ads": between,
        "lost_records": _total(info.lost for info in sessions),
    }
