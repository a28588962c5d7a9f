"""What a report claims: findings, advice, what stands out, and key moments with intervals."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analytics.findings import (
    corrected_moments,
    curves_of,
    second_findings,
    shrunk_moment,
)
from monitor.analytics.metrics import Moment, take
from monitor.analytics.norms import Norms
from monitor.analytics.report_data import ad_versions
from monitor.analytics.score import ScoreLibrary, figure_covariance, score_of
from monitor.analytics.standings import Exposed, Standings
from monitor.analytics.statistics import known
from monitor.reports import wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.read.formulas import ExposureArrays
    from monitor.analytics.findings import Curves, Finding
    from monitor.analytics.report_data import ReportData
    from monitor.analytics.seconds import Shrunk
    from monitor.analytics.standings import Standing


def add_claims(
    entries: Sequence[dict[str, Any]],
    data: ReportData,
    *,
    library: Norms | None = None,
    min_viewers: int = 1,
) -> list[dict[str, Any]]:
    """Add to entries of `ads` what may be claimed about them; return the `findings`.

    Args:
        entries: In the order of `ad_versions`; figures that are withheld are None.
        data: What the report is made of.
        library: The ads of the database, for the score.
        min_viewers: Claims rest on at least so many viewers.
    """
    rows = {ad.ad_row_id: place for place, (ad, _) in enumerate(ad_versions(data.ads))}
    # An audience that is withheld must not be known from what is claimed about it.
    hidden = [bool(entry["opportunities"]) and entry["watchers"] is None for entry in entries]
    place_of = {
        play.id: -1 if hidden[rows[play.ad_row_id]] else rows[play.ad_row_id] for play in data.plays
    }
    exposed = _exposed(data, place_of, len(entries), min_viewers)
    of_second = _places(data.seconds.play_id, place_of)
    scores = ScoreLibrary.of(library or Norms(()))
    site_of = _sites(data)
    curves: list[Curves | None] = []
    for place, entry in enumerate(entries):
        found, mine = None, take(data.exposures, exposed.ad == place)
        _add_score(entry, mine, scores, site_of)
        if not hidden[place]:
            found = curves_of(
                mine,
                take(data.seconds, of_second == place),
                entry["duration_s"],
                min_viewers=min_viewers,
            )
        curves.append(found)
        _add_moments(entry, found)
    standings = Standings.of(exposed)
    for place, entry in enumerate(entries):
        _add_standing(entry, standings, place)
    seed = [_seed(entry["ad_id"]) for entry in entries[:1]]
    claimed = [*standings.findings(), *second_findings(curves, seed=seed)]
    return [_document(finding, entries[finding.ad]) for finding in claimed]


def _seed(ad_id: str) -> int:
    return int.from_bytes(hashlib.sha256(ad_id.encode()).digest()[:8], "big")


def _sites(data: ReportData) -> dict[int, str]:
    """Return the site of each play."""
    sites = {session.id: session.site for session in data.sessions}
    return {play.id: sites[play.session_id] for play in data.plays}


def _add_score(
    entry: dict[str, Any], exposures: ExposureArrays, library: ScoreLibrary, sites: dict[int, str]
) -> None:
    viewers = exposures.play_id[np.unique(exposures.viewer_id, return_index=True)[1]]
    score = score_of(
        entry,
        library,
        Counter(sites[play] for play in viewers.tolist()),
        figure_covariance(exposures, entry["duration_s"]),
        seed=[_seed(entry["ad_id"]), entry["version"] or 0, 4],
    )
    entry |= {
        "score": score.value,
        "score_low": score.low,
        "score_high": score.high,
        "score_parts": score.parts,
        "score_against": score.against,
    }


def _places(play_id: Any, place_of: dict[int, int]) -> Any:
    """Return the place of each entry's ad from its play."""
    ids, inverse = np.unique(play_id, return_inverse=True)
    places = np.array([place_of.get(play, -1) for play in ids.tolist()], dtype=np.int64)
    return places[inverse]


def _exposed(data: ReportData, place_of: dict[int, int], ads: int, min_viewers: int) -> Exposed:
    entries = data.exposures
    # Viewers who came during one play belong together, with all that they saw.
    order = np.lexsort((entries.play_id, entries.viewer_id))
    names, first = np.unique(entries.viewer_id[order], return_index=True)
    group = entries.play_id[order][first][np.searchsorted(names, entries.viewer_id)]
    return Exposed(entries, _places(entries.play_id, place_of), group, ads, min_viewers)


def _add_moments(entry: dict[str, Any], curves: Curves | None) -> None:
    """Add the shrunk figure and its interval to each key moment, and those of corrected valence."""
    for moment in entry["moments"]:
        of = Moment(moment["kind"], moment["second"], moment["value"])
        moment.update(_shrunk(None if curves is None else shrunk_moment(of, curves)))
    entry["moments_corrected"] = [
        {
            "kind": moment.kind,
            "second": moment.second,
            "value": known(moment.value),
            **_shrunk(estimate),
        }
        for moment, estimate in ([] if curves is None else corrected_moments(curves))
    ]


def _shrunk(estimate: Shrunk | None) -> dict[str, float | None]:
    if estimate is None:
        return dict.fromkeys(("shrunk", "low", "high"))
    return {"shrunk": estimate.value, "low": estimate.low, "high": estimate.high}


def _add_standing(entry: dict[str, Any], standings: Standings, place: int) -> None:
    entry["against_rest"] = {
        "valence": _standing(standings.valence[place]),
        "attention": _standing(standings.attention[place]),
    }
    out = standings.stands_out(place)
    entry["stands_out"] = None if out is None else {"group": out[0], **(_standing(out[1]) or {})}
    advice = standings.advice(place)
    entry["advice"] = {
        "action": advice.action,
        "reason": wording.advice_reason(advice.reason, entry["against_rest"]),
        "viewers_needed": advice.viewers_needed,
    }


def _standing(standing: Standing | None) -> dict[str, Any] | None:
    if standing is None:
        return None
    return {
        "viewers": standing.viewers,
        "mean": known(standing.mean),
        "rest": known(standing.rest),
        "difference": known(standing.difference.value),
        "low": known(standing.difference.low),
        "high": known(standing.difference.high),
        "p": known(standing.p),
    }


def _document(finding: Finding, entry: dict[str, Any]) -> dict[str, Any]:
    document = {
        "kind": finding.kind,
        "ad_id": entry["ad_id"],
        "version": entry["version"],
        "measure": finding.measure,
        "value": known(finding.value),
        "low": known(finding.low),
        "high": known(finding.high),
        "p": finding.p,
        "viewers": finding.viewers,
        "second": finding.second,
        "before": None if finding.before is None else list(finding.before),
        "after": None if finding.after is None else list(finding.after),
        "level": None if finding.level is None else known(finding.level),
    }
    return {**document, "sentence": wording.finding_sentence(document, entry)}
