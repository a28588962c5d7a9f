"""The loop from faces to ads: what the policy hears, what the log keeps, and how a restart goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ads.playlists.playlist import Ad
from ads.policies import make_policy
from ads.policies.audience import Audience, Reward
from ads.policies.base import Choice, Situation
from ads.policies.settings import PolicySettings
from ads.show.playback import Play, PlaybackLog, PlayEnd
from db.engine import open_database
from db.read.plays import logged_plays
from db.write.records import ModelRecord, PlayEnded, SessionRecord
from db.write.session_writer import SessionWriter
from detector.types import AnalysedFrame, FaceReading
from monitor.session.audience import AudienceFigures, AudienceMeter
from monitor.session.clock import SessionClock
from monitor.session.feedback import Feedback, recent_starts, remembering_policy
from monitor.session.recorder import Recorder

S = 1_000_000_000
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ADS = tuple(
    Ad(name, Path(f"{name}.png"), name, "image", 2.0, digit * 64)
    for name, digit in (("first", "1"), ("second", "2"))
)


class ListeningPolicy:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.learnt: list[tuple[str, Reward]] = []

    def choose(self, candidates: Sequence[Ad], situation: Situation) -> Choice:
        raise AssertionError("nobody asks here")

    def learn(self, ad_id: str, context: Mapping[str, Any], reward: Reward) -> None:
        assert context["mood"] == "sad"
        self.learnt.append((ad_id, reward))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(str(tmp_path / "log.db"))
    yield opened
    opened.dispose()


def writer(
    engine: Engine,
    policy: str = "learn",
    site: str = "Foyer",
    started: datetime = NOW,
    source: str = "0",
) -> SessionWriter:
    model = ModelRecord("m", "0" * 64, {})
    return SessionWriter(
        engine, SessionRecord("run", site, source, started, "1", {"policy": policy}, model)
    )


def play(number: int, ad: Ad, at_ns: int, context: Mapping[str, Any] | None = None) -> Play:
    return Play(
        number, ad, at_ns, "next", 0.5, context={"mood": "sad"} if context is None else context
    )


def test_a_play_is_rated_learnt_and_logged(
    engine: Engine, reading: Callable[..., FaceReading]
) -> None:
    policy, log = ListeningPolicy(), PlaybackLog()
    with writer(engine) as session:
        feedback = Feedback(policy, log, session, Recorder(session, log, SessionClock(NOW, 0)))
        assert feedback.audience(0) is None
        feedback.play_started(play(1, ADS[0], 0))
        log.start(1, 0)
        for n in range(20):
            seen = replace(reading(emotion="sad"), valence=-0.5)
            feedback.record(AnalysedFrame(n, n * S // 10, 640, 480, (seen,)))
        assert feedback.audience(2 * S) == Audience(1, 1, "sad")
        assert policy.learnt == [], "a play that is on has no reward yet"
        log.end(2 * S)
        feedback.play_ended(PlayEnd(1, 2 * S, "finished", 2000.0))
        feedback.record(AnalysedFrame(20, 2 * S, 640, 480, ()))
        feedback.audience(2 * S)
        feedback.audience(2 * S)
        [(ad_id, reward)] = policy.learnt
        assert (ad_id, reward.value) == ("first", pytest.approx((1 - 0.5) / 2))
        assert reward.viewer_s == pytest.approx(1.9)
    [logged] = logged_plays(engine)
    assert (logged.reward, logged.viewer_s) == (reward.value, reward.viewer_s)
    assert logged.context == {"mood": "sad"}


def test_other_labels_than_the_seven_give_no_mood_and_no_reward(
    engine: Engine, reading: Callable[..., FaceReading]
) -> None:
    policy, log = ListeningPolicy(), PlaybackLog()
    with writer(engine) as session:
        recorder = Recorder(session, log, SessionClock(NOW, 0))
        feedback = Feedback(policy, log, session, recorder, labels=("happy", "sad"))
        feedback.play_started(play(1, ADS[0], 0))
        log.start(1, 0)
        seen = replace(reading(), probabilities=(0.75, 0.25), valence=0.5, expressiveness=None)
        for n in range(20):
            feedback.record(AnalysedFrame(n, n * S // 10, 640, 480, (seen,)))
        assert feedback.audience(2 * S) == Audience(1, 1, None)
        figures = feedback.figures(2 * S, 1)
        assert figures is not None
        assert (figures.shares, figures.valence) == (None, 0.5)
        log.end(2 * S)
        feedback.play_ended(PlayEnd(1, 2 * S, "finished", 2000.0))
        feedback.close()
        feedback.audience(3 * S)
    assert policy.learnt == []
    own = AudienceMeter(labels=("bored", "keen"))
    own.record(AnalysedFrame(0, 0, 640, 480, (replace(seen, valence=None),)))
    assert own.figures(0, 1) == AudienceFigures(1, 1)


def test_at_the_end_the_last_play_is_rated_too(
    engine: Engine, reading: Callable[..., FaceReading]
) -> None:
    log = PlaybackLog()
    with writer(engine) as session:
        feedback = Feedback(
            ListeningPolicy(), log, session, Recorder(session, log, SessionClock(NOW, 0))
        )
        feedback.play_started(play(1, ADS[0], 0))
        log.start(1, 0)
        for n in range(5):
            feedback.record(AnalysedFrame(n, n * S // 10, 640, 480, (reading(),)))
        log.end(S)
        feedback.play_ended(PlayEnd(1, S, "stopped", 1000.0))
        feedback.close()
    assert logged_plays(engine)[0].viewer_s == pytest.approx(0.4)


def logged_run(
    engine: Engine, policy: str, plays: int, started: datetime, site: str = "Foyer"
) -> None:
    """A run that follows a policy and gives the first ad a good reward and the second a bad one."""
    chooser = remembering_policy(policy, PolicySettings(), engine, site, started)
    with writer(engine, policy, site, started) as session:
        log = PlaybackLog()
        feedback = Feedback(chooser, log, session, Recorder(session, log, SessionClock(started, 0)))
        for number in range(1, plays + 1):
            choice = chooser.choose(ADS, Situation(number * S, started, Audience(1, 1, "happy")))
            feedback.play_started(
                replace(play(number, choice.ad, number * S), context=choice.context)
            )
            session.submit(
                PlayEnded(number, started + timedelta(seconds=number + 1), "finished", 1000.0, None)
            )
            feedback._rated(
                replace(play(number, choice.ad, 0), context=choice.context), worth(choice.ad)
            )
            feedback.audience(number * S)


def worth(ad: Ad) -> Reward:
    return Reward(0.8 if ad is ADS[0] else -0.8, 10.0)


def test_a_restart_goes_on_as_if_nothing_had_happened(engine: Engine) -> None:
    logged_run(engine, "learn", 30, NOW)
    again = remembering_policy("learn", PolicySettings(), engine, "Foyer", NOW + timedelta(hours=1))
    without_a_break = make_policy("learn", PolicySettings())
    for number in range(1, 31):
        situation = Situation(number * S, NOW, Audience(1, 1, "happy"))
        choice = without_a_break.choose(ADS, situation)
        without_a_break.learn(choice.ad.ad_id, choice.context, worth(choice.ad))
    situation = Situation(31 * S, NOW, Audience(1, 1, "happy"))
    expected, found = without_a_break.choose(ADS, situation), again.choose(ADS, situation)
    assert found.context == expected.context
    assert found.ad == expected.ad
    assert found.context["choice"] == 30
    assert found.context["candidates"]["first"] > 0.7


def test_rewards_of_another_definition_are_not_learnt(engine: Engine) -> None:
    logged_run(engine, "learn", 30, NOW)
    with engine.begin() as connection:
        connection.execute(text("UPDATE plays SET context = json_remove(context, '$.reward')"))
    again = remembering_policy("learn", PolicySettings(), engine, "Foyer", NOW + timedelta(hours=1))
    choice = again.choose(ADS, Situation(0, NOW, Audience(1, 1, "happy")))
    assert choice.context["choice"] == 30, "the hold-out goes on"
    assert choice.context["candidates"]["first"] == pytest.approx(0.5, abs=0.1)


def test_the_demo_viewer_teaches_only_itself(engine: Engine) -> None:
    with writer(engine, source="demo") as session:
        log = PlaybackLog()
        feedback = Feedback(
            ListeningPolicy(), log, session, Recorder(session, log, SessionClock(NOW, 0))
        )
        feedback.play_started(play(1, ADS[0], 0, {"choice": 4}))
    ask = ("learn", PolicySettings(), engine, "Foyer", NOW)
    situation = Situation(0, NOW, Audience(1, 1, "happy"))
    assert remembering_policy(*ask).choose(ADS, situation).context["choice"] == 0
    assert remembering_policy(*ask, demo=True).choose(ADS, situation).context["choice"] == 5


def test_other_sites_policies_and_times_are_not_remembered(engine: Engine) -> None:
    logged_run(engine, "learn", 3, NOW)
    ask = (PolicySettings(), engine)
    situation = Situation(0, NOW, Audience(1, 1, "happy"))
    for name, site, now in (
        ("learn", "Hall", NOW),
        ("mood", "Foyer", NOW),
        ("learn", "Foyer", NOW + timedelta(days=91)),
    ):
        assert (
            remembering_policy(name, *ask, site, now).choose(ADS, situation).context["choice"] == 0
        )


def test_starts_of_the_last_hour_are_on_the_new_sessions_clock(engine: Engine) -> None:
    logged_run(engine, "sequential", 2, NOW)
    later = NOW + timedelta(minutes=59, seconds=62)
    clock = SessionClock(later, 5 * S)
    assert recent_starts(engine, "Foyer", clock, later) == {"second": [5 * S - 3600 * S]}
    assert recent_starts(engine, "Hall", clock, later) == {}


def test_plays_from_the_future_count_against_no_limit(engine: Engine) -> None:
    logged_run(engine, "sequential", 2, NOW + timedelta(days=120))
    assert recent_starts(engine, "Foyer", SessionClock(NOW, 0), NOW) == {}
    logged_run(engine, "sequential", 1, NOW - timedelta(minutes=5))
    assert list(recent_starts(engine, "Foyer", SessionClock(NOW, 0), NOW).values()) == [[-299 * S]]
