"""Each death of the kiosk gets its pause (monitor/kiosk/supervision/supervisor.py)."""

from __future__ import annotations

import pytest

from monitor.kiosk.supervision.supervisor import Restarts


def test_pauses_double_and_then_only_the_ads_are_shown():
    restarts = Restarts(limit=5)
    assert [restarts.died(at) for at in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert not restarts.ads_only
    assert restarts.died(4) == 0.5
    assert restarts.ads_only


def test_deaths_that_are_far_apart_change_nothing():
    restarts = Restarts(limit=3, window_s=600)
    assert [restarts.died(at) for at in (0, 400, 1001, 1402, 2003)] == [0.5, 1.0, 0.5, 1.0, 0.5]
    assert not restarts.ads_only


def test_when_even_the_ads_alone_die_it_is_tried_for_ever_with_long_pauses():
    restarts = Restarts(limit=3)
    for at in range(3):
        restarts.died(at)
    assert [restarts.died(at) for at in range(3, 8)] == [0.5, 1.0, 60.0, 60.0, 60.0]
    assert restarts.ads_only
    # After a while in peace it begins anew.
    assert restarts.died(2000) == 0.5


def test_a_limit_of_one():
    restarts = Restarts(limit=1)
    restarts.died(0)
    assert restarts.ads_only
    assert restarts.died(1) == 60.0


def test_measuring_is_tried_again_after_a_day():
    restarts = Restarts(limit=2)
    restarts.died(0)
    assert not restarts.measuring_due(1e9)
    restarts.died(10)
    assert not restarts.measuring_due(10 + 86_399)
    assert restarts.measuring_due(10 + 86_400)
    restarts.measure_again()
    assert not restarts.ads_only
    assert restarts.died(86_500) == 0.5


@pytest.mark.parametrize("deaths", [100, 5000])
def test_the_pause_has_a_limit_however_often_it_dies(deaths):
    restarts = Restarts(limit=1_000_000, window_s=1e9)
    assert [restarts.died(at) for at in range(deaths)][-1] == 5.0
