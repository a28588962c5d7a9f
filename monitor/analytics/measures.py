"""What ads are compared by.

Tested with the comparisons, in `test_comparison.py`, and for models of other labels in
`tests/unit/monitor/reports/test_faces.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detector.emotion.labels import EMOTIONS, knows_valence, what_it_tells
from monitor.analytics.errors import ReportError
from monitor.analytics.metrics import (
    EXPRESSIVENESS,
    HAPPY_SCORE,
    NEGATIVE_SCORE,
    OWN,
    SURPRISE_SCORE,
    VALENCE,
    corrected_valence_sums,
)
from monitor.languages import LazyText, later, lazy, numeral, plazy
from monitor.languages.words import word

if TYPE_CHECKING:
    from collections.abc import Callable

    from db.read.formulas import ExposureArrays
    from detector.emotion.labels import LabelSet
    from monitor.analytics.metrics import Floats, Ints
    from monitor.analytics.report_data import ReportData


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """What ads are compared by: a viewer's sum over the exposures to an ad, divided by another sum.

    `words`, `unit` and `digits` write a figure in a sentence; `relevant` is the smallest difference
    that matters in practice, by default, `largest` the largest that is possible.
    """

    words: LazyText
    unit: str
    digits: int
    relevant: float
    above: Callable[[ExposureArrays], Floats]
    below: Callable[[ExposureArrays], Floats | Ints]
    largest: float = 1.0

    def figure(self, value: float, *, signed: bool = True) -> str:
        """Return a figure in words."""
        return numeral(f"{value:{'+' if signed else ''}.{self.digits}f}{self.unit}")


def _emotion(words: LazyText, column: int, largest: float = 1.0) -> Measure:
    def above(entries: ExposureArrays) -> Floats:
        return entries.sums[:, column]

    return Measure(words, "", 2, 0.1, above, lambda e: e.emotion_readings, largest)


MEASURES = {
    "valence": Measure(
        lazy("valence"),
        "",
        2,
        0.1,
        lambda e: corrected_valence_sums(e.sums),
        lambda e: e.emotion_readings,
        largest=2.0,
    ),
    "attention": Measure(
        lazy("attention"), "", 2, 0.1, lambda e: e.attention_s, lambda e: e.dwell_s
    ),
    "happy": _emotion(lazy("happiness"), EMOTIONS.index("happy")),
    "surprise": _emotion(plazy("measure", "surprise"), EMOTIONS.index("surprise")),
    "expressiveness": _emotion(lazy("expressiveness"), EXPRESSIVENESS),
    "dwell": Measure(
        lazy("dwell"),
        " s",
        1,
        1.0,
        lambda e: e.dwell_s,
        lambda e: np.ones(e.dwell_s.size),
        largest=3600.0,
    ),
    "happy_share": _emotion(lazy("the share of happy faces"), HAPPY_SCORE),
    "surprise_share": _emotion(lazy("the share of surprised faces"), SURPRISE_SCORE),
    "negative_share": _emotion(lazy("the share of negative faces"), NEGATIVE_SCORE),
    "valence_raw": _emotion(lazy("uncorrected valence"), VALENCE, largest=2.0),
}
"""By name. Emotions: mean over a viewer's readings with an emotion, `valence` corrected for the
prevalence of emotions (`detector.emotion.prevalence`); attention: share of the dwell; dwell: mean
seconds per exposure."""


def valence_measure(data: ReportData) -> str | None:
    """Return by which measure of valence the ads of a report compare; None if it has none."""
    if data.labels == EMOTIONS:
        return "valence"
    return "valence_raw" if data.labels is not None and knows_valence(data.labels) else None


def measure_of(name: str, own_labels: LabelSet = ()) -> Measure:
    """Return one of `MEASURES`, or the mean probability of another label."""
    if name in MEASURES:
        return MEASURES[name]
    known = (*EMOTIONS, *own_labels)
    place = known.index(name) if name in known else 0
    column = place if place < len(EMOTIONS) else OWN + place - len(EMOTIONS)
    return _emotion(lazy("the probability of %(label)s", label=later(word, name)), column)


def measures_of(labels: LabelSet | None) -> list[str]:
    """Return the measures that a label set gives; None stands for several sets together.

    An own label with the name of a measure gives none: the name stands for the measure.
    """
    given = {"attention", "dwell"}
    if labels is not None:
        given |= set(labels) - (set(MEASURES) - set(EMOTIONS))
        given |= {"valence_raw"} if knows_valence(labels) else set()
        given |= {"expressiveness"} if "neutral" in labels else set()
    if labels == EMOTIONS:
        given |= set(MEASURES)
    return [*(name for name in MEASURES if name in given), *sorted(given - set(MEASURES))]


def require_measure(data: ReportData, measure: str) -> None:
    """Raise ReportError unless the models of some sessions give a measure."""
    given = measures_of(data.labels)
    if measure in given:
        return
    if data.labels is None:
        sets = sorted({", ".join(info.labels) for info in data.sessions if info.readings})
        why = f"the sessions had models with different labels ({'; '.join(sets)})"
    elif measure in MEASURES and measure in data.labels:
        why = (
            f"{measure} names a measure, which the model does not give, so its label of this name "
            "cannot be compared unless the model is trained with another name"
        )
    elif measure not in MEASURES and measure not in EMOTIONS:
        why = "no model of these sessions has such a label"
    else:
        # Sessions without a camera have no model.
        named = {str(info.model_name) for info in data.sessions if info.labels == data.labels}
        why = f"the model {', '.join(sorted(named))} {what_it_tells(data.labels)}"
    raise ReportError(
        f"There is no measure {measure!r} in these sessions, because {why}: expected one of "
        f"{', '.join(given)}."
    )
