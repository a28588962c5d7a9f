"""The figures of a running session, from rows made by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db.errors import NoSuchSessionError
from db.read.live import live_state, open_session_ids
from db.write.records import GapEnded, GapStarted, ModelRecord, SessionEnded, ViewerFlagged
from db.write.session_writer import SessionWriter
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from detector.emotion.prevalence import corrected_valence, group_scores, shares


@pytest.fixture
def written(engine, make):
    """A running session; `written(records)` adds some and returns its id."""
    with SessionWriter(engine, make.session()) as writer:

        def write(*records):
            for record in records:
                assert writer.submit(record)
            assert writer.flush()
            return writer.session_id

        write.writer = writer
        yield write


def happy(make, seconds, viewer, share, play=None, **changes):
    rest = (1 - share) / 6
    return make.reading(
        seconds,
        viewer,
        play,
        probabilities=(rest, rest, rest, share, rest, rest, rest),
        valence=share - rest,
        expressiveness=1 - rest,
        **changes,
    )


def test_a_mean_is_taken_within_each_viewer_first(engine, make, written):
    # One viewer with four readings at 0.7, one with one at 0.1: over viewers 0.4, over readings
    # 0.58.
    session = written(*(happy(make, 20 + k / 4, 1, 0.7) for k in range(4)), happy(make, 20, 2, 0.1))
    state = live_state(engine, session, now=make.at(21))
    assert state.probabilities["happy"] == pytest.approx(0.4)
    assert sum(state.probabilities.values()) == pytest.approx(1)
    assert state.valence == pytest.approx(((0.7 - 0.05) + (0.1 - 0.15)) / 2)
    assert (state.viewers, state.attentive, state.recent_viewers, state.emotion_viewers) == (
        2,
        2,
        2,
        2,
    )


def test_shares_and_corrected_valence_are_those_of_the_scores(engine, make):
    card = read_card(shipped_default())
    model = ModelRecord(card.name, card.sha256, card.model_dump(mode="json"))
    with SessionWriter(engine, make.session(model=model)) as writer:
        for record in (
            happy(make, 20.2, 1, 0.9),
            happy(make, 20.5, 1, 0.2),
            happy(make, 20.2, 2, 0.1),
        ):
            assert writer.submit(record)
        assert writer.flush()
        state = live_state(engine, writer.session_id, now=make.at(21))
        thin = live_state(engine, writer.session_id, min_viewers=3, now=make.at(21))
    faces = [[share if k == 3 else (1 - share) / 6 for k in range(7)] for share in (0.9, 0.2, 0.1)]
    one, again, other = group_scores(faces, card.prevalence)
    mean = ((one + again) / 2 + other) / 2
    assert state.shares == pytest.approx(shares(mean).tolist(), abs=1e-5)
    assert state.valence_corrected == pytest.approx(float(corrected_valence(mean)), abs=1e-5)
    (second,) = state.curve
    assert second.valence_corrected == pytest.approx(state.valence_corrected)
    assert thin.shares is thin.valence_corrected is thin.curve[0].valence_corrected is None


def test_without_a_calibration_there_are_no_shares(engine, make, written):
    state = live_state(engine, written(happy(make, 20, 1, 0.7)), now=make.at(21))
    assert state.shares is state.valence_corrected is state.curve[0].valence_corrected is None
    assert state.valence is not None


def test_now_is_each_viewers_latest_reading(engine, make, written):
    session = written(
        happy(make, 9, 1, 0.5, attentive=True),
        happy(make, 19, 1, 0.5, attentive=True),
        happy(make, 19.5, 1, 0.5, attentive=False),
        happy(make, 19.5, 2, 0.5, attentive=True),
        happy(make, 17, 3, 0.5),
        happy(make, 20.5, 4, 0.5),
    )
    state = live_state(engine, session, now=make.at(20))
    assert (state.viewers, state.attentive, state.recent_viewers) == (2, 1, 3)


def test_the_curve_has_a_point_for_each_second_in_which_somebody_was_there(engine, make, written):
    session = written(
        happy(make, 1.0, 1, 0.9),
        happy(make, 25.5, 1, 0.4),
        happy(make, 29.2, 1, 0.2),
        happy(make, 29.8, 2, 0.6),
        make.unread(29.8, 3, None),
        happy(make, 30.0, 1, 0.4),
    )
    curve = live_state(engine, session, 10, now=make.at(30)).curve
    assert [(second.age_s, second.viewers) for second in curve] == [(5, 1), (1, 3)]
    assert curve[1].valence == pytest.approx(((0.3 - 0.7 / 6) + (0.6 - 0.4 / 6)) / 2)


def test_static_faces_other_sessions_and_old_readings_are_left_out(engine, make, written):
    make.write(engine, [make.ad(), make.play(1), happy(make, 19.9, 1, 0.9, 1)])
    session = written(
        happy(make, 19.9, 1, 0.5),
        happy(make, 19.9, 2, 0.9),
        ViewerFlagged(make.at(19.95), 2),
        happy(make, 5, 3, 0.9),
    )
    state = live_state(engine, session, 10, now=make.at(20))
    assert (state.viewers, state.recent_viewers) == (1, 1)
    assert state.probabilities["happy"] == pytest.approx(0.5)


def test_too_few_viewers_are_counted_and_nothing_else(engine, make, written):
    session = written(
        *(happy(make, 19.9, viewer, 0.5) for viewer in (1, 2)), make.unread(19.9, 3, None)
    )
    hidden = live_state(engine, session, min_viewers=3, now=make.at(20))
    assert (hidden.viewers, hidden.attentive, hidden.emotion_viewers) == (3, 3, 2)
    assert hidden.probabilities is hidden.valence is None
    assert [(second.viewers, second.valence) for second in hidden.curve] == [(3, None)]
    assert live_state(engine, session, min_viewers=4, now=make.at(20)).attentive is None
    assert live_state(engine, session, min_viewers=2, now=make.at(20)).valence is not None


def test_ad_gaps_and_signs_of_life(engine, make, written):
    session = written(
        make.ad(), make.play(1, 0), make.play_end(1, 8), make.ad("winter", duration_ms=5000)
    )
    state = live_state(engine, session, now=make.at(300))
    assert state.ad is None
    assert state.last_sign_at == make.at(8)
    written(
        make.play(2, 9, "winter"),
        GapStarted(make.at(10), "too dark", "lamp"),
        GapStarted(make.at(11), "camera lost"),
    )
    written(GapEnded(make.at(12), "camera lost"))
    state = live_state(engine, session, now=make.at(300))
    assert (state.ad.ad_id, state.ad.name, state.ad.started_at, state.ad.duration_s) == (
        "winter",
        "Winter",
        make.at(9),
        5.0,
    )
    assert [(gap.cause, gap.detail, gap.started_at) for gap in state.gaps] == [
        ("too dark", "lamp", make.at(10))
    ]
    assert (state.viewers, state.curve, state.probabilities, state.attentive) == (0, (), None, None)
    assert state.ended_at is None
    assert open_session_ids(engine) == ([session], 0)
    written.writer.close(SessionEnded(make.at(20), "finished"))
    assert live_state(engine, session, now=make.at(300)).ended_at == make.at(20)
    assert open_session_ids(engine) == ([], 0)


def test_a_replay_has_its_own_now(engine, make):
    session = make.write(
        engine,
        [make.ad(), make.play(1), happy(make, 4, 1, 0.5, 1), make.play_end(1, 8)],
        kind="replay",
    )
    state = live_state(engine, session)
    assert state.at == make.at(20)
    assert state.recent_viewers == 1


@pytest.mark.parametrize(
    ("options", "words"), [({"seconds": 0}, "1 to 120"), ({"min_viewers": 0}, "1 or more")]
)
def test_bad_requests(engine, written, options, words):
    with pytest.raises(ValueError, match=words):
        live_state(engine, written(), **options)


def test_no_such_session(engine):
    with pytest.raises(NoSuchSessionError, match="no session 7"):
        live_state(engine, 7)


def test_it_reads_a_database_it_may_not_write(path, make, written):
    from db.engine import open_database

    session = written(happy(make, 19.9, 1, 0.5))
    reader = open_database(str(path), read_only=True)
    assert live_state(reader, session, now=make.at(20) + timedelta(seconds=0.5)).viewers == 1
    reader.dispose()
