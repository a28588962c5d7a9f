"""What to do with an ad, from its comparisons with the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor.analytics.comparison import Comparison
from monitor.analytics.standings import Advice, Standings
from monitor.analytics.statistics import Interval

BASE = Comparison(
    first="tea",
    second=None,
    first_name="Tea",
    second_name="all other ads",
    measure="valence",
    relevant=0.1,
    by=None,
    segment=None,
    monitoring="always-valid",
    first_viewers=60,
    second_viewers=300,
    common_viewers=0,
    p_adjusted=0.5,
)


def compared(
    low: float, high: float, verdict: str, needed: int | None = None, **more
) -> Comparison:
    middle = (low + high) / 2
    return replace(
        BASE,
        difference=Interval(middle, low, high),
        equal_low=low,
        equal_high=high,
        verdict=verdict,
        needed_viewers=needed,
        **more,
    )


BETTER = compared(0.1, 0.3, "better")
SAME = compared(-0.05, 0.05, "same")
OPEN = compared(-0.2, 0.3, "not_yet", 150)
WORSE = compared(-0.09, -0.01, "worse")
WORSE_SOMEHOW = compared(-0.3, -0.02, "worse")
MUCH_WORSE = compared(-0.4, -0.15, "worse")
WITHHELD = replace(BASE, withheld="too few plays")
FEW = replace(BASE, first_viewers=7, withheld="too few viewers")


def standings(valence: Comparison, attention: Comparison) -> Standings:
    return Standings(2, {"tea": valence}, {"tea": replace(attention, measure="attention")}, {})


@pytest.mark.parametrize(
    ("valence", "attention", "advice"),
    [
        (BETTER, BETTER, Advice("keep", "better", None)),
        (BETTER, SAME, Advice("keep", "better_valence", None)),
        (SAME, BETTER, Advice("keep", "better_attention", None)),
        (SAME, SAME, Advice("keep", "no_worse", None)),
        (WORSE, SAME, Advice("keep", "no_worse", None)),
        (MUCH_WORSE, SAME, Advice("stop", "worse_valence", None)),
        (OPEN, MUCH_WORSE, Advice("stop", "worse_attention", None)),
        (MUCH_WORSE, MUCH_WORSE, Advice("stop", "worse", None)),
        (MUCH_WORSE, BETTER, Advice("keep_testing", "mixed", None)),
        (OPEN, SAME, Advice("keep_testing", "open", 150)),
        (OPEN, replace(OPEN, needed_viewers=400), Advice("keep_testing", "open", 400)),
        (WITHHELD, SAME, Advice("collect", "not_comparable", None)),
        (SAME, FEW, Advice("collect", "few", 3)),
        (FEW, MUCH_WORSE, Advice("stop", "worse_attention", None)),
        (MUCH_WORSE, WITHHELD, Advice("stop", "worse_valence", None)),
        (BETTER, FEW, Advice("collect", "few", 3)),
    ],
)
def test_advice(valence, attention, advice):
    assert standings(valence, attention).advice("tea") == advice


def test_certainly_worse_but_by_how_much_needs_viewers_too():
    """The interval must shrink from 0.14 to 0.06 on either side."""
    advice = standings(WORSE_SOMEHOW, SAME).advice("tea")
    assert (advice.action, advice.reason) == ("keep_testing", "open")
    assert advice.viewers_needed == pytest.approx(60 * ((0.14 / 0.06) ** 2 - 1), abs=1)


def test_an_ad_without_a_comparison_is_collected_for():
    assert standings(SAME, SAME).advice("coffee") == Advice("collect", "few", 10)
    assert Standings(1, {}, {}, {}).advice("tea") == Advice("collect", "alone", None)


def test_findings_are_the_certain_verdicts():
    said = standings(BETTER, MUCH_WORSE).findings({"tea": 4})
    assert [(each.kind, each.ad, each.low) for each in said] == [
        ("more_positive", 4, 0.1),
        ("less_attention", 4, -0.4),
    ]
    assert standings(SAME, OPEN).findings({"tea": 4}) == []


def test_an_ad_stands_out_where_it_differs_most():
    groups = {
        "happy": {"tea": replace(BETTER, p_adjusted=0.001)},
        "negative": {"tea": replace(MUCH_WORSE, p_adjusted=0.001)},
        # Certain by itself, not after three groups.
        "surprise": {"tea": replace(compared(0.4, 0.9, "better"), p_adjusted=0.03)},
    }
    found = Standings(2, {}, {}, groups)
    group, comparison = found.stands_out("tea")
    assert (group, comparison.difference.low) == ("negative", -0.4)
    assert found.stands_out("coffee") is None
