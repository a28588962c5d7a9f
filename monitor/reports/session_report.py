"""From the data of one session to its report: the JSON document with the stable keys of the product.

Keys that the product promises are always there; other keys may be added. What is not known is None, never 0 and never
NaN. What rests on fewer viewers than asked for is None too, and `withheld` says so. `docs/metrics.md` explains every
figure.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from db.records import WITHHELD_REASONS
from monitor.reports import metrics
from monitor.reports.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from db.queries import AdInfo, GapInfo, PlayInfo, SessionData, SessionInfo
    from monitor.reports.metrics import AdReadings, Audience, Exposures, Floats, Ints, Moment, Reaction, Timeline

REPORT_VERSION = 1
"""Rises when a key of the document changes its meaning or goes away."""

AUDIENCE_FIGURES = (
    "watchers",
    "conversion",
    "exposures",
    "dwell_s",
    "mean_dwell_s",
    "attention_s",
    "attraction_ratio",
)
REACTION_FIGURES = (
    "dominant_emotion",
    "mean_probabilities",
    "mean_valence",
    "mean_valence_low",
    "mean_valence_high",
    "mean_valence_corrected",
    "peak_valence",
    "expressiveness",
    "uncertain_share",
    "attraction",
    "impact",
    "moments",
)
EMOTION_CURVES = ("timeline.valence", "timeline.expressiveness", "timeline.probabilities")
"""What is withheld of a curve when viewers enough were in view, and the emotion of too few of them could be read."""

SESSION_FIGURES = ("watchers", "dwell_s", "attention_s", "attraction_ratio")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_NO_END = np.iinfo(np.int64).max


def build_report(data: SessionData, *, min_viewers: int = 1) -> dict[str, Any]:
    """Computes the report of one session.

    One entry per `ad_id`, all its plays together, in the order of the first play. Only when more than one version of a
    creative (another file, another length) was shown under the same `ad_id` does each get an entry of its own,
    numbered by `version`. The same data give the same document, to the last bit.

    Args:
        data: From `db.queries.load_session`.
        min_viewers: Figures about fewer viewers than this are withheld: 1 on the device, 5 for reports that are shared.

    Returns:
        The document; it only holds what JSON can hold.

    Raises:
        ReportError: `min_viewers` is less than 1.
    """
    if min_viewers < 1:
        raise ReportError(f"Invalid min_viewers: expected 1 or more, received {min_viewers}.")
    session = _Session.of(data)
    ads = [_ad_entry(session, rows, version, min_viewers) for rows, version in _entries(data)]
    withheld = [entry for _, found in ads for entry in found]
    summary, withheld_of_session = _session_entry(session, min_viewers)
    return {
        "report": {
            "version": REPORT_VERSION,
            "min_viewers": min_viewers,
            "confidence": metrics.CONFIDENCE,
            "bootstrap_draws": metrics.BOOTSTRAP_DRAWS,
        },
        "session": summary,
        "ads": [entry for entry, _ in ads],
        "gaps": [_gap_entry(gap) for gap in data.gaps],
        "withheld": withheld_of_session + withheld,
        "quality": _quality(session),
    }


def utc_text(moment: datetime | None) -> str | None:
    """Writes a moment as ISO 8601 in UTC with microseconds and `Z`; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


