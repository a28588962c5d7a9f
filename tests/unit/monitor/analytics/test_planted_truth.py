"""A planted session, written by the real writer: every figure is calculated a second time.

Also what the intervals promise: over many simulated sessions they cover the truth as often as they
say, and intervals that took frames for samples would not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from db.engine import open_database
from db.read.ads import ad_totals
from db.read.formulas import WATCHER_ATTENTION_S, RolledPlay, roll_up
from db.read.rollups import store_roll_ups
from db.read.sessions import ReadingArrays, load_session
from db.write.records import (
    AdRecord,
    ModelRecord,
    PlayEnded,
    PlayStarted,
    SessionEnded,
    SessionRecord,
    ViewerFlagged,
)
from db.write.session_writer import SessionWriter
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from detector.types import WITHHELD_REASONS
from monitor.analytics import metrics
from monitor.analytics.errors import EmptyScopeError
from monitor.analytics.norms import FIGURES, build_norms
from monitor.analytics.report_data import Scope, load_report_data
from monitor.cli.shared.errors import is_callers_mistake
from monitor.reports.document import build_report, make_report
from tests.helpers.making import reading_record, undo_roll_ups

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
LENGTHS = {"tea": 6.0, "shoes": 4.3, "cars": 8.04}
POSTER = 99
CARD = read_card(shipped_default())


@dataclass(frozen=True)
class Row:
    """One planted reading, in seconds since the start."""

    play: int | None
    viewer: int
    time: float
    position: float | None
    p: tuple[float, ...] | None
    attentive: bool
    uncertain: bool
    reason: str | None


def plant(seed: int) -> tuple[list[Row], list[tuple[int, str, float, float]]]:
    """Readings of a session and its plays `(number, ad, start, end)`."""
    rng = np.random.default_rng(seed)
    plays, rows = [], []
    clock = 0.0
    for number in range(1, 13):
        ad = list(LENGTHS)[(number - 1) % 3]
        end = round(clock + LENGTHS[ad] + 0.03, 6)
        plays.append((number, ad, clock, end))
        clock = round(end + (1.5 if number % 4 == 0 else 0.0), 6)
    for viewer in [*range(1, 26), POSTER]:
        time = 0.0 if viewer == POSTER else rng.uniform(0, clock - 3)
        end = clock if viewer == POSTER else time + rng.exponential(9.0)
        taste = rng.dirichlet(np.full(7, 0.7))
        while time < min(end, clock):
            on = next((play for play in plays if play[2] <= time < play[3]), None)
            p = tuple((0.6 * taste + 0.4 * rng.dirichlet(np.full(7, 0.5))).tolist())
            reason = str(rng.choice(WITHHELD_REASONS)) if rng.random() < 0.1 else None
            at = round(time, 6)
            rows.append(
                Row(
                    play=None if on is None else on[0],
                    viewer=viewer,
                    time=at,
                    position=None if on is None else round(at - on[2], 6),
                    p=None if reason else p,
                    attentive=bool(rng.random() < 0.7),
                    uncertain=bool(rng.random() < 0.2) or reason is not None,
                    reason=reason,
                )
            )
            time += float(rng.choice([0.1, 0.11, 0.2, 0.8], p=[0.5, 0.3, 0.15, 0.05]))
    return sorted(rows, key=lambda row: row.time), plays


def moment(seconds: float) -> datetime:
    return START + timedelta(microseconds=round(seconds * 1e6))


def valence(p) -> float:
    return p[3] - max(p[0], p[1], p[2], p[4])


def write(engine, rows, plays, *, site="Foyer", rolled_up=True) -> int:
    """Write the planted session as a kiosk does: a play's end before its last reading."""
    model = ModelRecord(CARD.name, CARD.sha256, CARD.model_dump(mode="json"))
    session = SessionRecord("run", site, "0", START, "0.1.0", model=model)
    events = [
        (start, PlayStarted(number, ad, moment(start), "next")) for number, ad, start, _ in plays
    ]
    events += [
        (end, PlayEnded(number, moment(end), "finished", 1000 * (end - start)))
        for number, _, start, end in plays
    ]
    events += [
        (
            row.time + 0.3,  # inference takes a while
            reading_record(
                at=moment(row.time),
                viewer_number=row.viewer,
                play_number=row.play,
                position_ms=None if row.position is None else row.position * 1000,
                probabilities=row.p,
                valence=None if row.p is None else valence(row.p),
                expressiveness=None if row.p is None else 1 - row.p[6],
                uncertain=row.uncertain,
                yaw=None,
                pitch=None,
                roll=None,
                attentive=row.attentive,
                quality=1.0,
                box=(0.0, 0.0, 0.1, 0.1),
                withheld=row.reason,
            ),
        )
        for row in rows
    ]
    with SessionWriter(engine, session) as writer:
        for number, (ad, length) in enumerate(LENGTHS.items()):
            writer.submit(
                AdRecord(
                    ad, ad.title(), f"{ad}.mp4", f"{number:064x}", "video", round(length * 1000)
                )
            )
        for _, record in sorted(events, key=lambda event: event[0]):
            writer.submit(record)
        writer.submit(ViewerFlagged(moment(rows[-1].time), POSTER))
        writer.close(SessionEnded(moment(rows[-1].time + 1), "finished", 900, 100, 29.0))
    assert writer.lost == 0
    if not rolled_up:
        undo_roll_ups(engine, writer.session_id)
    return writer.session_id


