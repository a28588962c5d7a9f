"""What the log says of plays over all sessions: choices and rewards."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from db.read.plays import LoggedPlay, logged_plays, shown_plays
from db.read.scope import Scope
from db.write.records import PlayEnded, PlayRewarded, PlayStarted
from db.write.session_writer import SessionWriter

CONTEXT = {"mood": "sad", "group": "few", "hour": 9, "candidates": {"summer": 0.25, "winter": 0.75}}


def chosen(make, number=1, seconds=0.0, ad_id="summer", **more):
    return PlayStarted(number, ad_id, make.at(seconds), "likes it", 0.25, **more)


def test_what_was_chosen_and_what_it_was_worth(engine, make):
    plays = [
        chosen(make, context=CONTEXT),
        make.play_end(),
        chosen(make, 2, 8.0, held_out=True, context=CONTEXT),
        PlayRewarded(1, -0.5, np.float64(12.5)),
        make.play_end(2, 16.0),
        PlayStarted(3, "summer", make.at(16), "next"),
    ]
    session = make.write(engine, [make.ad(), *plays], settings={"policy": "learn"})
    assert logged_plays(engine) == [
        LoggedPlay(session, 1, "summer", make.start, "learn", False, 0.25, CONTEXT, -0.5, 12.5),
        LoggedPlay(session, 2, "summer", make.at(8), "learn", True, 0.25, CONTEXT, None, None),
        LoggedPlay(session, 3, "summer", make.at(16), "learn", False, None, {}, None, None),
    ]


def test_a_context_that_is_not_known_is_null(engine, make, rows):
    make.write(engine, [make.ad(), make.play()])
    assert rows("SELECT context IS NULL, held_out FROM plays") == [(1, 0)]


def test_since_site_and_replays(engine, make):
    make.write(engine, [make.ad(), make.play(1, 0), make.play(2, 8), make.play(3, 16)])
    make.write(engine, [make.ad(), make.play()], site="Station", settings={})
    make.write(engine, [make.ad(), make.play()], kind="replay")
    make.write(engine, [make.ad(), make.play()], source="demo")

    def found(newest=None, **which):
        plays = logged_plays(engine, Scope(**which), newest=newest)
        return [(play.session, play.number) for play in plays]

    assert found() == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert found(since=make.at(8)) == [(1, 2), (1, 3)]
    assert found(sites=("Station",)) == [(2, 1)]
    assert found(sites=("Foyer",), replays=True) == [(1, 1), (1, 2), (1, 3), (3, 1)]
    assert found(sites=("Foyer",), demos=True) == [(1, 1), (1, 2), (1, 3), (4, 1)]
    assert found(sites=("nowhere",)) == []
    assert found(newest=2) == [(1, 3), (2, 1)]
    assert logged_plays(engine, Scope(sites=("Station",)))[0].policy == ""


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (PlayRewarded(7, 0.5, 1.0), "expected a play that was started before, received 7"),
        (
            PlayRewarded(1, 0.5, 1.0),
            "Invalid reward of play 1: expected one reward, received a second",
        ),
    ],
)
def test_a_reward_that_contradicts_is_left_out(engine, make, caplog, record, words):
    with SessionWriter(engine, make.session()) as writer:
        for each in (make.ad(), chosen(make), PlayRewarded(1, 0.25, 2.0), record):
            writer.submit(each)
        writer.close()
    assert writer.lost == 1
    assert words in caplog.text
    (play,) = logged_plays(engine)
    assert (play.reward, play.viewer_s) == (0.25, 2.0)


def test_shown_plays(engine, make):
    started = [
        make.ad(),
        make.play(1, 0),
        PlayEnded(1, make.at(8), "finished", 7990.0),
        make.play(2, 8),
    ]
    with SessionWriter(engine, make.session(settings={"headless": False})) as writer:
        for record in started:
            writer.submit(record)
        writer.flush()
        one, two = shown_plays(engine)
        writer.close()
    assert (one.session, one.site, one.ad_id, one.name) == (1, "Foyer", "summer", "Summer")
    assert (one.started_at, one.ended_at, one.outcome, one.shown_ms) == (
        make.start,
        make.at(8),
        "finished",
        7990.0,
    )
    assert one.screen
    assert (two.ended_at, two.outcome, two.shown_ms) == (None, None, None)


def test_shown_plays_of_a_time_and_of_sessions_without_a_screen(engine, make):
    make.write(
        engine,
        [make.ad(), make.play(1, 0), make.play(2, 8), make.play(3, 16)],
        settings={"headless": True},
    )
    make.write(engine, [make.ad(), make.play()], kind="replay", settings={})
    assert [(play.session, play.screen) for play in shown_plays(engine, Scope(replays=True))] == [
        *[(1, False)] * 3,
        (2, False),
    ]
    between = shown_plays(engine, Scope(sites=("Foyer",), since=make.at(8), until=make.at(16)))
    assert [play.started_at for play in between] == [make.at(8)]
    early = Scope(until=make.start + timedelta(microseconds=1))
    assert shown_plays(engine, early)[0].started_at == make.start
