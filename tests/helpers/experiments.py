"""Experiments made by hand, and shops that sell by chance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ads.playlists.playlist import DAYS
from db.read.experiments import BlockInfo, ExperimentInfo, Opening, OutcomeInfo
from monitor.analytics.experiments import BlockValues, Result, draw_blocks, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def make_plan(**changes: Any) -> ExperimentInfo:
    """An experiment over 28 days with hourly blocks from 8 to 20, UTC."""
    values: dict[str, Any] = {
        "name": "tea",
        "hypothesis": "Tea sells.",
        "treatment": ("tea",),
        "control": ("water",),
        "sites": ("Shop",),
        "measure": "outcome",
        "outcome": "sales",
        "relevant": 0.1,
        "stopping": "always_valid",
        "block_s": 3600,
        "wash_out_s": 0,
        "opening": Opening("08:00-20:00", tuple(DAYS), "UTC"),
        "starts_at": MONDAY,
        "ends_at": MONDAY + timedelta(days=28),
        "power": {},
        "seed": 1,
        "registered_at": MONDAY,
        "program_version": "1",
        "uid": "ab" * 16,
    }
    return ExperimentInfo(**(values | changes))


def sales_of(
    blocks: Sequence[BlockInfo],
    rng: np.random.Generator,
    *,
    lift: float = 0.0,
    noise: float = 0.3,
    day_noise: float = 0.0,
    neighbours: float = 0.0,
    effect_noise: float = 0.0,
) -> np.ndarray:
    """Sales of hourly blocks: busy afternoons and weekends, noise in per cent.

    Args:
        lift: Of the treatment.
        noise: Standard deviation of an hour.
        day_noise: Of a whole day, on the logarithm.
        neighbours: Correlation of an hour's noise with that of the hour before.
        effect_noise: Standard deviation of the lift from day to day.
    """
    hour = np.array([block.starts_at.hour for block in blocks])
    weekday = np.array([block.starts_at.weekday() for block in blocks])
    day = np.array([block.starts_at.toordinal() for block in blocks])
    treated = np.array([block.arm == "treatment" for block in blocks])
    level = 100 * (1 + 0.6 * np.sin((hour - 8) / 12 * np.pi)) * np.where(weekday >= 5, 1.4, 1.0)
    level = level * np.array([1, 0.95, 0.9, 1, 1.1, 1, 1])[weekday]
    error = rng.standard_normal(len(blocks))
    for place in range(1, len(blocks) if neighbours else 0):
        if day[place] == day[place - 1]:
            left = np.sqrt(1 - neighbours**2) * error[place]
            error[place] = neighbours * error[place - 1] + left
    days, index = np.unique(day, return_inverse=True)
    whole_day = np.exp(day_noise * rng.standard_normal(days.size))[index]
    effect = lift + effect_noise * rng.standard_normal(days.size)[index]
    noisy = np.maximum(0.0, 1 + noise * error)
    return level * whole_day * noisy * np.where(treated, 1 + effect, 1.0)


def values_of(blocks: Sequence[BlockInfo], values: np.ndarray, **more: Any) -> BlockValues:
    """Block values at one site."""
    day = np.array([block.starts_at.toordinal() for block in blocks])
    minute = np.array([block.starts_at.hour * 60 + block.starts_at.minute for block in blocks])
    weekend = np.array([block.starts_at.weekday() >= 5 for block in blocks])
    columns: dict[str, Any] = {
        "site": np.zeros(len(blocks), dtype=np.int64),
        "day": day,
        "pair": np.array([block.pair for block in blocks]),
        "stratum": minute * 2 + weekend,
        "treated": np.array([block.arm == "treatment" for block in blocks]),
        "value": np.asarray(values, dtype=np.float64),
        "weight": np.ones(len(blocks)),
    }
    return BlockValues(**(columns | more))


def outcomes_of(
    blocks: Sequence[BlockInfo], values: np.ndarray, name: str = "sales"
) -> list[OutcomeInfo]:
    """The sales of blocks as rows of an import."""
    return [
        OutcomeInfo(
            name,
            block.site,
            block.starts_at,
            (block.ends_at - block.starts_at).total_seconds(),
            float(value),
        )
        for block, value in zip(blocks, values, strict=True)
    ]


def run_experiments(
    runs: int,
    seed: int,
    *,
    hours: str = "08:00-22:00",
    stopping: str = "always_valid",
    **sales: Any,
) -> list[Result]:
    """Judge so many experiments over 28 days, each with its draw and its chance, to the end."""
    results = []
    for run in range(runs):
        opening = Opening(hours, tuple(DAYS), "UTC")
        plan = make_plan(seed=seed * 100_000 + run, opening=opening, stopping=stopping)
        blocks = draw_blocks(plan)
        values = sales_of(blocks, np.random.default_rng([seed, run]), **sales)
        results.append(
            judge(
                values_of(blocks, values),
                len(blocks),
                days=28,
                relative=True,
                relevant=plan.relevant,
                stopping=stopping,
                is_over=True,
            )
        )
    return results
