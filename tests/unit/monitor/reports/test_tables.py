"""The tables of a report: known answers, masks, and the same values in CSV and Parquet."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from detector.emotion.labels import EMOTIONS
from detector.emotion.prevalence import GROUPS, corrected_valence, group_scores, shares
from monitor.reports import tables
from monitor.reports.document import build_report

HAPPY = (0.1, 0.0, 0.0, 0.6, 0.0, 0.0, 0.3)
SAD = (0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.5)


@pytest.fixture
def table():
    def make(name, made, **options):
        data = made.data()
        return tables.table_of(name, build_report(data, **options), data)

    return make


@pytest.fixture
def rows_of(table):
    def make(name, made, **options) -> list[dict]:
        found = table(name, made, **options)
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows()]

    return make


@pytest.fixture
def made(maker):
    """Four plays: to viewers 1 and 2, to unreadable viewer 1, to nobody, and in a gap."""
    session = maker(length=60.0, site="Hall")
    ad = session.ad("tea", 3.0, name="=Tea")
    first, second = session.play(ad, 0.0, 3.0), session.play(ad, 10.0, 3.0)
    session.play(ad, 20.0, 3.0, "skipped")
    session.play(ad, 30.0, 3.0)
    for step in range(4):
        session.reading(first, 1, 0.1 + step / 5, 0.1 + step / 5, HAPPY, attentive=step < 2)
        session.reading(first, 2, 0.1 + step / 5, 0.1 + step / 5, SAD)
        session.reading(second, 1, 12.1 + step / 5, 2.1 + step / 5, withheld="too dark")
    session.reading(first, 2, 1.5, 1.5, HAPPY)
    session.gap(29.0, 34.0, "too_dark", "no light")
    return session


def test_seconds_are_means_over_the_viewers_of_a_play(rows_of, made):
    rows = rows_of("seconds", made)
    assert [(row["play"], row["second"]) for row in rows] == [(1, 0), (1, 1), (2, 2)]
    first = rows[0]
    start = made.plays[0].started_at
    scores = group_scores(np.array([HAPPY, SAD]), made.calibration).mean(axis=0)
    assert first == {
        "session_id": 7,
        "site": "Hall",
        "ad_id": "tea",
        "ad_version": None,
        "ad_name": "=Tea",
        "play": 1,
        "at": start,
        "second": 0,
        "n": 2,
        "emotion_viewers": 2,
        "valence": pytest.approx((0.5 - 0.5) / 2),
        "expressiveness": pytest.approx((0.7 + 0.5) / 2),
        "attention": pytest.approx((0.5 + 1.0) / 2),
        **{
            f"p_{e}": pytest.approx((a + b) / 2)
            for e, a, b in zip(EMOTIONS, HAPPY, SAD, strict=True)
        },
        "valence_corrected_audience": pytest.approx(float(corrected_valence(scores))),
        **{
            f"share_{group}": pytest.approx(share)
            for group, share in zip(GROUPS, shares(scores).tolist(), strict=True)
        },
    }
    assert rows[1]["at"] == start + timedelta(seconds=1)
    assert rows[2]["n"] == 1
    assert (rows[2]["emotion_viewers"], rows[2]["valence"], rows[2]["attention"]) == (0, None, 1.0)


def test_seconds_with_too_few_viewers_are_masked(rows_of, made):
    masked = rows_of("seconds", made, min_viewers=2)
    assert [row["n"] for row in masked] == [2, 1, 1]
    assert masked[0]["valence"] == pytest.approx(0.0)
    for row in masked[1:]:
        assert {row[key] for key in ("valence", "expressiveness", "attention", "p_happy")} == {None}


def test_plays_know_their_audience_and_what_was_not_measured(rows_of, made):
    rows = rows_of("plays", made)
    assert [row["play"] for row in rows] == [1, 2, 3, 4]
    assert [row["opportunities"] for row in rows] == [2, 1, 0, None]
    assert [row["outcome"] for row in rows] == ["finished", "finished", "skipped", "finished"]
    assert rows[0]["watchers"] == 1  # viewer 1 was attentive for 0.4 s only
    assert rows[0]["mean_valence"] == pytest.approx((0.5 + (4 * -0.5 + 0.5) / 5) / 2)
    assert rows[0]["shown_s"] == 3.0
    assert rows[0]["attention_s"] < rows[0]["dwell_s"]
    assert (rows[1]["mean_valence"], rows[1]["watchers"]) == (None, 1)
    assert (rows[2]["watchers"], rows[2]["dwell_s"]) == (0, None)
    assert (rows[3]["watchers"], rows[3]["dwell_s"]) == (None, None)


def test_plays_with_too_few_viewers_are_masked(rows_of, made):
    rows = rows_of("plays", made, min_viewers=2)
    assert [row["opportunities"] for row in rows[:2]] == [2, 1]
    # The first too: the ad's own figures less those of the first play would be those of one viewer.
    for row in rows[:2]:
        assert {row[key] for key in ("watchers", "dwell_s", "attention_s", "mean_valence")} == {
            None
        }
    # Both were in view, and the emotion of one of them is known.
    made.reading(made.plays[1].id, 3, 12.1, 2.1, HAPPY)
    rows = rows_of("plays", made, min_viewers=2)
    assert rows[0]["mean_valence"] is not None
    assert rows[1]["watchers"] == 1
    assert rows[1]["mean_valence"] is None


def test_gaps(rows_of, made):
    (row,) = rows_of("gaps", made)
    assert row == {
        "session_id": 7,
        "start": made.gaps[0].started_at,
        "end": made.gaps[0].ended_at,
        "cause": "too_dark",
        "detail": "no light",
    }


def test_timeline_and_ads_are_those_of_the_report(any_session):
    document = build_report(any_session.data())
    document["ads"][0] |= {"score": 61.0, "norms": [{"figure": "score", "percentile": 80.0}]}
    data = any_session.data()
    found = tables.table_of("timeline", document, data)
    assert len(list(found.rows())) == sum(len(ad["timeline"]) for ad in document["ads"])
    assert next(iter(found.rows()))[:5] == [7, "one", None, "One", 0]
    ads = tables.table_of("ads", document, data)
    first, *_, last = (dict(zip(ads.columns, row, strict=True)) for row in ads.rows())
    assert (first["score"], first["percentile_score"]) == (61.0, 80.0)
    assert first["mean_valence"] == document["ads"][0]["mean_valence"]
    assert first["p_sad"] == (document["ads"][0]["mean_probabilities"] or {}).get("sad")
    assert last["percentile_score"] is None


def test_versions_of_an_ad_are_numbered_as_in_the_report(rows_of, maker):
    made = maker()
    rows = [made.ad("tea", 2.0, row=row) for row in (9, 4)]
    for number, row in enumerate(rows):
        play = made.play(row, number * 5.0, 2.0)
        made.reading(play, 1, number * 5.0 + 0.5, 0.5, HAPPY)
    assert [row["ad_version"] for row in rows_of("seconds", made)] == [2, 1]
    assert [row["ad_version"] for row in rows_of("plays", made)] == [2, 1]


def test_seconds_agree_with_the_curves_where_each_viewer_saw_one_play(rows_of, any_session):
    """Over a single play the curve and the row are the same mean."""
    data = any_session.data()
    document = build_report(data)
    rows = rows_of("seconds", any_session)
    for ad in document["ads"]:
        if ad["plays"] != 1:
            continue
        for row in rows:
            if row["ad_id"] == ad["ad_id"]:
                second = ad["timeline"][row["second"]]
                assert (row["n"], row["emotion_viewers"]) == (
                    second["n"],
                    second["emotion_viewers"],
                )
                assert row["valence"] == pytest.approx(second["valence"])
                assert row["attention"] == pytest.approx(second["attention"])


def test_csv_is_safe_in_a_spreadsheet(table, made):
    text = tables.to_csv(table("seconds", made))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["ad_name"] == "'=Tea"
    assert rows[0]["at"] == "2026-03-01T09:00:00.000000Z"
    assert (rows[2]["valence"], rows[2]["n"]) == ("", "1")
    assert "\r" not in text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_formulas_are_marked(text):
    assert tables.plain(text) == "'" + text
    assert tables.plain("x" + text) == "x" + text


@pytest.mark.parametrize("name", tables.TABLES)
def test_parquet_has_types_and_the_same_values(table, made, name):
    parquet = pytest.importorskip("pyarrow.parquet")
    found = table(name, made)
    content = tables.to_parquet(found, 1)
    assert content == tables.to_parquet(found, 1)
    read = parquet.read_table(io.BytesIO(content))
    assert read.schema.metadata == {
        b"ad_monitor.report_version": b"1",
        b"ad_monitor.table": name.encode(),
    }
    types = {
        "text": "string",
        "whole": "int64",
        "number": "double",
        "moment": "timestamp[us, tz=UTC]",
    }
    assert {field.name: str(field.type) for field in read.schema} == {
        n: types[k] for n, k in found.columns.items()
    }
    assert [list(row.values()) for row in read.to_pylist()] == list(found.rows())


@pytest.mark.parametrize("name", tables.TABLES)
def test_tables_of_nothing_have_their_columns(table, maker, name):
    parquet = pytest.importorskip("pyarrow.parquet")
    found = table(name, maker())
    assert list(found.rows()) == []
    assert tables.to_csv(found) == ",".join(found.columns) + "\n"
    assert parquet.read_table(io.BytesIO(tables.to_parquet(found, 1))).column_names == list(
        found.columns
    )


def test_the_trades_figures_of_an_ad_are_in_its_row(rows_of, made):
    (row,) = rows_of("ads", made)
    assert (row["watchers_2s"], row["audience_impressions"]) == (0, 2)
    # Three exposures in two measured plays and the one that nobody saw.
    assert row["average_unit_audience"] == pytest.approx(3 / 3)
    assert (row["viewable_plays_1s"], row["cost"]) == (0, None)  # a replay has no screen


def test_multipliers(rows_of, made):
    (row,) = rows_of("multipliers", made)
    assert (row["site"], row["weekday"], row["plays"], row["exposures"]) == ("Hall", "sun", 3, 3)
    assert row["multiplier"] == pytest.approx(1.0)


def test_ad_plays_are_the_verified_ones_and_gaps_get_the_hours_multiplier(rows_of, made):
    assert rows_of("ad_plays", made) == []  # a replay has no screen
    data = made.data()
    made.data = lambda: replace(data, sessions=(replace(data.sessions[0], kind="run"),))
    rows = rows_of("ad_plays", made)
    assert [row["impressionCount"] for row in rows] == [2, 1, pytest.approx(1.0)]
    assert rows[0] == {
        "lineExternalId": None,
        "adUnitExternalId": "Hall",
        "creativeAssetExternalId": "tea",
        "startTime": made.plays[0].started_at,
        "endTime": made.plays[0].ended_at,
        "impressionCount": 2,
    }


def test_unknown_table(table, made):
    with pytest.raises(
        tables.UnknownTableError,
        match="expected one of seconds, timeline, ads, plays, gaps, multipliers, ad_plays, "
        "scenes, screens, received",
    ):
        table("x", made)
