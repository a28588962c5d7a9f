"""What a report claims: findings, advice, what stands out, and key moments with intervals."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from detector.emotion.labels import EMOTIONS
from monitor.analytics.findings import (
    corrected_moments,
    curves_of,
    second_findings,
    shrunk_moment,
)
from monitor.analytics.metrics import Moment, take
from monitor.analytics.norms import Norms
from monitor.analytics.report_data import ad_versions
from monitor.analytics.resampling import seed_of
from monitor.analytics.score import ScoreLibrary, figure_covariance, score_of
from monitor.analytics.standings import Standings
from monitor.analytics.statistics import known
from monitor.reports import wording

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from db.read.formulas import ExposureArrays
    from monitor.analytics.comparison import Comparison
    from monitor.analytics.findings import Curves, Finding
    from monitor.analytics.report_data import ReportData
    from monitor.analytics.samples import PlaySamples
    from monitor.analytics.seconds import Shrunk


def add_claims(
    entries: Sequence[dict[str, Any]],
    data: ReportData,
    *,
    library: Norms | None = None,
    min_viewers: int = 1,
    zone: tzinfo | None = None,
    samples: PlaySamples | None = None,
) -> list[dict[str, Any]]:
    """Add to entries of `ads` what may be claimed about them; return the `findings`.

    Args:
        entries: In the order of `ad_versions`; figures that are withheld are None.
        data: What the report is made of.
        library: The ads of the database, for the score.
        min_viewers: Claims rest on at least so many viewers.
        zone: Of the hours within which ads are compared; None: each session's own.
        samples: From `comparison.samples_of`, if they are there already.
    """
    rows = {ad.ad_row_id: place for place, (ad, _) in enumerate(ad_versions(data.ads))}
    place_of = {play.id: rows[play.ad_row_id] for play in data.plays}
    of_exposure, of_second = (
        _places(arrays.play_id, place_of) for arrays in (data.exposures, data.seconds)
    )
    scores = ScoreLibrary.of(library or Norms(()))
    site_of = _sites(data)
    curves: list[Curves | None] = []
    for place, entry in enumerate(entries):
        found, mine = None, take(data.exposures, of_exposure == place)
        _add_score(entry, mine, scores, site_of, is_seven=data.labels == EMOTIONS)
        # An audience that is withheld must not be known from what is claimed about it.
        if not entry["opportunities"] or entry["dwell_s"] is not None:
            found = curves_of(
                mine,
                take(data.seconds, of_second == place),
                entry["duration_s"],
                min_viewers=min_viewers,
            )
        curves.append(found)
        _add_moments(entry, found)
    standings = Standings.of(data, min_viewers=min_viewers, zone=zone, samples=samples)
    for entry in entries:
        _add_standing(entry, standings)
    first = {entry["ad_id"]: place for place, entry in reversed(list(enumerate(entries)))}
    seed = [seed_of(entry["ad_id"]) for entry in entries[:1]]
    of_seconds = second_findings(curves, seed=seed)
    for place, entry in enumerate(entries):
        entry["key_moments"] = [
            {"kind": each.kind, "second": each.second, **_limits(each)}
            for each in of_seconds
            if each.ad == place
        ]
    return [
        # All versions of an ad are compared together.
        *(
            _document(found, {**entries[found.ad], "version": None})
            for found in standings.findings(first)
        ),
        *(_document(found, entries[found.ad]) for found in of_seconds),
    ]


def _sites(data: ReportData) -> dict[int, str]:
    """Return the site of each play."""
    sites = {session.id: session.site for session in data.sessions}
    return {play.id: sites[play.session_id] for play in data.plays}


def _add_score(
    entry: dict[str, Any],
    exposures: ExposureArrays,
    library: ScoreLibrary,
    sites: dict[int, str],
    *,
    is_seven: bool,
) -> None:
    viewers = exposures.play_id[np.unique(exposures.viewer_id, return_index=True)[1]]
    score = score_of(
        entry,
        library,
        Counter(sites[play] for play in viewers.tolist()),
        figure_covariance(exposures, entry["duration_s"]),
        seed=[seed_of(entry["ad_id"]), entry["version"] or 0, 4],
    )
    entry |= {
        "score": score.value,
        "score_low": score.low,
        "score_high": score.high,
        "score_parts": score.parts,
        "score_against": score.against if is_seven else wording.NO_SCORE,
    }


def _places(play_id: Any, place_of: dict[int, int]) -> Any:
    """Return the place of each entry's ad from its play."""
    ids, inverse = np.unique(play_id, return_inverse=True)
    places = np.array([place_of.get(play, -1) for play in ids.tolist()], dtype=np.int64)
    return places[inverse]


def _add_moments(entry: dict[str, Any], curves: Curves | None) -> None:
    """Add the shrunk figure and its interval to each key moment, and those of corrected valence."""
    for moment in entry["moments"]:
        of = Moment(moment["kind"], moment["second"], moment["value"])
        moment.update(_shrunk(of.kind, None if curves is None else shrunk_moment(of, curves)))
    entry["moments_corrected"] = [
        {
            "kind": moment.kind,
            "second": moment.second,
            "value": known(moment.value),
            **_shrunk(moment.kind, estimate),
        }
        for moment, estimate in ([] if curves is None else corrected_moments(curves))
    ]


def _shrunk(kind: str, estimate: Shrunk | None) -> dict[str, float | None]:
    if estimate is None:
        return dict.fromkeys(("shrunk", "low", "high"))
    # What is possible: of the share of surprise, of valence, and of a change.
    least, most = {"attraction": (0, 1), "peak": (-1, 1), "trough": (-1, 1)}.get(kind, (-2, 2))
    limits = np.clip([estimate.value, estimate.low, estimate.high], least, most).tolist()
    return dict(zip(("shrunk", "low", "high"), limits, strict=True))


def _add_standing(entry: dict[str, Any], standings: Standings) -> None:
    ad = entry["ad_id"]
    entry["against_rest"] = {
        "valence": _standing(standings.valence.get(ad)),
        "attention": _standing(standings.attention.get(ad)),
    }
    out = standings.stands_out(ad)
    entry["stands_out"] = None if out is None else {"group": out[0], **(_standing(out[1]) or {})}
    advice = standings.advice(ad)
    entry["advice"] = {
        "action": advice.action,
        "reason": wording.advice_reason(advice.reason),
        "viewers_needed": advice.viewers_needed,
    }


def _standing(found: Comparison | None) -> dict[str, Any] | None:
    if found is None or found.withheld is not None:
        return None
    return {
        "viewers": found.first_viewers,
        "mean": known(found.first_mean),
        "rest": known(found.second_mean),
        "difference": known(found.difference.value),
        "low": known(found.difference.low),
        "high": known(found.difference.high),
        "p": known(found.p_adjusted),
        "verdict": found.verdict,
    }


def _limits(finding: Finding) -> dict[str, float | None]:
    return {key: known(getattr(finding, key)) for key in ("value", "low", "high")}


def _document(finding: Finding, entry: dict[str, Any]) -> dict[str, Any]:
    document = {
        "kind": finding.kind,
        "ad_id": entry["ad_id"],
        "version": entry["version"],
        "measure": finding.measure,
        **_limits(finding),
        "p": finding.p,
        "viewers": finding.viewers,
        "second": finding.second,
        "before": None if finding.before is None else list(finding.before),
        "after": None if finding.after is None else list(finding.after),
        "level": None if finding.level is None else known(finding.level),
    }
    return {**document, "sentence": wording.finding_sentence(document, entry)}
