"""A measure of ads, divided by where and when they were shown."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from db.engine import open_database
from db.write.records import ModelRecord
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from monitor.analytics.breakdown import COUNTS, DIVISIONS, break_down
from monitor.analytics.errors import ReportError
from monitor.analytics.measures import MEASURES
from monitor.analytics.report_data import Scope, load_report_data
from tests.helpers.making import Make, moved_by

DAYS = (("Foyer", 6), ("Foyer", 6), ("Till", 2))
"""Site and viewers of three days; viewers look in all but the last second of four."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    engine = open_database(str(tmp_path_factory.mktemp("shop") / "kiosk.db"))
    make, card = Make(), read_card(shipped_default())
    model = ModelRecord(card.name, card.sha256, card.model_dump(mode="json"))
    for day, (site, viewers) in enumerate(DAYS):
        records = [make.ad(), make.play(), make.play_end(1, 4.0)]
        records[2:2] = [
            make.reading(step / 4, viewer, position_ms=step * 250.0, attentive=step < 12)
            for step in range(17)
            for viewer in range(viewers)
        ]
        moved = [moved_by(record, timedelta(days=day)) for record in records]
        began = make.start + timedelta(days=day)
        make.write_rolled(engine, moved, site=site, started_at=began, model=model)
    yield load_report_data(engine, Scope(), seconds=False)
    engine.dispose()


def test_counts_add_up_over_sites_and_days(data):
    for division, parts in (("site", [2, 1]), ("day", [1, 1, 1])):
        (row,) = break_down(data, "plays", division).rows
        assert row.total.value == 3
        assert [part.value for part in row.parts] == parts
    (row,) = break_down(data, "viewers", "site").rows
    assert [row.total.value, *(part.value for part in row.parts)] == [14, 12, 2]


def test_a_mean_over_viewers_has_an_interval_around_it(data):
    (row,) = break_down(data, "attention").rows
    assert row.total.value == pytest.approx(0.75, abs=0.05)
    assert row.total.low <= row.total.value <= row.total.high
    assert row.parts == ()


def test_few_viewers_are_withheld_and_cannot_be_computed_from_the_rest(data):
    (row,) = break_down(data, "attention", "site", min_viewers=5).rows
    assert row.total.viewers == 14
    # Till has two viewers; with Foyer's figure, they would be the rest of all.
    assert [part.viewers for part in row.parts] == [None, None]
    assert all(part.value is None and part.is_withheld for part in row.parts)
    (row,) = break_down(data, "plays", "site", min_viewers=5).rows
    assert [(part.value, part.viewers) for part in row.parts] == [(2, None), (1, None)]
    (row,) = break_down(data, "attention", "day", min_viewers=20).rows
    assert row.total.is_withheld
    assert all(part.is_withheld for part in row.parts)


def test_every_measure_can_be_divided_by_everything(data):
    for measure, division in product([*COUNTS, *MEASURES], DIVISIONS):
        found = break_down(data, measure, division)
        (row,) = found.rows
        assert len(row.parts) == len(found.parts)
        assert row.total.value is not None, measure
        assert all(part.value is not None for part in row.parts), measure


def test_an_unknown_measure_or_division_is_refused(data):
    with pytest.raises(ReportError, match="received 'beauty'"):
        break_down(data, "beauty")
    with pytest.raises(ReportError, match="received 'planet'"):
        break_down(data, "plays", "planet")
