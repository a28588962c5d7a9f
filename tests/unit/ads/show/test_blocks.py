"""Blocks of an experiment in the rotation: only the ads of the arm, and never a dark screen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.playlists.playlist import Ad, Hours
from ads.policies import POLICY_NAMES, make_policy
from ads.show.blocks import Block, BlockSchedule
from ads.show.schedule import Rotation

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def ad(name: str, **more: object) -> Ad:
    path = Path(f"/media/{name}.jpg")
    return Ad(name, path, name, "image", 1.0, "0" * 64, **more)  # type: ignore[arg-type]


def block(number: int, arm: str, *withheld: str) -> Block:
    starts_at = START + number * 30 * MINUTE
    return Block("tea", number, arm, starts_at, starts_at + 30 * MINUTE, frozenset(withheld))


BLOCKS = BlockSchedule([block(2, "control", "tea"), block(1, "treatment", "water")])


@given(st.integers(0, 200))
def test_the_block_of_a_moment(minutes):
    found = BLOCKS.at(START + minutes * MINUTE)
    expected = 1 if 30 <= minutes < 60 else 2 if 60 <= minutes < 90 else None
    assert (None if found is None else found.number) == expected


def test_no_block_without_a_moment_or_blocks():
    assert BLOCKS.at(None) is None
    assert BlockSchedule().at(START) is None


@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_a_block_shows_its_arm_and_ads_outside_the_experiment(policy):
    ads = [ad("tea", priority=1), ad("water", priority=1), ad("shoes", priority=1)]
    rotation = Rotation(ads, make_policy(policy), None, BLOCKS)
    for minutes, shown in (
        (0, {"tea", "water", "shoes"}),
        (30, {"tea", "shoes"}),
        (60, {"water", "shoes"}),
    ):
        local = START + minutes * MINUTE
        choices = [rotation.choose(n, local) for n in range(60)]
        assert {choice.ad.ad_id for choice in choices} == shown
        named = {
            (c.context.get("experiment"), c.context.get("block"), c.context.get("arm"))
            for c in choices
        }
        arms = {30: ("tea", 1, "treatment"), 60: ("tea", 2, "control")}
        assert named == {arms.get(minutes, (None, None, None))}


def test_an_ad_that_is_left_out_neither_outranks_nor_interrupts():
    ads = [ad("tea", priority=9, takeover=True), ad("water"), ad("shoes")]
    rotation = Rotation(ads, make_policy("sequential"), None, BLOCKS)
    control, treatment = START + 60 * MINUTE, START + 30 * MINUTE
    assert rotation.choose(0, control).ad.ad_id == "water"
    assert not rotation.interrupts(ads[1], 0, control)
    assert rotation.choose(0, treatment).ad.ad_id == "tea"
    assert rotation.interrupts(ads[2], 0, treatment)


def test_an_ad_chosen_before_a_block_is_not_allowed_in_it():
    rotation = Rotation([ad("tea"), ad("water")], make_policy("sequential"), None, BLOCKS)
    assert rotation.allows(ad("tea"), 0, START + 59 * MINUTE)
    assert not rotation.allows(ad("tea"), 0, START + 60 * MINUTE)


def test_the_screen_does_not_go_dark_for_an_experiment():
    control = START + 60 * MINUTE
    only = Rotation([ad("tea")], make_policy("sequential"), None, BLOCKS)
    assert only.choose(0, control).ad.ad_id == "tea"
    assert only.allows(ad("tea"), 0, control)
    broken = Rotation([ad("tea"), ad("water")], make_policy("sequential"), None, BLOCKS)
    assert broken.choose(0, control, without=("water",)).ad.ad_id == "tea"
    assert broken.allows(ad("tea"), 0, control, without=("water",))
    night = ad("water", hours=(Hours(0, 60),))
    closed = Rotation([ad("tea"), night], make_policy("sequential"), None, BLOCKS)
    assert closed.choose(0, control).ad.ad_id == "tea"