def presence(rows, plays, ad, mine):
    """Dwell and attention by viewer and play, who watched, who was held, and baselines."""
    length, people = LENGTHS[ad], sorted({row.viewer for row in mine})
    dwell, looked, watched, held = {}, {}, set(), set()
    baseline = {}
    intervals = {}
    for number, _, start, end in [play for play in plays if play[1] == ad]:
        # How often faces were read does not depend on whether one of them is a poster.
        every = [
            np.diff([row.time for row in rows if row.viewer == viewer and row.play == number])
            for viewer in {row.viewer for row in rows}
        ]
        between = np.concatenate(every)
        slow = float(np.median(between)) if len(between) >= 5 else 0.0
        intervals[number] = min(0.5, max(0.1, slow))
        before = max((p[3] for p in plays if p[3] <= start), default=-1e9)
        for viewer in people:
            seen = [row for row in mine if row.viewer == viewer and row.play == number]
            if not seen:
                continue
            times = [row.time for row in seen]
            gaps = np.diff(times)
            most = 1.5 * intervals[number]
            spans = [
                *np.minimum(gaps, most),
                min(most, float(np.median(gaps))) if len(gaps) else intervals[number],
            ]
            spans = [
                max(0.0, min(span, end - time)) for span, time in zip(spans, times, strict=True)
            ]
            dwell[viewer, number] = sum(spans)
            looked[viewer, number] = sum(
                s for s, row in zip(spans, seen, strict=True) if row.attentive
            )
            longest = run = 0.0
            for k, row in enumerate(seen):
                hole = k > 0 and times[k] - times[k - 1] > 0.5 + 1e-9
                run = 0.0 if not row.attentive else (spans[k] if hole else run + spans[k])
                longest = max(longest, run)
            if longest >= 0.5 - 1e-9:
                watched.add(viewer)
                if looked[viewer, number] >= length / 2 - 1e-9:
                    held.add(viewer)
            early = [valence(row.p) for row in seen if row.p and row.position < 1.0]
            early += [
                valence(row.p)
                for row in rows
                if row.viewer == viewer
                and row.p
                and row.play is None
                and before <= row.time < start
            ]
            if early:
                baseline[viewer, number] = float(np.median(early))
    return dwell, looked, watched, held, baseline


def scores(p):
    """Happy, surprise, negative and neutral of one face, after `docs/explanation/metrics.md`."""
    ordinary = (0.02, 0.005, 0.005, 0.10, 0.03, 0.04, 0.80)
    q = [p_k * r / a for p_k, r, a in zip(p, ordinary, CARD.prevalence.prior, strict=True)]
    angry, disgust, fear, happy, sad, surprise, neutral = (each / sum(q) for each in q)
    classes = [happy, surprise, angry, disgust + fear + sad, neutral]
    # The rows of the card are rounded and add up to 1 but for that.
    confusion = [np.divide(row, sum(row)) for row in CARD.prevalence.confusion]
    happy, surprise, angry, other, neutral = np.linalg.solve(np.transpose(confusion), classes)
    return np.array([happy, surprise, angry + other, neutral])


def mean_scores(read):
    return np.mean([np.mean([scores(r.p) for r in own], axis=0) for own in read.values()], axis=0)


def shares_of(found):
    clipped = [max(0.0, each) for each in found]
    names = ("happy", "surprise", "negative", "neutral")
    return dict(zip(names, (each / sum(clipped) for each in clipped), strict=True))


