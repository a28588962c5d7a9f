"""Scenes and baselines in the document: present, withheld, or absent with the reason."""

from __future__ import annotations

import pytest

from monitor.reports.diagnostics import videos_seen
from monitor.reports.document import build_report
from monitor.reports.tables import table_of

HAPPY = (0.0, 0.0, 0.0, 0.8, 0.0, 0.0, 0.2)


@pytest.fixture
def made(maker):
    """Three ads of 4 s, the first with two viewers who look away from the third second on."""
    session = maker(length=60.0)
    for number, ad_id in enumerate(("tea", "rum", "oat")):
        start = 10.0 * number
        play = session.play(session.ad(ad_id, 4.0), start, 4.0)
        for viewer in (1, 2) if number == 0 else (3,):
            for step in range(40):
                at = step / 10
                looks = at < 2 if number == 0 else number == 1
                session.reading(play, viewer, start + at, at, HAPPY, attentive=looks)
    return session


def starts_of(made, **by_ad):
    return {ad.sha256: by_ad[ad.ad_id] for ad in made.ads if ad.ad_id in by_ad}


def test_scenes_of_an_ad(made):
    report = build_report(made.data(), scene_starts=starts_of(made, tea=[0.0, 2.0]))
    tea, rum, _ = report["ads"]
    assert [(scene["start_s"], scene["end_s"]) for scene in tea["scenes"]] == [(0, 2), (2, 4)]
    assert [scene["attention"] for scene in tea["scenes"]] == [1.0, 0.0]
    assert tea["scenes"][1]["change"]["attention"]["value"] == -1.0
    assert rum["scenes"] is None
    assert report["withheld"] == []


def test_without_the_file_the_reason_is_withheld(made):
    why = "the file tea.mp4 was not found"
    report = build_report(made.data(), scene_starts=starts_of(made, tea=why))
    assert report["ads"][0]["scenes"] is None
    assert {"ad_id": "tea", "figures": ["scenes"], "why": why} in report["withheld"]


def test_scenes_that_too_few_saw(made):
    report = build_report(made.data(), scene_starts=starts_of(made, rum=[0.0, 2.0]), min_viewers=2)
    rum = report["ads"][1]
    assert [scene["attention"] for scene in rum["scenes"]] == [None, None]
    whys = [entry["why"] for entry in report["withheld"] if entry["figures"] == ["scenes"]]
    assert whys == ["fewer than 2 viewers saw 2 scenes"]


def test_the_baseline_is_the_mean_of_the_other_ads(made):
    tea, rum, oat = build_report(made.data())["ads"]
    assert [second["attention"] for second in tea["baseline"]] == [0.5] * 4
    assert [second["attention"] for second in rum["baseline"]] == [0.5, 0.5, 0.0, 0.0]
    assert [second["ads"] for second in oat["baseline"]] == [2] * 4


def test_a_lone_ad_has_no_baseline(maker):
    made = maker()
    made.play(made.ad("tea", 2.0), 0.0, 2.0)
    assert build_report(made.data())["ads"][0]["baseline"] == []


def test_only_videos_that_somebody_saw_are_looked_at(made):
    made.play(made.ad("gin", 4.0), 40.0, 4.0)
    assert [ad.ad_id for ad in videos_seen(made.data())] == ["tea", "rum", "oat"]


def test_the_table_of_scenes(made):
    data = made.data()
    document = build_report(data, scene_starts=starts_of(made, tea=[0.0, 2.0]))
    table = table_of("scenes", document, data)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows()]
    assert [(row["ad_id"], row["scene"], row["attention"]) for row in rows] == [
        ("tea", 1, 1.0),
        ("tea", 2, 0.0),
    ]
    assert rows[0]["attention_change"] is None
    assert rows[1]["attention_change"] == -1.0
