"""The cost of a part is that of its fastest turn, and grows with how often it is done."""

from __future__ import annotations

import pytest

from benchmarks import kiosk_cost


def test_the_fastest_turn_counts_by_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.9, 1.0, 1.4, 2.0, 2.8])
    monkeypatch.setattr(kiosk_cost.time, "process_time", lambda: next(clock))
    assert kiosk_cost.fastest_ms(lambda: 4, turns=3) == pytest.approx(100)


def test_an_hour_has_3600_times_what_a_second_has() -> None:
    assert kiosk_cost.per_hour_s(2.0, 30) == pytest.approx(216)
