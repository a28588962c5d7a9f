"""What was measured in the blocks of an experiment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from db.engine import open_database, writing
from db.read.experiments import Opening, OutcomeInfo
from db.write.experiments import store_outcomes
from db.write.records import ModelRecord
from detector.emotion.model_card import read_card
from detector.emotion.model_store import find_model
from detector.emotion.prevalence import group_scores
from monitor.analytics.experiment_data import block_values, history_values, rates
from monitor.analytics.experiments import draw_blocks, places_in_days, slots_of
from monitor.analytics.metrics import microseconds
from tests.helpers.experiments import MONDAY, make_plan, outcomes_of
from tests.helpers.making import PROBABILITIES, Make

MINUTE = timedelta(minutes=1)


@pytest.fixture
def engine(tmp_path):
    made = open_database(str(tmp_path / "kiosk.db"))
    yield made
    made.dispose()


def figure(minute, value, lasts_min=60.0):
    return OutcomeInfo("sales", "Shop", MONDAY + minute * MINUTE, lasts_min * 60, value)


def rate(rows, begin=0, start=0, end=60):
    at = [microseconds(MONDAY + minute * MINUTE) for minute in (begin, start, end)]
    return rates(rows, np.array(at[:1]), np.array([at[1:]]))[0]


@pytest.mark.parametrize(
    ("rows", "stretch", "expected"),
    [
        ([figure(0, 12.0)], (0, 0, 60), 12.0),
        ([figure(0, 12.0)], (0, 0, 120), 12.0),  # half of the block is known
        ([figure(0, 12.0)], (0, 0, 130), np.nan),
        ([figure(0, 12.0), figure(60, 4.0)], (0, 0, 120), 8.0),
        ([figure(0, 12.0)], (0, 5, 60), 12.0),  # in proportion after the wash-out
        ([figure(0, 5.0, 15), figure(15, 1.0, 15), figure(30, 1.0, 15)], (0, 15, 45), 4.0),
        ([figure(-30, 12.0), figure(30, 12.0)], (0, 0, 60), np.nan),  # over the edges
        ([figure(60, 12.0)], (0, 0, 60), np.nan),
        ([figure(m, 1.0, 0) for m in (-9, 3, 10, 59, 60, 99)], (0, 5, 65), 3.0),
        ([figure(m, 1.0, 0) for m in (-9, 99)], (0, 0, 60), 0.0),  # nothing was sold
        ([figure(m, 1.0, 0) for m in (1, 9)], (0, 0, 60), np.nan),  # the file ends too early
    ],
)
def test_outcome_per_hour(rows, stretch, expected):
    assert rate(rows, *stretch) == pytest.approx(expected, nan_ok=True)


def test_outcomes_come_to_their_blocks_and_sites(engine):
    plan = make_plan(sites=("Shop", "Hall"), ends_at=MONDAY + timedelta(days=3))
    blocks = draw_blocks(plan)
    figures = np.arange(len(blocks)) + 1.0
    with writing(engine) as connection:
        store_outcomes(connection, outcomes_of(blocks, figures)[1:], MONDAY)
    found = block_values(engine, plan, blocks)
    assert found.value[1:].tolist() == pytest.approx(figures[1:].tolist())
    assert np.isnan(found.value[0])
    assert found.treated.tolist() == [block.arm == "treatment" for block in blocks]
    assert np.unique(found.site, return_counts=True)[1].tolist() == [36, 36]
    assert np.unique(found.pair, return_counts=True)[1].tolist() == [2] * 36
    assert np.unique(found.stratum).size == 24
    assert np.unique(found.day).tolist() == [MONDAY.toordinal() + day for day in range(3)]


@pytest.mark.parametrize("zone", [None, "UTC", "Africa/Algiers", "America/Sao_Paulo", "Mars/Base"])
@pytest.mark.parametrize("hours", ["08:00-20:00", "22:00-02:00", "09:30-12:45"])
def test_blocks_are_found_again_in_another_zone_and_when_clocks_change(
    engine, monkeypatch, zone, hours
):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    opening = Opening(hours, ("mon", "tue", "thu", "sat"), "Europe/Berlin")
    # Summer time begins on 29 March; the first day has begun.
    begin = MONDAY + timedelta(weeks=2, hours=10)
    plan = make_plan(opening=opening, starts_at=begin, ends_at=begin + timedelta(weeks=4))
    blocks = draw_blocks(plan)
    figures = np.arange(len(blocks)) + 1.0
    with writing(engine) as connection:
        store_outcomes(connection, outcomes_of(blocks, figures), MONDAY)
    drawn = block_values(engine, plan, blocks)
    read = block_values(engine, replace(plan, opening=replace(opening, timezone=zone)), blocks)
    assert read.value.tolist() == pytest.approx(figures.tolist())
    for name in ("day", "stratum", "pair"):
        same = [
            np.unique(getattr(values, name), return_inverse=True)[1] for values in (drawn, read)
        ]
        assert same[0].tolist() == same[1].tolist(), name
    slots = slots_of(plan.opening, plan.block_s, plan.starts_at, plan.ends_at)
    assert drawn.day.tolist() == [slot.day.toordinal() for slot in slots]


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Apia"])
@pytest.mark.parametrize("hours", ["08:00-20:00", "00:00-24:00"])
def test_blocks_have_places_of_their_own_even_where_days_are_cut_elsewhere(zone, hours):
    opening = Opening(hours, ("mon", "tue", "thu", "sat"), "Europe/Berlin")
    plan = make_plan(opening=opening, starts_at=MONDAY + timedelta(weeks=2, hours=10))
    starts = np.array([microseconds(block.starts_at) for block in draw_blocks(plan)])
    found = places_in_days(replace(opening, timezone=zone), plan.block_s, starts)
    assert np.unique(np.stack(found), axis=1).shape == (2, starts.size)
    assert min(found[1]) >= 0


def test_the_past_has_the_blocks_that_the_plan_would_have_had(engine):
    plan = make_plan()
    before = replace(plan, starts_at=MONDAY - timedelta(weeks=2), ends_at=MONDAY)
    blocks = draw_blocks(before)
    with writing(engine) as connection:
        store_outcomes(connection, outcomes_of(blocks, np.ones(len(blocks))), MONDAY)
    found = history_values(engine, plan, MONDAY)
    assert np.isfinite(found.value).sum() == 14 * 12


@pytest.fixture
def audience(engine):
    """The plays of `Make` (tea, water, tea; two viewers) in blocks of 8 s that begin just before."""
    make = Make()
    records = [make.ad("tea"), make.ad("water")]
    for number, ad_id in enumerate(("tea", "water", "tea"), start=1):
        begin = 8.0 * (number - 1)
        records.append(make.play(number, begin, ad_id))
        for step in range(16):
            for viewer in (1, 2):
                attentive = ad_id == "tea" or viewer == 1
                second = begin + 0.25 + step / 2
                records.append(
                    make.reading(
                        second,
                        viewer,
                        number,
                        position_ms=1000 * (second - begin),
                        attentive=attentive,
                    )
                )
        records.append(make.play_end(number, begin + 8))
    card = read_card(find_model(None)).model_dump(mode="json")
    make.write_rolled(engine, records, site="Shop", model=ModelRecord("shipped", "cd" * 32, card))
    opening = replace(make_plan().opening, hours="00:00-24:00")
    plan = make_plan(
        measure="attention",
        outcome=None,
        opening=opening,
        block_s=8,
        starts_at=make.start.replace(microsecond=0),
        ends_at=make.at(24).replace(microsecond=0),
    )
    return plan, draw_blocks(plan)


def test_attention_is_a_mean_over_the_viewers_of_a_block(engine, audience):
    plan, blocks = audience
    found = block_values(engine, plan, blocks)
    assert found.value.tolist() == pytest.approx([1.0, 0.5, 1.0])
    assert found.weight.tolist() == [2, 2, 2]


def test_only_the_ads_of_the_experiment_count_if_there_are_two_arms(engine, audience):
    plan, blocks = audience
    other = replace(plan, control=("milk",))
    assert np.isnan(block_values(engine, other, blocks).value).tolist() == [False, True, False]
    without = replace(plan, control=())
    assert np.isfinite(block_values(engine, without, blocks).value).all()


def test_a_play_that_begins_in_the_wash_out_does_not_count(engine, audience):
    plan, blocks = audience
    found = block_values(engine, replace(plan, wash_out_s=1), blocks)
    assert np.isnan(found.value).all()
    assert not found.weight.any()


def test_valence_is_corrected(engine, audience):
    plan, blocks = audience
    found = block_values(engine, replace(plan, measure="valence"), blocks)
    calibration = read_card(find_model(None)).prevalence
    happy, _, negative, _ = group_scores(np.array([PROBABILITIES]), calibration)[0]
    assert found.value.tolist() == pytest.approx([happy - negative] * 3)
    assert found.weight.tolist() == [2, 2, 2]
