from __future__ import annotations

import threading
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from ads.decoder import THREAD_NAME
from ads.errors import AdsError, MediaError
from ads.playback import Play, PlaybackLog, PlayEnd
from ads.player import RETRY_NS, AdPlayer, Picture
from ads.playlist import Hours
from ads.policy import SequentialPolicy

MS = 1_000_000
READY_S = 10


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_007

    def __call__(self) -> int:
        return self.now


class Notes:
    def __init__(self) -> None:
        self.plays: list[Play] = []
        self.ends: list[PlayEnd] = []

    def play_started(self, play: Play) -> None:
        self.plays.append(play)

    def play_ended(self, end: PlayEnd) -> None:
        self.ends.append(end)

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(play.ad.ad_id, end.outcome) for play, end in zip(self.plays, self.ends, strict=False)]


class Sound:
    def __init__(self) -> None:
        self.calls: list[object] = []

    def play(self, path: Path, position_s: float) -> None:
        self.calls.append((path.name, position_s))

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def stop(self) -> None:
        self.calls.append("stop")


class Stage:
    """A player with a clock that is moved by hand."""

    def __init__(self, ads, **more) -> None:
        self.clock, self.notes, self.log, self.sound = Clock(), Notes(), PlaybackLog(), Sound()
        self.player = AdPlayer(
            ads,
            SequentialPolicy(),
            self.log,
            self.notes,
            clock=self.clock,
            sound=self.sound,
            **{"viewport": (96, 64), **more},
        )
        self.begin_ns = self.clock.now

    def __enter__(self):
        self.player.start()
        assert self.player.wait_ready(READY_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.player.stop()

    def after(self, ms: float) -> Picture | None:
        """Lets time pass, and gives the decode thread all that it needs before and after the player looks."""
        self.clock.now += round(ms * MS)
        assert self.player.wait_ready(READY_S)
        picture = self.player.advance()
        assert self.player.wait_ready(READY_S)
        return picture

    def until(self, done, step_ms: float = 100, limit: int = 400) -> None:
        for _ in range(limit):
            if done():
                return
            self.after(step_ms)
        pytest.fail("the show never got there")


def level(picture: Picture) -> float:
    return float(picture.rgb.mean())


def test_frames_appear_at_their_times(make_clip, make_ad, grey):
    with Stage([make_ad(make_clip("a.mp4", frames=50), "video", 2.0)]) as stage:
        first = stage.after(0)
        assert (first.play_number, first.position_ms) == (1, 0.0)
        assert first.rgb.flags.c_contiguous
        assert first.rgb.dtype == np.uint8
        assert stage.after(39) is None
        for index in range(1, 49):
            picture = stage.after(40)
            assert picture.position_ms == pytest.approx(40 * index)
            assert level(picture) == pytest.approx(grey(index), abs=2)
            assert stage.player.position_ms == pytest.approx(40 * index + 39)
        assert stage.player.advance() is None


def test_a_late_call_gets_the_frame_that_is_due_now(make_clip, make_ad, grey):
    with Stage([make_ad(make_clip("a.mp4", frames=100), "video", 4.0)]) as stage:
        stage.after(0)
        # What is prepared does not reach so far; the player shows the newest that it has, then catches up.
        assert 0 < stage.after(2500).position_ms < 2500
        picture = stage.player.advance()
        assert picture.position_ms == pytest.approx(2480)
        assert level(picture) == pytest.approx(grey(62), abs=2)


def test_ads_follow_each_other_without_a_gap(make_image, make_clip, make_animation, make_ad):
    ads = [
        make_ad(make_image("still.png", (10, 20, 30)), "image", 1.0),
        make_ad(make_clip("clip.mp4", frames=25), "video", 1.0),
        make_ad(make_animation("moving.gif", [50, 200], [250, 250]), "animation", 1.0),
    ]
    with Stage(ads, loops=2) as stage:
        shown = {}
        while not stage.player.finished:
            picture = stage.after(30)
            if picture is not None:
                shown.setdefault(picture.play_number, []).append(picture.position_ms)
            playing = stage.player.current
            assert (playing is None) == stage.player.finished
    assert stage.notes.outcomes == [(name, "finished") for name in ("still", "clip", "moving")] * 2
    assert shown[1] == [0.0]
    assert shown[3] == [0.0, 250.0, 500.0, 750.0]
    assert len(shown[2]) > 20
    for play, end in zip(stage.notes.plays, stage.notes.ends, strict=True):
        assert play.number == end.number
        assert 1000 <= end.shown_ms <= 1030
        assert end.ended_ns - play.started_ns == round(end.shown_ms * MS)
        assert (play.reason, play.probability) == ("next in the playlist", 1.0)
    starts = [play.started_ns for play in stage.notes.plays]
    assert starts[1:] == [end.ended_ns for end in stage.notes.ends[:-1]]
    for end in stage.notes.ends[:-1]:
        assert stage.log.at(end.ended_ns - 1).play_number == end.number
        assert stage.log.at(end.ended_ns).play_number == end.number + 1
    assert stage.log.at(stage.notes.ends[-1].ended_ns) is None


def test_positions_are_exact_through_pause_resume_and_skip(make_clip, make_ad):
    ads = [make_ad(make_clip(f"{name}.mp4", frames=100, tone_hz=300), "video", 4.0, has_sound=True) for name in "ab"]
    with Stage(ads) as stage:
        player, log = stage.player, stage.log
        stage.after(0)
        stage.after(250)
        stage.after(250)
        player.pause()
        player.pause()
        assert player.paused
        assert stage.after(10_000) is None
        assert player.position_ms == 500.0
        assert log.at(stage.clock.now).position_ms == 500.0
        player.resume()
        player.resume()
        stage.after(250)
        assert player.position_ms == 750.0
        assert log.at(stage.clock.now) == log.at(stage.clock.now)
        assert log.at(stage.clock.now).position_ms == 750.0
        player.skip()
        stage.after(3)
        assert player.current.ad.ad_id == "b"
        assert player.position_ms == 0.0
        stage.after(100)
        assert log.at(stage.clock.now).play_number == 2
        assert log.at(stage.clock.now).position_ms == 100.0
    end = stage.notes.ends[0]
    assert (end.outcome, end.shown_ms) == ("skipped", 753.0)
    assert stage.notes.ends[1].outcome == "stopped"
    assert stage.notes.ends[1].shown_ms == 100.0
    assert stage.sound.calls == [("a.mp4", 0.0), "pause", "resume", "stop", ("b.mp4", 0.0), "stop"]


def test_skipping_in_a_pause_shows_the_next_ad_standing_still(make_clip, make_ad):
    ads = [make_ad(make_clip(f"{name}.mp4", frames=50, tone_hz=300), "video", 2.0, has_sound=True) for name in "ab"]
    with Stage(ads) as stage:
        stage.after(0)
        stage.after(200)
        stage.player.pause()
        stage.player.skip()
        picture = stage.after(5)
        assert (picture.play_number, picture.position_ms) == (2, 0.0)
        assert stage.after(5000) is None
        assert stage.log.at(stage.clock.now).position_ms == 0.0
        stage.player.resume()
        stage.after(40)
        assert stage.player.position_ms == 40.0
        assert stage.log.at(stage.clock.now).position_ms == 40.0
    assert stage.sound.calls == [("a.mp4", 0.0), "pause", "stop", ("b.mp4", 0.0), "stop"]


def test_the_last_picture_stays_until_the_next_is_ready(make_image, make_ad, monkeypatch):
    released = threading.Event()
    real = __import__("ads.decoder", fromlist=["frames"]).frames

    def slow_frames(path, *args, **kwargs):
        if path.stem == "b":
            assert released.wait(READY_S)
        return real(path, *args, **kwargs)

    monkeypatch.setattr("ads.decoder.frames", slow_frames)
    ads = [make_ad(make_image(f"{name}.png"), "image", 1.0) for name in "ab"]
    with Stage(ads) as stage:
        stage.player.advance()
        for _ in range(15):
            stage.clock.now += 100 * MS
            assert stage.player.advance() is None
        assert stage.player.current.ad.ad_id == "a"
        assert not stage.notes.ends
        released.set()
        assert stage.player.wait_ready(READY_S)
        assert stage.player.advance().play_number == 2
    assert stage.notes.ends[0].outcome == "finished"
    assert stage.notes.ends[0].shown_ms == 1500.0
    assert stage.notes.plays[1].started_ns == stage.notes.ends[0].ended_ns


def test_an_ad_that_breaks_off_fails_and_the_show_goes_on(make_clip, make_image, make_ad):
    broken = make_clip("broken.mp4", frames=100)
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    ads = [make_ad(make_image("good.png"), "image", 1.0), make_ad(broken, "video", 4.0)]
    with Stage(ads, loops=2) as stage:
        stage.until(lambda: stage.player.finished, step_ms=40)
    assert stage.notes.outcomes == [("good", "finished"), ("broken", "failed")] * 2
    failed = stage.notes.ends[1]
    assert "breaks off" in failed.error
    assert 1000 < failed.shown_ms < 3000
    assert stage.notes.ends[0].error is None


def test_a_playlist_may_cut_a_clip_before_it_breaks_off(make_clip, make_ad):
    broken = make_clip("broken.mp4", frames=100)
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    with Stage([make_ad(broken, "video", 1.0)], loops=1) as stage:
        stage.until(lambda: stage.player.finished)
    assert stage.notes.outcomes == [("broken", "finished")]


def test_a_clip_shorter_than_its_slot_holds_its_last_picture(make_clip, make_ad):
    with Stage([make_ad(make_clip("short.mp4", frames=10), "video", 2.0)], loops=1) as stage:
        shown = []
        while not stage.player.finished:
            picture = stage.after(40)
            if picture is not None:
                shown.append(picture.position_ms)
    assert shown[-1] == pytest.approx(360)
    assert stage.notes.outcomes == [("short", "finished")]
    assert stage.notes.ends[0].shown_ms >= 2000


def test_ads_that_cannot_be_opened_are_noted_and_passed_over(make_image, make_ad, tmp_path):
    ads = [
        make_ad(make_image("a.png"), "image", 1.0),
        make_ad(tmp_path / "gone.png", "image", 1.0),
        make_ad(make_image("c.png"), "image", 1.0),
    ]
    with Stage(ads, loops=1) as stage:
        stage.until(lambda: stage.player.finished)
    assert stage.notes.outcomes == [("a", "finished"), ("gone", "failed"), ("c", "finished")]
    gone = stage.notes.ends[1]
    assert gone.shown_ms == 0.0
    assert "gone.png does not exist" in gone.error
    assert gone.ended_ns == stage.notes.plays[1].started_ns == stage.notes.plays[2].started_ns


def test_when_all_ads_fail_the_show_stops_with_an_error(make_ad, tmp_path):
    with Stage([make_ad(tmp_path / f"{name}.png", "image", 1.0) for name in "ab"]) as stage:
        with pytest.raises(MediaError, match=r"None of the ads can be played \(a, b\)"):
            stage.until(lambda: False)
        with pytest.raises(MediaError, match="None of the ads"):
            stage.player.advance()
    assert stage.notes.outcomes == [("a", "failed"), ("b", "failed")]


def test_media_that_come_back_are_played_again(make_image, make_ad, tmp_path):
    good, gone = make_ad(make_image("a.png"), "image", 1.0), make_ad(tmp_path / "b.png", "image", 1.0)
    with Stage([good, gone]) as stage:
        stage.until(lambda: len(stage.notes.ends) >= 3)
        make_image("b.png")
        stage.until(lambda: ("b", "finished") in stage.notes.outcomes)


def test_hours_and_limits_let_the_show_wait_and_go_on(make_image, make_ad):
    wall = [datetime(2026, 11, 20, 7, 59, tzinfo=timezone.utc)]
    ads = [
        make_ad(make_image("morning.png"), "image", 1.0, hours=(Hours(480, 720),)),
        make_ad(make_image("noon.png"), "image", 1.0, hours=(Hours(720, 780),), max_per_hour=2),
    ]
    with Stage(ads, wall_clock=lambda: wall[0]) as stage:
        for _ in range(3):
            assert stage.after(1000) is None
        assert stage.player.current is None
        assert stage.player.position_ms == 0.0
        wall[0] = wall[0].replace(hour=11, minute=59)
        stage.until(lambda: stage.player.current is not None)
        stage.after(1)
        assert stage.player.current.ad.ad_id == "morning"
        # The next one is chosen at once for so short an ad; its hours end before it starts.
        wall[0] = wall[0].replace(hour=12, minute=0)
        stage.until(lambda: len(stage.notes.ends) == 3)
        assert stage.notes.outcomes == [("morning", "finished"), ("noon", "finished"), ("noon", "finished")]
        stage.after(1000)
        assert stage.player.current is None
        stage.clock.now += 3600 * 1000 * MS
        stage.until(lambda: stage.player.current is not None)
        assert not stage.player.finished


def test_failures_are_forgiven_while_others_wait_for_their_hours(make_image, make_ad, tmp_path):
    wall = datetime(2026, 11, 20, 7, 59, tzinfo=timezone.utc)
    later = make_ad(make_image("later.png"), "image", 1.0, hours=(Hours(480, 720),))
    with Stage([later, make_ad(tmp_path / "b.png", "image", 1.0)], wall_clock=lambda: wall) as stage:
        stage.until(lambda: len(stage.notes.ends) == 1)
        make_image("b.png")
        for _ in range(5):
            stage.after(1000)
        assert stage.player.current is None
        stage.clock.now += RETRY_NS
        stage.until(lambda: stage.player.current is not None)
        assert stage.player.current.ad.ad_id == "b"


def test_a_new_viewport_applies_to_what_is_shown(make_image, make_clip, make_ad):
    ads = [
        make_ad(make_image("still.png", size=(90, 60)), "image", 1.0),
        make_ad(make_clip("clip.mp4", frames=50), "video", 2.0),
    ]
    with Stage(ads, viewport=(90, 60)) as stage:
        assert stage.after(0).rgb.shape == (60, 90, 3)
        stage.player.set_viewport(180, 200)
        again = stage.after(10)
        assert again.rgb.shape == (120, 180, 3)
        assert again.position_ms == 0.0
        assert stage.player.position_ms == 10.0
        stage.player.set_viewport(0, 0)
        assert stage.after(10).rgb.shape[1] == 16
        stage.player.set_viewport(300, 200)
        stage.until(lambda: stage.player.current.number == 2)
        assert stage.after(40).rgb.shape == (200, 300, 3)


def test_stop_ends_everything_and_may_be_called_again(make_clip, make_ad):
    stage = Stage([make_ad(make_clip("a.mp4", frames=50, tone_hz=300), "video", 2.0, has_sound=True)])
    with stage:
        stage.after(0)
        stage.after(700)
        assert THREAD_NAME in {thread.name for thread in threading.enumerate()}
        stage.player.stop()
        assert THREAD_NAME not in {thread.name for thread in threading.enumerate()}
        stage.player.stop("failed")
        assert stage.player.advance() is None
        stage.player.pause()
        stage.player.skip()
    assert [(end.outcome, end.shown_ms) for end in stage.notes.ends] == [("stopped", 700.0)]
    assert stage.log.at(stage.clock.now) is None
    assert not stage.player.finished
    assert stage.sound.calls[-1] == "stop"
    with pytest.raises(AdsError, match="started only once"):
        stage.player.start()


@pytest.mark.parametrize("rounds", range(8))
def test_stopping_at_any_moment_leaves_no_thread(make_clip, make_ad, rounds):
    ads = [make_ad(make_clip("a.mp4", frames=100, size=(320, 180)), "video", 4.0)]
    player = AdPlayer(ads, SequentialPolicy(), PlaybackLog(), Notes(), viewport=(640, 360))
    with player:
        for _ in range(rounds * 3):
            player.advance()
    assert THREAD_NAME not in {thread.name for thread in threading.enumerate()}


def test_waiting_frames_are_bounded(make_clip, make_ad):
    with Stage([make_ad(make_clip("a.mp4", frames=200), "video", 8.0)], viewport=(3840, 2160)) as stage:
        held = stage.player._next.deck._waiting
        assert 2 <= len(held) <= 3
        assert sum(frame.rgb.nbytes for frame in held) <= 80 << 20


@pytest.mark.logs_errors
@pytest.mark.logs_errors
def test_a_broken_decode_thread_is_reported(make_image, make_ad, monkeypatch, caplog):
    def explode(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("ads.decoder.frames", explode)
    with Stage([make_ad(make_image("a.png"), "image", 1.0)]) as stage:
        with pytest.raises(AdsError, match="decoding of ads broke down") as caught:
            stage.until(lambda: False)
        assert isinstance(caught.value.__cause__, RuntimeError)
    assert "broke down" in caplog.text


def test_nonsense_is_refused(make_image, make_ad):
    with pytest.raises(AdsError, match="at least one ad"):
        AdPlayer([], SequentialPolicy(), PlaybackLog(), Notes())
    with pytest.raises(AdsError, match="at least 1"):
        AdPlayer([make_ad(make_image("a.png"))], SequentialPolicy(), PlaybackLog(), Notes(), loops=0)