def curves(mine, baseline, length):
    """The timeline of an ad."""
    seconds = max(1, int(np.ceil(round(length - 0.1, 6))))
    timeline = []
    for k in range(seconds):
        inside = [row for row in mine if min(int(row.position), seconds - 1) == k]
        there = sorted({row.viewer for row in inside})
        own = {v: [row for row in inside if row.viewer == v] for v in there}
        known = {v: [row for row in own[v] if row.p] for v in there}
        known = {v: values for v, values in known.items() if values}
        means = np.array([np.mean([row.p for row in values], axis=0) for values in known.values()])
        values = [np.mean([valence(row.p) for row in rows_]) for rows_ in known.values()]
        shift = [
            [valence(row.p) - baseline[v, row.play] for row in rows_ if (v, row.play) in baseline]
            for v, rows_ in known.items()
        ]
        shift = [np.mean(some) for some in shift if some]
        timeline.append(
            {
                "second": k,
                "n": len(there),
                "emotion_viewers": len(known),
                "valence": np.mean(values) if values else None,
                "valence_median": np.median(values) if values else None,
                "valence_corrected": np.mean(shift) if shift else None,
                "expressiveness": np.mean(1 - means[:, 6]) if values else None,
                "attention": np.mean([np.mean([r.attentive for r in own[v]]) for v in there])
                if there
                else None,
                "probabilities": dict(zip(EMOTIONS, means.mean(axis=0), strict=True))
                if values
                else None,
                "probabilities_median": dict(zip(EMOTIONS, np.median(means, axis=0), strict=True))
                if values
                else None,
                "share_over_half": dict(zip(EMOTIONS, (means > 0.5).mean(axis=0), strict=True))
                if values
                else None,
                "scored_viewers": len(known),
                "shares": shares_of(mean_scores(known)) if values else None,
                "valence_corrected_audience": (mean_scores(known) @ [1, 0, -1, 0]).clip(-1, 1)
                if values
                else None,
            }
        )
    return timeline


def truth(rows, plays, ad) -> dict:
    """Every figure of an ad, from the planted readings alone; shares no code with the report."""
    mine = [
        row
        for row in rows
        if row.viewer != POSTER and any(p[0] == row.play and p[1] == ad for p in plays)
    ]
    people = sorted({row.viewer for row in mine})
    dwell, looked, watched, held, baseline = presence(rows, plays, ad, mine)
    read = {v: [row for row in mine if row.viewer == v and row.p] for v in people}
    read = {v: own for v, own in read.items() if own}
    corrected = {
        v: [valence(r.p) - baseline[v, r.play] for r in own if (v, r.play) in baseline]
        for v, own in read.items()
    }
    corrected = {v: values for v, values in corrected.items() if values}
    p = np.mean([np.mean([row.p for row in own], axis=0) for own in read.values()], axis=0)
    timeline = curves(mine, baseline, LENGTHS[ad])
    late = {
        v: [row.p[3] for row in own if row.position >= LENGTHS[ad] - 1] for v, own in read.items()
    }
    end_happy = np.mean([np.mean(values) for values in late.values() if values])
    happy = [second["probabilities"]["happy"] for second in timeline]
    surprise = [second["probabilities"]["surprise"] for second in timeline[:8]]
    curve = [second["valence"] for second in timeline]
    rises, falls = np.diff(curve), -np.diff([second["attention"] for second in timeline])
    attraction = {"kind": "attraction", "second": int(np.argmax(surprise)), "value": max(surprise)}
    impact = (max(happy) + end_happy) / 2
    return {
        "opportunities": len(people),
        "watchers": len(watched),
        "held": len(held),
        "conversion": len(watched) / len(people),
        "exposures": len(dwell),
        "dwell_s": sum(dwell.values()),
        "mean_dwell_s": np.mean(
            [np.mean([t for (w, _), t in dwell.items() if w == v]) for v in people]
        ),
        "attention_s": sum(looked.values()),
        "attraction_ratio": sum(looked.values()) / sum(dwell.values()),
        "readings": len(mine),
        "emotion_viewers": len(read),
        "mean_probabilities": dict(zip(EMOTIONS, p, strict=True)),
        "dominant_emotion": EMOTIONS[int(np.argmax(p))],
        "mean_valence": np.mean(
            [np.mean([valence(row.p) for row in own]) for own in read.values()]
        ),
        "mean_valence_corrected": np.mean([np.mean(values) for values in corrected.values()]),
        "shares": shares_of(mean_scores(read)),
        "valence_corrected_mean": mean_scores(read) @ [1, 0, -1, 0],
        "expressiveness": np.mean(
            [np.mean([1 - row.p[6] for row in own]) for own in read.values()]
        ),
        "uncertain_share": np.mean([row.uncertain for own in read.values() for row in own]),
        "peak_valence": max(curve),
        "attraction": attraction,
        "impact": impact,
        "moments": [
            {"kind": "peak", "second": int(np.argmax(curve)), "value": max(curve)},
            {"kind": "trough", "second": int(np.argmin(curve)), "value": min(curve)},
            {"kind": "steepest_rise", "second": int(np.argmax(rises)) + 1, "value": max(rises)},
            {"kind": "attention_drop", "second": int(np.argmax(falls)) + 1, "value": max(falls)},
            attraction,
            {"kind": "impact", "second": int(np.argmax(happy)), "value": impact},
        ],
        "timeline": timeline,
    }


