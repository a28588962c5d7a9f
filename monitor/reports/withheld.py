"""What a report withholds: figures that rest on too few viewers, or that nothing is known about.

Tested in `tests/unit/monitor/reports/test_document.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from db.read.formulas import MIN_WATCHER_RATE
from detector.emotion.labels import EMOTIONS, knows_valence
from monitor.analytics import currency, metrics
from monitor.languages import lazy, nlazy
from monitor.reports import wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from db.read.sessions import AdInfo
    from detector.emotion.labels import LabelSet
    from monitor.analytics.metrics import Audience, Bools, Reaction
    from monitor.analytics.report_data import ReportData

AUDIENCE_FIGURES = [field.name for field in fields(metrics.Audience)[1:]]
REACTION_FIGURES = [field.name for field in fields(metrics.Reaction)[1:-1]]
EMOTION_CURVES = ("timeline.valence", "timeline.expressiveness", "timeline.probabilities")
"""Withheld of a curve when enough viewers were in view but too few had a readable emotion."""

WATCHER_FIGURES = ("watchers", "held", "conversion", "audience_impressions")
"""What half a second of attention decides."""

SESSION_FIGURES = ("watchers", "dwell_s", "attention_s", "attraction_ratio")


@dataclass(frozen=True, slots=True, eq=False)
class AdEntry:
    """A version of an ad: its entry of the report's `ads`, and what `withheld` says about it."""

    ad: AdInfo
    entry: dict[str, Any]
    withheld: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_hidden(self) -> bool:
        """Whether its audience is withheld."""
        return bool(self.entry["opportunities"]) and self.entry["watchers"] is None

    def withhold_few(
        self, people: Audience, reaction: Reaction, min_viewers: int, labels: LabelSet
    ) -> None:
        """Remove what rests on too few viewers.

        What the `labels` do not give is missing for another reason.
        """
        if 0 < people.opportunities < min_viewers:
            self._hide(
                (*AUDIENCE_FIGURES, *currency.FIGURES, *REACTION_FIGURES),
                ("timeline",),
                _too_few(people, min_viewers),
            )
            return
        if 0 < reaction.emotion_viewers < min_viewers:
            why = nlazy(
                "the emotion of %(num)s viewer could be read, %(least)s are needed",
                "the emotion of %(num)s viewers could be read, %(least)s are needed",
                reaction.emotion_viewers,
                least=min_viewers,
            )
            self._hide(REACTION_FIGURES, EMOTION_CURVES, why)
        self._tell_thin_seconds(reaction, min_viewers, labels)

    def withhold_watchers(self, why: str) -> None:
        """Remove what half a second of attention decides."""
        self.entry.update(dict.fromkeys(WATCHER_FIGURES))
        self.entry["funnel"] |= dict.fromkeys(("watchers", "held"))
        self.withheld.append(of_ad(self.entry, WATCHER_FIGURES, why))

    def _hide(self, figures: Sequence[str], curves: Sequence[str], why: str) -> None:
        self.entry.update({key: [] if key == "moments" else None for key in figures})
        self.withheld.append(of_ad(self.entry, [*figures, *curves], why))

    def _tell_thin_seconds(self, reaction: Reaction, min_viewers: int, labels: LabelSet) -> None:
        # Without any emotion a figure is not known rather than withheld.
        enough = reaction.emotion_viewers >= min_viewers
        given = {
            "peak_valence": knows_valence(labels),
            "attraction": "surprise" in labels,
            "impact": "happy" in labels,
        }
        lost = [key for key, known in given.items() if known and enough and self.entry[key] is None]
        n, read = reaction.timeline.n, reaction.timeline.emotion_viewers
        thin = (n > 0) & (n < min_viewers)
        self._tell_seconds(
            thin,
            ["timeline", *lost],
            lazy("in these seconds fewer than %(least)s viewers were in view", least=min_viewers),
        )
        # Where too few emotions were read at all, all seconds are withheld already.
        if enough or reaction.emotion_viewers == 0:
            self._tell_seconds(
                ~thin & (read > 0) & (read < min_viewers),
                [*EMOTION_CURVES, *lost],
                lazy(
                    "in these seconds the emotion of fewer than %(least)s viewers could be read",
                    least=min_viewers,
                ),
            )

    def _tell_seconds(self, thin: Bools, figures: Sequence[str], why: str) -> None:
        if thin.any():
            found = of_ad(self.entry, figures, why, seconds=np.flatnonzero(thin).tolist())
            self.withheld.append(found)


