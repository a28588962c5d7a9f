"""The audience now, and what plays were worth, from readings made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ads.playlists.playlist import Ad
from ads.policies.audience import Audience, Reward
from ads.show.playback import Play, PlaybackLog, PlayEnd
from detector.emotion.model_card import read_card
from detector.emotion.model_store import shipped_default
from detector.emotion.prevalence import PrevalenceCalibration, corrected_valence, group_scores
from detector.types import AnalysedFrame, FaceReading
from monitor.session.audience import AudienceMeter, RewardMeter

MS = 1_000_000
S = 1_000 * MS
Reading = Callable[..., FaceReading]


def frame(captured_ns: int, *readings: FaceReading) -> AnalysedFrame:
    return AnalysedFrame(0, captured_ns, 640, 480, readings)


def test_nothing_measured_is_no_audience(reading: Reading) -> None:
    meter = AudienceMeter()
    assert meter.present(0) is None
    meter.record(frame(0, reading()))
    assert meter.present(1 * S) == Audience(1, 1, "neutral")
    assert meter.present(1 * S + 1) is None


def test_an_empty_room_is_an_audience_of_nobody() -> None:
    meter = AudienceMeter()
    meter.record(frame(0))
    assert meter.present(0) == Audience(0, 0, None)


def test_every_viewer_counts_once_for_the_mood(reading: Reading) -> None:
    meter = AudienceMeter()
    for n in range(20):
        seen = [reading(1, emotion="happy")]
        if n >= 18:
            # Two who came just now outweigh the one who was there all the time.
            seen += [reading(2, emotion="sad"), reading(3, emotion="sad")]
        meter.record(frame(n * 100 * MS, *seen))
    assert meter.present(1_900 * MS) == Audience(3, 3, "sad")


def test_a_face_that_is_neutral_in_a_shop_is_no_sad_audience(reading: Reading) -> None:
    # Among the training photographs it is sad, in front of a screen more likely neutral.
    face = replace(reading(1), probabilities=(0.04, 0.0, 0.0, 0.0, 0.5, 0.0, 0.46))
    smile = replace(reading(1), probabilities=(0.0, 0.0, 0.0, 0.8, 0.05, 0.0, 0.15))
    calibration = read_card(shipped_default()).prevalence
    for seen, plain, corrected in ((face, "sad", "neutral"), (smile, "happy", "happy")):
        for meter, mood in ((AudienceMeter(), plain), (AudienceMeter(calibration), corrected)):
            meter.record(frame(0, seen))
            assert meter.present(0) == Audience(1, 1, mood)


def test_who_has_left_counts_no_more(reading: Reading) -> None:
    meter = AudienceMeter()
    meter.record(frame(0, reading(1, emotion="sad"), reading(2, emotion="happy")))
    meter.record(frame(1_100 * MS, reading(2, emotion="happy")))
    assert meter.present(1_100 * MS) == Audience(1, 1, "happy")


def test_pictures_do_not_count_and_withheld_emotions_give_no_mood(reading: Reading) -> None:
    meter = AudienceMeter()
    meter.record(
        frame(0, reading(1, static=True, emotion="happy"), reading(2, withheld="too dark"))
    )
    assert meter.present(0) == Audience(1, 1, None)


def test_the_past_is_forgotten(reading: Reading) -> None:
    meter = AudienceMeter()
    for n in range(1000):
        meter.record(frame(n * 100 * MS, reading(emotion="sad" if n < 960 else "happy")))
    assert len(meter._frames) == 31
    assert meter.present(99_900 * MS) == Audience(1, 1, "happy")


class Show:
    """Two plays of two seconds with a pause of none, and their ratings."""

    def __init__(self, calibration: PrevalenceCalibration | None = None) -> None:
        self.log = PlaybackLog()
        self.rated: list[tuple[int, Reward]] = []
        self.meter = RewardMeter(
            self.log, lambda play, reward: self.rated.append((play.number, reward)), calibration
        )
        self.ad = Ad("a", Path("a.png"), "A", "image", 2.0, "0" * 64)

    def start(self, number: int, at_ns: int) -> None:
        self.meter.play_started(Play(number, self.ad, at_ns, "next", 1.0))
        self.log.start(number, at_ns)

    def end(self, number: int, at_ns: int) -> None:
        self.log.end(at_ns)
        self.meter.play_ended(PlayEnd(number, at_ns, "finished", 2000.0))


def valued(one: FaceReading, valence: float, *, attentive: bool = True) -> FaceReading:
    return replace(one, valence=valence, attentive=attentive)


def test_a_reward_is_attention_times_liking_over_the_time_in_view(reading: Reading) -> None:
    show = Show()
    show.start(1, 0)
    for n in range(20):
        show.meter.record(
            frame(n * 100 * MS, valued(reading(1), 0.8), valued(reading(2), -0.5, attentive=n < 10))
        )
    show.end(1, 2 * S)
    assert show.rated == []
    show.start(2, 2 * S)
    show.meter.record(frame(2 * S, valued(reading(1), 0.8)))
    [(number, reward)] = show.rated
    assert number == 1
    assert reward.viewer_s == pytest.approx(2 * 1.9)
    assert reward.value == pytest.approx((1.9 + 0.9) / (2 * 1.9) * (1 + (0.8 - 0.5) / 2) / 2)


def test_without_frames_no_play_is_kept_for_long(reading: Reading) -> None:
    show = Show()
    for number in range(1, 500):
        show.start(number, number * 10 * S)
        if number == 1:
            show.meter.record(frame(10 * S, valued(reading(1), 0.8)))
            show.meter.record(frame(10 * S + 100 * MS, valued(reading(1), 0.8)))
        show.end(number, (number + 1) * 10 * S)
    assert len(show.meter._accounts) < 100
    assert [number for number, _ in show.rated] == [1]


def test_time_without_a_readable_emotion_counts_as_seen_and_has_the_valence_of_the_rest(
    reading: Reading,
) -> None:
    show = Show()
    show.start(1, 0)
    for n in range(20):
        seen = reading(1, withheld="too blurred") if n >= 10 else valued(reading(1), 0.6)
        show.meter.record(frame(n * 100 * MS, seen, reading(2, static=True)))
    show.end(1, 2 * S)
    show.meter.flush()
    [(_, reward)] = show.rated
    assert (reward.value, reward.viewer_s) == pytest.approx(((1 + 0.6) / 2, 1.9))


def test_an_audience_whose_emotion_cannot_be_read_counts_as_neutral(reading: Reading) -> None:
    show = Show()
    show.start(1, 0)
    for n in range(11):
        seen = replace(reading(1, withheld="too dark"), attentive=n < 6)
        show.meter.record(frame(n * 100 * MS, seen))
    show.end(1, 2 * S)
    show.meter.flush()
    assert show.rated[0][1].value == pytest.approx(0.5 / 2)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.floats(-1, 1), st.booleans()), min_size=2, max_size=12),
    data=st.data(),
)
def test_a_reward_never_rises_when_somebody_looks_away(
    reading: Reading, rows: list[tuple[float, bool]], data: st.DataObject
) -> None:
    def worth(seen: Sequence[tuple[float, bool]]) -> float:
        show = Show()
        show.start(1, 0)
        for n, (valence, attentive) in enumerate(seen):
            one = valued(reading(), valence, attentive=attentive)
            show.meter.record(frame(n * 100 * MS, one))
        show.end(1, 2 * S)
        show.meter.flush()
        return show.rated[0][1].value

    place = data.draw(st.integers(0, len(rows) - 1))
    away = [*rows[:place], (rows[place][0], False), *rows[place + 1 :]]
    assert 0 <= worth(away) <= worth(rows) <= 1


def test_valence_is_the_corrected_one_of_the_model(reading: Reading) -> None:
    calibration = read_card(shipped_default()).prevalence
    assert calibration is not None
    # Neutral in front of a screen, although plain valence calls it negative.
    p = (0.05, 0.0, 0.0, 0.05, 0.25, 0.0, 0.65)
    corrected = float(corrected_valence(group_scores(p, calibration)))
    assert abs(corrected) < 0.05
    show = Show(calibration)
    show.start(1, 0)
    for n in range(11):
        seen = replace(reading(1), probabilities=p, valence=-0.2)
        show.meter.record(frame(n * 100 * MS, seen))
    show.end(1, 2 * S)
    show.meter.flush()
    assert show.rated[0][1].value == pytest.approx((1 + corrected) / 2)


def test_a_play_that_nobody_saw_has_no_reward() -> None:
    show = Show()
    show.start(1, 0)
    show.meter.record(frame(1 * S))
    show.end(1, 2 * S)
    show.meter.record(frame(3 * S))
    show.meter.flush()
    assert show.rated == []


def test_time_without_frames_is_not_credited(reading: Reading) -> None:
    show = Show()
    show.start(1, 0)
    show.meter.record(frame(0, valued(reading(1), 1.0)))
    show.meter.record(frame(1_900 * MS, valued(reading(1), 1.0)))
    show.end(1, 2 * S)
    show.meter.flush()
    assert show.rated[0][1].viewer_s == pytest.approx(0.5)


def test_frames_that_come_after_the_end_still_count_for_their_play(reading: Reading) -> None:
    show = Show()
    show.start(1, 0)
    show.end(1, 2 * S)
    show.start(2, 2 * S)
    for n in range(15, 25):
        show.meter.record(frame(n * 100 * MS, valued(reading(1), 0.5 if n < 20 else -0.5)))
    show.end(2, 4 * S)
    show.meter.flush()
    assert [(number, reward.value) for number, reward in show.rated] == [
        (1, pytest.approx(0.75)),
        (2, pytest.approx(0.25)),
    ]


def test_a_flush_rates_each_play_once(reading: Reading) -> None:
    show = Show()
    show.start(1, 0)
    for n in range(5):
        show.meter.record(frame(n * 100 * MS, valued(reading(1), 0.5)))
    show.meter.flush()
    assert show.rated == []  # it has not ended
    show.end(1, 2 * S)
    show.meter.flush()
    show.meter.flush()
    assert len(show.rated) == 1


# --- figures for other programs -------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    looks=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8),
    min_viewers=st.integers(1, 6),
)
def test_no_figure_is_about_fewer_viewers_than_allowed(
    looks: list[tuple[bool, bool]], min_viewers: int, reading: Reading
) -> None:
    meter = AudienceMeter(read_card(shipped_default()).prevalence)
    seen = [
        replace(reading(n, withheld=None if read else "too dark"), attentive=attentive)
        for n, (attentive, read) in enumerate(looks)
    ]
    meter.record(frame(0, *seen))
    found = meter.figures(0, min_viewers)
    assert found is not None
    assert found.viewers == len(looks)
    enough = len(looks) >= min_viewers
    assert found.attentive == (sum(one for one, _ in looks) if enough else None)
    read = sum(one for _, one in looks)
    assert (found.shares is not None) == (found.valence is not None) == (read >= min_viewers)
    if found.shares is not None:
        assert sum(found.shares.values()) == pytest.approx(1, abs=0.01)


def test_figures_end_with_the_measurement_and_need_no_calibration(reading: Reading) -> None:
    meter = AudienceMeter()
    assert meter.figures(0, 1) is None
    meter.record(frame(0, reading(1, emotion="happy")))
    found = meter.figures(0, 1)
    assert found is not None
    assert (found.viewers, found.attentive, found.shares) == (1, 1, None)
    assert found.valence is not None
    assert found.valence > 0
    assert meter.figures(1 * S + 1, 1) is None