def close_to(found, expected, where: str) -> int:
    """Compares all that the truth knows, to 1e-9; returns how many numbers that were."""
    if isinstance(expected, dict):
        return sum(close_to(found[key], value, f"{where}.{key}") for key, value in expected.items())
    if isinstance(expected, list):
        assert len(found) == len(expected), where
        return sum(
            close_to(f, e, f"{where}[{k}]")
            for k, (f, e) in enumerate(zip(found, expected, strict=True))
        )
    if expected is None or isinstance(expected, str):
        assert found == expected, where
        return 1
    assert found == pytest.approx(expected, abs=1e-9), where
    return 1


@pytest.fixture
def engine(tmp_path):
    engine = open_database(str(tmp_path / "planted.db"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("seed", "stored"),
    [
        (1, True),
        (2, False),
        *(
            pytest.param(*chosen, marks=pytest.mark.slow)
            for chosen in ((1, False), (2, True), (3, True), (3, False))
        ),
    ],
)
def test_every_figure_equals_an_independent_calculation(engine, seed, stored):
    rows, plays = plant(seed)
    write(engine, rows, plays, rolled_up=stored)
    report = build_report(load_report_data(engine, Scope(session_ids=(1,))))
    compared = 0
    for ad in LENGTHS:
        (entry,) = [entry for entry in report["ads"] if entry["ad_id"] == ad]
        compared += close_to(entry, truth(rows, plays, ad), ad)
    assert compared > 600
    people = [row for row in rows if row.viewer != POSTER]
    assert report["session"]["viewers"] == len({row.viewer for row in people})
    assert report["session"]["readings"] == len(people)
    assert report["session"]["static_faces"] == 1
    quality = report["quality"]
    read = [row for row in people if row.p]
    assert quality["uncertain_share"] == pytest.approx(
        np.mean([row.uncertain for row in read]), abs=1e-9
    )
    assert quality["readings_between_ads"] == sum(row.play is None for row in people)
    for reason in WITHHELD_REASONS:
        share = sum(row.reason == reason for row in people) / len(people)
        assert quality["withheld_readings"][reason] == pytest.approx(share, abs=1e-9)
    assert quality["dropped_share"] == 0.1


def test_a_report_on_two_sessions_takes_their_viewers_for_different_people(engine):
    first, second = plant(4), plant(5)
    write(engine, *first)
    write(engine, *second, rolled_up=False)
    both = build_report(load_report_data(engine, Scope()))
    later = [
        Row(
            row.play and row.play + 100,
            row.viewer + 1000 * (row.viewer != POSTER),
            row.time,
            *list(vars(row).values())[3:],
        )
        for row in second[0]
    ]
    plays = [*first[1], *((number + 100, ad, start, end) for number, ad, start, end in second[1])]
    for ad in LENGTHS:
        (entry,) = [entry for entry in both["ads"] if entry["ad_id"] == ad]
        # The second session has the same clock; only its baselines between ads are looked up in its
        # own time.
        expected = truth(first[0] + later, plays, ad)
        for key in (
            "opportunities",
            "watchers",
            "held",
            "dwell_s",
            "attention_s",
            "mean_valence",
            "peak_valence",
            "impact",
        ):
            assert entry[key] == pytest.approx(expected[key], abs=1e-9), key
    assert both["session"]["id"] is None
    assert both["session"]["viewers"] == 50
    assert [entry["id"] for entry in both["sessions"]] == [1, 2]
    assert both["report"]["scope"]["sessions"] == 2


def test_the_library_has_the_figures_of_reports(engine):
    for seed, site in ((4, "Foyer"), (5, "Foyer"), (6, "Attic")):
        write(engine, *plant(seed), site=site)
    library = {
        (ad.ad_id, ad.site): ad for ad in build_norms(ad_totals(engine, WATCHER_ATTENTION_S)).ads
    }
    assert library.keys() == {(ad, site) for ad in LENGTHS for site in (None, "Attic", "Foyer")}
    for (ad_id, site), ad in library.items():
        report = build_report(load_report_data(engine, Scope(sites=(site,) if site else ())))
        (entry,) = [entry for entry in report["ads"] if entry["ad_id"] == ad_id]
        assert (ad.viewers, ad.emotion_viewers) == (
            entry["opportunities"],
            entry["emotion_viewers"],
        )
        for figure in FIGURES:
            if figure == "dwell_share":
                continue
            assert ad.figures[figure] == pytest.approx(entry[figure], abs=1e-9), figure
        assert ad.figures["dwell_share"] == pytest.approx(
            entry["mean_dwell_s"] / LENGTHS[ad_id], abs=1e-9
        )


def test_the_report_made_for_people_knows_the_library(engine):
    write(engine, *plant(4))
    write(engine, *plant(5), site="Attic")
    document, data = make_report(engine, Scope(session_ids=(1,)), min_viewers=2)
    assert [info.id for info in data.sessions] == [1]
    assert document["report"]["min_viewers"] == 2
    assert {norm["library_size"] for norm in document["ads"][0]["norms"]} == {2}
    assert len(document["comparisons"]) == 3


def test_a_scope_without_a_session_is_refused(engine):
    with pytest.raises(EmptyScopeError, match="expected at least one") as caught:
        load_report_data(engine, Scope(sites=("nowhere",)))
    assert is_callers_mistake(caught.value)


def test_rolling_up_later_changes_nothing(engine):
    write(engine, *plant(6), rolled_up=False)
    before = json.dumps(build_report(load_report_data(engine, Scope())))
    assert store_roll_ups(engine) == 12
    assert json.dumps(build_report(load_report_data(engine, Scope()))) == before


def test_the_planted_session_has_what_is_hard(engine):
    """The planted session has late readings, readings between ads and holes."""
    rows, plays = plant(1)
    write(engine, rows, plays, rolled_up=False)
    read = load_session(engine, 1).readings
    assert (read.play_id < 0).sum() > 20
    assert (read.withheld >= 0).sum() > 50
    assert any(
        (np.diff(read.at_us[read.viewer == viewer]) > 500_000).any()
        for viewer in np.unique(read.viewer)
    )


# --- what the interval promises ---


def simulated(rng: np.random.Generator, viewers: int, truth_valence: float) -> ReadingArrays:
    """A play of 8 s, viewers of different mean valence with correlated readings."""
    parts = []
    for viewer in range(viewers):
        n = int(rng.integers(15, 80))
        own = rng.normal(truth_valence, 0.2)
        noise = np.zeros(n)
        for k in range(1, n):
            noise[k] = 0.9 * noise[k - 1] + rng.normal(0, 0.05)
        start = rng.integers(0, 80 - n + 1)
        at_us = (np.arange(n) + start) * 100_000
        parts.append((np.full(n, viewer), at_us, np.clip(own + noise, -1, 1)))
    viewer, at_us, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    size = viewer.size
    p = np.zeros((size, 7))
    p[:, 3], p[:, 6] = np.clip(values, 0, 1), 1 - np.clip(values, 0, 1)
    return ReadingArrays(
        play_id=np.ones(size, dtype=np.int64),
        viewer=viewer.astype(np.int64),
        at_us=at_us.astype(np.int64),
        position_ms=at_us / 1000.0,
        probabilities=p,
        valence=values,
        expressiveness=1 - p[:, 6],
        uncertain=np.zeros(size, dtype=np.bool_),
        attentive=np.ones(size, dtype=np.bool_),
        withheld=np.full(size, -1, dtype=np.int8),
    )


@pytest.mark.slow
def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    true_valence, covered, by_frames = 0.1, 0, 0
    play = [RolledPlay(1, 1, -1, 0, 8_000_000, 8000)]
    for k in range(400):
        readings = simulated(rng, int(rng.integers(10, 40)), true_valence)
        exposures, seconds = roll_up(play, readings)
        found = metrics.reaction(exposures, seconds, 8.0, seed=[k])
        covered += found.mean_valence_low <= true_valence <= found.mean_valence_high
        # What taking every reading for a sample would say.
        error = 1.96 * readings.valence.std(ddof=1) / np.sqrt(readings.valence.size)
        by_frames += abs(readings.valence.mean() - true_valence) <= error
    assert 0.93 <= covered / 400 <= 0.97, covered
    assert by_frames / 400 < 0.5, by_frames