# --- input ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Session:
    """One session, its readings during plays sorted and given spans and baselines."""

    data: SessionData
    during: AdReadings
    exposures: Exposures
    started_us: int
    ended_us: int
    """The session's end; while it runs, the last moment known."""

    @classmethod
    def of(cls, data: SessionData) -> _Session:
        readings = data.readings
        started_us, ended_us = _microseconds(data.info.started_at), _last_moment(data)
        in_play = readings.play_id >= 0
        order = np.flatnonzero(in_play)
        order = order[metrics.sort_readings(readings.play_id[order], readings.viewer[order], readings.at_us[order])]
        play, viewer, at_us = readings.play_id[order], readings.viewer[order], readings.at_us[order]
        position_ms, valence = readings.position_ms[order], readings.valence[order]
        between = ~in_play
        during = metrics.AdReadings(
            play=play,
            viewer=viewer,
            at_us=at_us,
            span_us=metrics.reading_spans_us(play, viewer, at_us, _play_ends(data, play), _nominal_us(data.info)),
            position_ms=position_ms,
            probabilities=readings.probabilities[order],
            valence=valence,
            expressiveness=readings.expressiveness[order],
            corrected=metrics.baseline_corrected_valence(
                play,
                viewer,
                position_ms,
                valence,
                between_play=_next_play(data.plays, readings.at_us[between]),
                between_viewer=readings.viewer[between],
                between_valence=readings.valence[between],
            ),
            attentive=readings.attentive[order],
            uncertain=readings.uncertain[order],
        )
        exposures = metrics.exposures(play, viewer, at_us, during.span_us, during.attentive)
        return cls(data, during, exposures, started_us, ended_us)

    def of_plays(self, plays: Iterable[PlayInfo]) -> AdReadings:
        """Returns the readings of some plays, still sorted."""
        chosen = np.isin(self.during.play, np.array([play.id for play in plays], dtype=np.int64))
        return _take(self.during, chosen)


def _take(readings: AdReadings, chosen: NDArray[np.bool_]) -> AdReadings:
    return metrics.AdReadings(
        play=readings.play[chosen],
        viewer=readings.viewer[chosen],
        at_us=readings.at_us[chosen],
        span_us=readings.span_us[chosen],
        position_ms=readings.position_ms[chosen],
        probabilities=readings.probabilities[chosen],
        valence=readings.valence[chosen],
        expressiveness=readings.expressiveness[chosen],
        corrected=readings.corrected[chosen],
        attentive=readings.attentive[chosen],
        uncertain=readings.uncertain[chosen],
    )


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _last_moment(data: SessionData) -> int:
    if data.info.ended_at is not None:
        return _microseconds(data.info.ended_at)
    moments = [data.info.started_at, *(play.ended_at or play.started_at for play in data.plays)]
    last_reading = int(data.readings.at_us.max()) if len(data.readings) else 0
    return max(last_reading, *(_microseconds(moment) for moment in moments))


def _nominal_us(info: SessionInfo) -> float:
    if info.fps is not None and info.fps > 0:
        return 1e6 / info.fps
    return metrics.DEFAULT_FRAME_INTERVAL_S * 1e6


def _play_ends(data: SessionData, play: Ints) -> Ints:
    """Returns for each reading when its play ended: the end of the session for a play that never ended."""
    open_end = _NO_END if data.info.ended_at is None else _microseconds(data.info.ended_at)
    ends = {p.id: open_end if p.ended_at is None else _microseconds(p.ended_at) for p in data.plays}
    ids, index = np.unique(play, return_inverse=True)
    return np.array([ends.get(int(i), open_end) for i in ids], dtype=np.int64)[index]


def _next_play(plays: Iterable[PlayInfo], at_us: Ints) -> Ints:
    """Returns for each reading between ads the play that comes next; -1 after the last one."""
    ordered = sorted(plays, key=lambda play: play.started_at)
    starts = np.array([_microseconds(play.started_at) for play in ordered], dtype=np.int64)
    ids = np.array([play.id for play in ordered] + [-1], dtype=np.int64)
    return ids[np.searchsorted(starts, at_us, side="right")]


# --- one ad -----------------------------------------------------------------------------------------------------------


def _entries(data: SessionData) -> list[tuple[list[AdInfo], int | None]]:
    """Groups the ads into entries: the versions of each, with a number when there is more than one."""
    by_id: dict[str, list[AdInfo]] = {}
    for ad in data.ads:
        by_id.setdefault(ad.ad_id, []).append(ad)
    found: list[tuple[list[AdInfo], int | None]] = []
    for versions in by_id.values():
        if len(versions) == 1:
            found.append((versions, None))
        else:
            found += [([ad], number) for number, ad in enumerate(sorted(versions, key=lambda ad: ad.ad_row_id), 1)]
    return found


