"""What all formats show first: advice in groups, what stands out, local times."""

from __future__ import annotations

import pytest

from monitor.reports import summary


def advised(*advice):
    return {
        "ads": [
            {
                "name": f"Ad {number}",
                "version": None,
                "advice": {"action": action, "reason": reason, "viewers_needed": viewers},
            }
            for number, (action, reason, viewers) in enumerate(advice, 1)
        ]
    }


def test_advice_is_in_the_order_of_what_to_do_and_knows_its_ads():
    found = summary.advice(
        advised(("keep_testing", "Open.", 40), ("keep", "Fine.", None), ("stop", "Worse.", None))
    )
    assert [group.name for group in found] == ["Keep", "Stop", "Keep testing"]
    assert found[2].ads[0] == {
        "number": 1, "title": "Ad 1", "reason": "Open.", "viewers_needed": 40,
    }  # fmt: skip


def test_a_common_reason_is_said_once():
    (found,) = summary.advice(advised(("keep", "Fine.", None), ("keep", "Fine.", None)))
    assert found.reason == "Fine."
    assert [ad["reason"] for ad in found.ads] == ["", ""]
    (found,) = summary.advice(advised(("keep", "Fine.", None), ("keep", "Better.", None)))
    assert found.reason == ""
    assert [ad["reason"] for ad in found.ads] == ["Fine.", "Better."]


@pytest.mark.parametrize(
    ("viewers", "expected"),
    [(None, ""), (1, "about 1 more viewer needed"), (1200, "about 1,200 more viewers needed")],
)
def test_viewers_still_needed(viewers, expected):
    assert summary.needed(viewers) == expected


@pytest.mark.parametrize(
    ("difference", "low", "high", "expected"),
    [
        (0.13, 0.1, 0.16, "13 points more happy faces than the other ads, 95% interval 10 to 16 points"),
        (-0.03, -0.07, -0.01, "3 points fewer happy faces than the other ads, 95% interval 1 to 7 points"),
    ],
)  # fmt: skip
def test_what_stands_out(difference, low, high, expected):
    found = {"group": "happy", "difference": difference, "low": low, "high": high}
    assert summary.stands_out({"stands_out": found}) == expected
    assert summary.stands_out({"stands_out": None}) == ""


def test_ads_without_a_mean_come_last():
    means = [("a", None), ("b", -0.2), ("c", 0.4)]
    ads = [
        {"ad_id": name, "valence_corrected_mean": mean}
        | dict.fromkeys(("valence_corrected_mean_low", "valence_corrected_mean_high"))
        for name, mean in means
    ]
    assert [ad["ad_id"] for ad in summary.ranked(ads)] == ["c", "b", "a"]


def test_pairs_that_say_nothing_are_counted():
    verdicts = ["better", "same", "not_yet", None]
    said, silent = summary.said_pairs({"comparisons": [{"verdict": v} for v in verdicts]})
    assert [pair["verdict"] for pair in said] == ["better", "same"]
    assert silent == 2


def timed(zone):
    return {
        "report": {"timezone": zone},
        "session": {"started_at": "2026-07-01T22:30:00.000000Z", "site": "a\x00\u202eb\u2069c"},
        "gaps": [{"start": "2026-12-01T22:30:00.000000Z", "end": None, "n": 3}],
    }


def test_times_are_shown_in_the_zone_and_hidden_characters_are_not():
    shown = summary.localised(timed("Europe/Berlin"))
    assert shown["session"] == {"started_at": "2026-07-02T00:30:00+02:00", "site": "abc"}
    assert shown["gaps"] == [{"start": "2026-12-01T23:30:00+01:00", "end": None, "n": 3}]
    assert summary.zone_words(timed("Europe/Berlin")) == "Europe/Berlin (UTC+02:00)"
    assert summary.zone_words(timed("America/St_Johns")) == "America/St Johns (UTC-02:30)"
    assert summary.zone_words(timed(None)) == "UTC"


def test_the_document_itself_is_left_alone():
    document = timed("Asia/Tokyo")
    summary.localised(document)
    assert document == timed("Asia/Tokyo")