def of_ad(entry: dict[str, Any], figures: Sequence[str], why: str, **more: Any) -> dict[str, Any]:
    """Return what `withheld` says about an entry of `ads`."""
    name = {key: entry[key] for key in ("ad_id", "version") if entry[key] is not None}
    return {**name, "figures": list(figures), **more, "why": why}


def _of_all(figures: Iterable[str], why: str) -> list[dict[str, Any]]:
    return [{"ad_id": None, "figures": list(figures), "why": why}]


def withhold_sums(
    summary: dict[str, Any], people: Audience, hidden: Audience, min_viewers: int
) -> list[dict[str, Any]]:
    """Remove the audience of all sessions if too few saw them; return what is withheld.

    Sums must not reveal the audience of the `hidden` ads as the remainder.
    """
    if 0 < people.opportunities < min_viewers:
        why = _too_few(people, min_viewers)
    elif 0 < hidden.opportunities < min_viewers:
        why = lazy("together with the ads they would give away the figures that are withheld there")
    else:
        return []
    summary |= dict.fromkeys(SESSION_FIGURES)
    return _of_all((f"session.{key}" for key in SESSION_FIGURES), why)


def withhold_watchers(
    data: ReportData, summary: dict[str, Any], ads: Sequence[AdEntry]
) -> list[dict[str, Any]]:
    """Remove watchers from all that rests on sessions read too seldom; return what is withheld."""
    slow = metrics.slow_sessions(data)
    if not slow:
        return []
    why = lazy(
        "fewer than %(rate)s readings of a viewer were taken per second",
        rate=f"{MIN_WATCHER_RATE:g}",
    )
    rows = {play.ad_row_id for play in data.plays if play.session_id in slow}
    for each in ads:
        if each.ad.ad_row_id in rows and each.entry["watchers"] is not None:
            each.withhold_watchers(why)
    if summary["watchers"] is None:
        return []
    summary["watchers"] = None
    return _of_all(["session.watchers"], why)


def _too_few(people: Audience, min_viewers: int) -> str:
    return nlazy(
        "%(num)s viewer was in view, %(least)s are needed",
        "%(num)s viewers were in view, %(least)s are needed",
        people.opportunities,
        least=min_viewers,
    )


def not_told(data: ReportData) -> list[dict[str, Any]]:
    """Return what `withheld` says of sessions of which a hub knows no single viewer."""
    if not data.untold:
        return []
    why = nlazy(
        "%(num)s session is from screens that send hourly sums only (upload: cells), which count "
        "in the table of the screens but in no other figure about viewers",
        "%(num)s sessions are from screens that send hourly sums only (upload: cells), which count "
        "in the table of the screens but in no other figure about viewers",
        len(data.untold),
    )
    return _of_all(["session.viewers"], why)


def not_given(data: ReportData) -> list[dict[str, Any]]:
    """Return what `withheld` says of figures that the labels of the models do not give."""
    if data.labels == EMOTIONS:
        return []
    if data.labels is None:
        figures = [*REACTION_FIGURES, *EMOTION_CURVES, "score"]
    else:
        figures = ["shares", "timeline.shares", "valence_corrected_mean", "score"]
        if not knows_valence(data.labels):
            figures += ["valence", "peak_valence", "timeline.valence"]
        needs = {"neutral": "expressiveness", "surprise": "attraction", "happy": "impact"}
        figures += [figure for name, figure in needs.items() if name not in data.labels]
    return _of_all(figures, wording.why_not_given(data.labels, data.sessions))
