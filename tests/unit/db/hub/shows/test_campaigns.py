"""What a campaign has reached; its pages are tested in `tests/unit/monitor/web/pages`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select

from db.engine import snapshot, writing
from db.hub.shows.campaigns import CampaignPlan, reached
from db.hub.tables.intake import Cell
from db.schema import SUM_COLUMNS, Ad, Origin
from tests.helpers.hub_shows import add_creative
from tests.helpers.making import Make

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


@pytest.fixture
def summer(engine: Engine) -> str:
    """A creative whose ad a kiosk has shown twice."""
    Make().write(engine)
    with writing(engine) as connection:
        return add_creative(connection, "summer")


def done(engine: Engine, uid: str, kind: str, min_viewers: int) -> float:
    begin = Make().start.replace(hour=0, minute=0, second=0, microsecond=0)
    plan = CampaignPlan("Spring", (uid,), date(2026, 3, 1), date(2026, 3, 10), kind, 100)
    with snapshot(engine) as connection:
        return reached(connection, plan, begin, begin + timedelta(days=10), min_viewers=min_viewers)


def send_hours(engine: Engine, viewers: list[int]) -> None:
    """Store hourly sums of 10 attentive seconds each, a day after the session."""
    figures = dict.fromkeys(SUM_COLUMNS, 0.0) | {"readings": 9, "emotion_readings": 8}
    with writing(engine) as connection:
        ad = connection.scalar(select(Ad.id).where(Ad.ad_id == "summer"))
        origin = connection.scalar(select(Origin.id))
        for hour, count in enumerate(viewers, 24):
            times = {"hour": Make().start + timedelta(hours=hour), "second": -1}
            row = {"origin_id": origin, "ad_version_id": ad, "viewers": count, "attention_s": 10.0}
            connection.execute(insert(Cell).values(**figures, **times, **row))


def test_plays_and_seconds_of_its_ads_only(engine: Engine, summer: str) -> None:
    send_hours(engine, [1, 3])
    assert done(engine, summer, "plays", 1) == 2
    assert done(engine, summer, "attentive_seconds", 1) == 20
    assert done(engine, "f" * 32, "plays", 1) == 0
    assert done(engine, "f" * 32, "attentive_seconds", 1) == 0


def test_hours_of_few_viewers_do_not_become_many_by_adding_them_up(
    engine: Engine, summer: str
) -> None:
    send_hours(engine, [1] * 6)  # perhaps one person, in six hours
    assert done(engine, summer, "attentive_seconds", 5) == 0
    assert done(engine, summer, "attentive_seconds", 1) == 60


def test_hours_of_enough_viewers_count_beside_few_in_sessions(engine: Engine, summer: str) -> None:
    send_hours(engine, [5, 4, 7])
    assert done(engine, summer, "attentive_seconds", 5) == 20
