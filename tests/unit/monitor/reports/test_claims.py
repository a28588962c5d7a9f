"""What a report claims: no two claims contradict each other, and words that fit the figures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from monitor.reports import wording
from monitor.reports.document import build_report
from tests.helpers.contradictions import contradictions
from tests.helpers.simulated_session import World, simulate


def any_world(seed: int) -> tuple[World, int]:
    """A small session of any kind, and the fewest viewers that a figure may rest on."""
    rng = np.random.default_rng(seed)
    ads = int(rng.integers(1, 14))

    def effect(size: float) -> dict[int, float]:
        return {int(rng.integers(ads)): float(rng.normal(0, size))} if rng.random() < 0.6 else {}

    seconds = int(rng.integers(2, 13))
    world = World(
        ads=ads,
        viewers=int(rng.integers(2, 120)),
        seconds=seconds,
        hours=float(rng.choice([0.2, 1.0, 4.0])),
        valence=effect(0.3),
        attention=effect(0.3),
        peaks={0: (seconds // 2, float(rng.normal(0, 0.3)))} if rng.random() < 0.5 else {},
        falls={0: (seconds // 2, 0.3)} if rng.random() < 0.3 else {},
        missing=float(rng.choice([0, 0.2, 0.95])),
        shared=float(rng.choice([0, 0.07, 0.3])),
        rare=bool(rng.random() < 0.2),
    )
    return world, int(rng.choice([1, 5]))


def check(seed: int) -> None:
    world, min_viewers = any_world(seed)
    report = build_report(simulate(world, seed), min_viewers=min_viewers)
    json.dumps(report, allow_nan=False)
    assert contradictions(report, wording.findings(report)) == [], (seed, world)


@pytest.mark.parametrize("seed", range(8))
def test_no_two_claims_contradict_each_other(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_two_claims_of_many_sessions_contradict_each_other():
    for seed in range(500):
        check(seed)


def test_the_rules_notice_a_contradiction():
    report = build_report(simulate(World(ads=3, viewers=200, valence={0: 0.4}), 1))
    said = wording.findings(report)
    assert contradictions(report, said) == []
    (first, *_) = [each for each in report["findings"] if each["kind"] == "more_positive"]
    first["kind"] = "less_positive"
    assert contradictions(report, said)
    first["kind"] = "more_positive"
    report["ads"][0]["advice"]["action"] = "stop"
    assert "ad-00 is better, and to be stopped" in contradictions(report, said)
    assert contradictions(report, [*said, "No ad certainly differs from the others."])


FINDING = {
    "kind": "peak",
    "measure": "valence",
    "value": 0.21,
    "low": 0.1,
    "high": 0.32,
    "level": 0.02,
    "viewers": 60,
    "second": 5,
    "before": None,
    "after": None,
}
AD = {"name": "Tea", "version": None}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            "Second 5 of “Tea” was met with more positive faces than the rest of the ad: valence "
            "+0.21 against +0.02 over the whole ad, 95% interval +0.10 to +0.32; 60 viewers.",
        ),
        (
            {"kind": "less_positive", "value": -0.2, "low": -0.3, "high": -0.1},
            "“Tea” was met with less positive faces than the other ads: valence -0.18 against +0.02, "
            "difference -0.20, 95% interval -0.30 to -0.10; 60 viewers.",
        ),
        (
            {"kind": "less_attention", "measure": "attention", "value": -0.2, "low": -0.3, "high": -0.1},
            "“Tea” held less attention than the other ads, by 20 points, 95% interval 10 to 30 "
            "points; 60 viewers.",
        ),
        (
            {"kind": "attention_drop", "measure": "attention", "before": [4, 4], "after": [5, 8]},
            "Attention to “Tea” fell from second 4 to seconds 5-8 by 21 points, 95% interval "
            "10 to 32 points; 60 viewers.",
        ),
    ],
)  # fmt: skip
def test_findings_in_words(changes, sentence):
    said = wording.finding_sentence(FINDING | changes, AD)
    assert said.replace("\N{MINUS SIGN}", "-").replace("\N{EN DASH}", "-") == sentence


def test_of_many_findings_the_most_certain_of_each_kind_are_shown():
    found = [
        {"kind": kind, "p": number / 1000, "sentence": f"{kind} {number}"}
        for number in range(9)
        for kind in ("peak", "more_positive")
    ]
    said = wording.claims({"findings": found})
    assert said[:2] == ["peak 0", "more_positive 0"]
    assert len(said) == wording.MAX_CLAIMS + 1
    assert said[-1] == "10 more findings under the ads."


@pytest.mark.parametrize(
    ("ads", "viewers", "said"),
    [([], 0, "No ad was shown in this session."), ([{}], 0, "no viewer was seen")],
)
def test_of_nobody_nothing_is_claimed(ads, viewers, said):
    document = {
        "report": {"scope": {"sessions": 1}},
        "session": {"viewers": viewers},
        "ads": ads,
        "findings": [],
    }
    [sentence] = wording.claims(document)
    assert said in sentence