def _ad_entry(
    session: _Session, rows: list[AdInfo], version: int | None, min_viewers: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Computes one entry of `ads`, and what had to be withheld in it."""
    ad = rows[0]
    plays = [play for play in session.data.plays if play.ad_row_id == ad.ad_row_id]
    duration_s = ad.duration_ms / 1000.0
    readings = session.of_plays(plays)
    people = metrics.audience(_of_plays(session.exposures, plays))
    reaction = metrics.reaction(readings, duration_s, seed=_seed(ad.ad_id), min_viewers=min_viewers)
    # Nobody was seen is one thing, nobody could be seen another.
    measured = people.opportunities > 0 or _measured_us(session, plays) > 0
    entry: dict[str, Any] = {
        "ad_id": ad.ad_id,
        "version": version,
        "name": ad.name,
        "file": ad.file,
        "kind": ad.kind,
        "duration_s": _number(duration_s),
        "brand_at_s": [float(second) for second in ad.brand_at_s],
        "plays": len(plays),
        "outcomes": dict(sorted(Counter(play.outcome or "open" for play in plays).items())),
        "shown_s": _number(_shown_s(session, plays)),
        "readings": len(readings),
        "opportunities": people.opportunities if measured else None,
        "emotion_viewers": reaction.emotion_viewers if measured else None,
        **_audience_figures(people, measured=measured),
        **_reaction_figures(reaction),
        "timeline": _timeline_entries(reaction.timeline),
    }
    withheld: list[dict[str, Any]] = []
    name = {"ad_id": ad.ad_id} if version is None else {"ad_id": ad.ad_id, "version": version}
    if 0 < people.opportunities < min_viewers:
        figures = (*AUDIENCE_FIGURES, *REACTION_FIGURES)
        entry |= {key: [] if key == "moments" else None for key in figures}
        withheld.append({**name, "figures": [*figures, "timeline"], "why": _why(people.opportunities, min_viewers)})
        return entry, withheld
    few = 0 < reaction.emotion_viewers < min_viewers
    if few:
        entry |= {key: [] if key == "moments" else None for key in REACTION_FIGURES}
        why = f"the emotion of {_viewers(reaction.emotion_viewers)} could be read, {min_viewers} are needed"
        withheld.append({**name, "figures": [*REACTION_FIGURES, *EMOTION_CURVES], "why": why})
    # Without any emotion a figure is not known rather than withheld.
    enough = reaction.emotion_viewers >= min_viewers
    lost = [key for key in ("peak_valence", "attraction", "impact") if enough and entry[key] is None]
    curves = reaction.timeline
    thin = (curves.n > 0) & (curves.n < min_viewers)
    if thin.any():
        why = f"in these seconds fewer than {min_viewers} viewers were in view"
        seconds = np.flatnonzero(thin).tolist()
        withheld.append({**name, "figures": ["timeline", *lost], "seconds": seconds, "why": why})
    thin = ~thin & (curves.emotion_viewers > 0) & (curves.emotion_viewers < min_viewers)
    if thin.any() and not few:
        why = f"in these seconds the emotion of fewer than {min_viewers} viewers could be read"
        seconds = np.flatnonzero(thin).tolist()
        withheld.append({**name, "figures": [*EMOTION_CURVES, *lost], "seconds": seconds, "why": why})
    return entry, withheld


def _of_plays(exposures: Exposures, plays: Iterable[PlayInfo]) -> Exposures:
    chosen = np.isin(exposures.play, np.array([play.id for play in plays], dtype=np.int64))
    return metrics.Exposures(
        exposures.play[chosen],
        exposures.viewer[chosen],
        exposures.dwell_s[chosen],
        exposures.attention_s[chosen],
        exposures.longest_attention_s[chosen],
    )


def _seed(ad_id: str) -> list[int]:
    """Derives the bootstrap's seed from the ad, so that a report can be made again and ads do not share draws."""
    return [int.from_bytes(hashlib.sha256(ad_id.encode()).digest()[:8], "big")]


def _why(viewers: int, min_viewers: int) -> str:
    return f"{_viewers(viewers)} {'was' if viewers == 1 else 'were'} in view, {min_viewers} are needed"


def _viewers(count: int) -> str:
    return "1 viewer" if count == 1 else f"{count} viewers"


def _audience_figures(people: Audience, *, measured: bool) -> dict[str, Any]:
    seen = people.opportunities > 0
    return {
        "watchers": people.watchers if measured else None,
        "conversion": _number(people.conversion),
        "exposures": people.exposures if measured else None,
        "dwell_s": _number(people.dwell_s) if seen else None,
        "mean_dwell_s": _number(people.mean_dwell_s),
        "attention_s": _number(people.attention_s) if seen else None,
        "attraction_ratio": _number(people.attraction_ratio),
    }


def _reaction_figures(reaction: Reaction) -> dict[str, Any]:
    return {
        "dominant_emotion": reaction.dominant_emotion,
        "mean_probabilities": _by_emotion(reaction.mean_probabilities),
        "mean_valence": _number(reaction.mean_valence),
        "mean_valence_low": _number(reaction.mean_valence_low),
        "mean_valence_high": _number(reaction.mean_valence_high),
        "mean_valence_corrected": _number(reaction.mean_valence_corrected),
        "peak_valence": _number(reaction.peak_valence),
        "expressiveness": _number(reaction.expressiveness),
        "uncertain_share": _number(reaction.uncertain_share),
        "attraction": _moment_entry(reaction.attraction),
        "impact": None if reaction.impact is None else _number(reaction.impact.value),
        "moments": [_moment_entry(moment) for moment in reaction.moments],
    }


def _timeline_entries(curves: Timeline) -> list[dict[str, Any]]:
    return [
        {
            "second": k,
            "n": int(curves.n[k]),
            "emotion_viewers": int(curves.emotion_viewers[k]),
            "valence": _number(curves.valence[k]),
            "valence_low": _number(curves.valence_low[k]),
            "valence_high": _number(curves.valence_high[k]),
            "valence_median": _number(curves.valence_median[k]),
            "valence_corrected": _number(curves.valence_corrected[k]),
            "expressiveness": _number(curves.expressiveness[k]),
            "attention": _number(curves.attention[k]),
            "probabilities": _by_emotion(curves.probabilities[k]),
            "probabilities_median": _by_emotion(curves.probabilities_median[k]),
            "share_over_half": _by_emotion(curves.share_over_half[k]),
        }
        for k in range(curves.n.size)
    ]


def _moment_entry(moment: Moment | None) -> dict[str, Any] | None:
    if moment is None:
        return None
    return {"kind": moment.kind, "second": moment.second, "value": _number(moment.value)}


def _number(value: float | np.floating[Any]) -> float | None:
    """JSON knows no NaN, and a reader of the report should not either."""
    number = float(value)
    return number if math.isfinite(number) else None


def _by_emotion(values: Floats) -> dict[str, float | None] | None:
    """Returns a figure per emotion; None as a whole when nothing is known."""
    if not np.isfinite(values).any():
        return None
    return {emotion: _number(value) for emotion, value in zip(metrics.EMOTIONS, values, strict=True)}


def _shown_s(session: _Session, plays: Iterable[PlayInfo]) -> float:
    """Time on the screen: what the player measured, else the time between start and end; NaN without any play."""
    shown = []
    for play in plays:
        if play.shown_ms is not None:
            shown.append(play.shown_ms / 1000.0)
        else:
            end = session.ended_us if play.ended_at is None else _microseconds(play.ended_at)
            shown.append(max(0, end - _microseconds(play.started_at)) / 1e6)
    return math.fsum(shown) if shown else math.nan


# --- gaps and quality -------------------------------------------------------------------------------------------------


def _merged_gaps(gaps: Iterable[GapInfo], start_us: int, end_us: int) -> list[tuple[int, int]]:
    """Returns the stretches without measurement inside `[start, end)`, overlapping causes merged."""
    merged: list[tuple[int, int]] = []
    for gap in sorted(gaps, key=lambda gap: gap.started_at):
        begin = max(start_us, _microseconds(gap.started_at))
        end = end_us if gap.ended_at is None else min(end_us, _microseconds(gap.ended_at))
        if end <= begin:
            continue
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def _measured_us(session: _Session, plays: Iterable[PlayInfo]) -> int:
    """Returns for how long faces could be measured while these plays were on."""
    total = 0
    for play in plays:
        start = _microseconds(play.started_at)
        end = session.ended_us if play.ended_at is None else _microseconds(play.ended_at)
        total += max(0, end - start) - sum(e - s for s, e in _merged_gaps(session.data.gaps, start, end))
    return total


def _gap_entry(gap: GapInfo) -> dict[str, Any]:
    return {
        "start": utc_text(gap.started_at),
        "end": utc_text(gap.ended_at),
        "cause": gap.cause,
        "detail": gap.detail or None,
    }


def _session_entry(session: _Session, min_viewers: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    info = session.data.info
    people = metrics.audience(session.exposures)
    known = people.opportunities > 0
    entry: dict[str, Any] = {
        "id": info.id,
        "kind": info.kind,
        "site": info.site,
        "source": info.source,
        "started_at": utc_text(info.started_at),
        "ended_at": utc_text(info.ended_at),
        "end_reason": info.end_reason,
        "duration_s": None if info.ended_at is None else (info.ended_at - info.started_at).total_seconds(),
        "model": info.model_name,
        "model_sha256": info.model_sha256,
        "program_version": info.program_version,
        "skipped_ads": list(info.settings.get("skipped_ads", [])),
        "frames": info.frames,
        "dropped": info.dropped,
        "fps": None if info.fps is None else _number(info.fps),
        "viewers": info.viewers,
        "static_faces": info.static_faces,
        "readings": info.readings,
        "plays": info.plays,
        "watchers": people.watchers if known else None,
        "dwell_s": _number(people.dwell_s) if known else None,
        "attention_s": _number(people.attention_s) if known else None,
        "attraction_ratio": _number(people.attraction_ratio),
    }
    if not 0 < people.opportunities < min_viewers:
        return entry, []
    entry |= dict.fromkeys(SESSION_FIGURES)
    why = _why(people.opportunities, min_viewers)
    return entry, [{"ad_id": None, "figures": [f"session.{key}" for key in SESSION_FIGURES], "why": why}]


def _quality(session: _Session) -> dict[str, Any]:
    """How much of the session could be measured, and how well."""
    info, readings = session.data.info, session.data.readings
    length = session.ended_us - session.started_us
    gaps = _merged_gaps(session.data.gaps, session.started_us, session.ended_us)
    missing = sum(end - start for start, end in gaps)
    read = readings.withheld < 0
    reasons = np.bincount(readings.withheld[~read], minlength=len(WITHHELD_REASONS))
    captured = None if info.frames is None or info.dropped is None else info.frames + info.dropped
    return {
        "gap_s": missing / 1e6,
        "measured_share": (length - missing) / length if length > 0 else None,
        "dropped_share": info.dropped / captured if captured and info.dropped is not None else None,
        "uncertain_share": _number(readings.uncertain[read].mean()) if read.any() else None,
        "withheld_readings": {
            reason: int(count) / len(readings) for reason, count in zip(WITHHELD_REASONS, reasons, strict=True)
        }
        if len(readings)
        else None,
        "readings_between_ads": int((readings.play_id < 0).sum()),
        "lost_records": info.lost,
    }
