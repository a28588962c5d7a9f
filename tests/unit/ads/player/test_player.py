"""The player: modules player, timeline, transition, failures, sound and decoder."""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ads.errors import AdsError, MediaError
from ads.player import decoder
from ads.player.decoder import THREAD_NAME
from ads.player.failures import KEPT_FAILURES, RETRY_NS
from ads.player.player import AdPlayer, Picture
from ads.player.timeline import PATIENCE_NS
from ads.player.transition import FIRST_PATIENCE_NS
from ads.playlists.playlist import Filler, Hours
from ads.policies.audience import Audience
from ads.policies.fixed import SequentialPolicy
from ads.show.blocks import Block, BlockSchedule
from ads.show.playback import Play, PlaybackLog, PlayEnd
from tests.helpers.waiting import Stopwatch, wait_until

MS = 1_000_000
READY_S = 60
HANG_S = 100


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
        return [
            (play.ad.ad_id, end.outcome) for play, end in zip(self.plays, self.ends, strict=False)
        ]


class Sound:
    def __init__(self) -> None:
        self.calls: list[object] = []
        self.cues: list[tuple[str | None, float, float]] = []
        self.volumes: list[float] = []

    def play(self, path: Path, position_s: float, volume: float) -> None:
        self.calls.append((path.name, position_s))
        self.volumes.append(volume)

    def cue(self, path: Path | None, position_s: float, in_s: float, volume: float) -> None:
        self.cues.append((None if path is None else path.name, position_s, in_s))

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def stop(self) -> None:
        self.calls.append("stop")


class Stage:
    """A player with a clock that is moved by hand."""

    def __init__(self, ads, policy=None, **more) -> None:
        self.clock, self.notes, self.log, self.sound = Clock(), Notes(), PlaybackLog(), Sound()
        self.player = AdPlayer(
            ads,
            policy or SequentialPolicy(),
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
        """Let time pass, with the decode threads idle before and after the player advances."""
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
        # What is prepared does not reach so far; the player shows the newest that it has, then
        # catches up.
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
    ads = [
        make_ad(make_clip(f"{name}.mp4", frames=100, tone_hz=300), "video", 4.0, has_sound=True)
        for name in "ab"
    ]
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
    assert stage.sound.calls == [("a.mp4", 0.0), "pause", "resume", ("b.mp4", 0.0), "stop"]


def test_skipping_in_a_pause_shows_the_next_ad_standing_still(make_clip, make_ad):
    ads = [
        make_ad(make_clip(f"{name}.mp4", frames=50, tone_hz=300), "video", 2.0, has_sound=True)
        for name in "ab"
    ]
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
    real = __import__("ads.player.decoder", fromlist=["frames"]).frames

    def slow_frames(path, *args, **kwargs):
        if path.stem == "b":
            assert released.wait(HANG_S)
        return real(path, *args, **kwargs)

    monkeypatch.setattr("ads.player.decoder.frames", slow_frames)
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
    good, gone = (
        make_ad(make_image("a.png"), "image", 1.0),
        make_ad(tmp_path / "b.png", "image", 1.0),
    )
    with Stage([good, gone]) as stage:
        stage.until(lambda: len(stage.notes.ends) >= 3)
        make_image("b.png")
        stage.until(lambda: ("b", "finished") in stage.notes.outcomes)


def test_hours_and_limits_let_the_show_wait_and_go_on(make_image, make_ad):
    wall = [datetime(2026, 11, 20, 7, 59, tzinfo=UTC)]
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
        assert stage.notes.outcomes == [
            ("morning", "finished"),
            ("noon", "finished"),
            ("noon", "finished"),
        ]
        stage.after(1000)
        assert stage.player.current is None
        stage.clock.now += 3600 * 1000 * MS
        stage.until(lambda: stage.player.current is not None)
        assert not stage.player.finished


def test_an_ad_prepared_before_a_block_does_not_play_in_it(make_image, make_ad, tmp_path):
    wall = [datetime(2026, 11, 20, 7, 59, tzinfo=UTC)]
    hour = timedelta(hours=1)
    eight = wall[0] + timedelta(minutes=1)
    blocks = BlockSchedule([Block("tea", 1, "control", eight, eight + hour, frozenset(["tea"]))])
    ads = [make_ad(make_image(f"{name}.png"), "image", 1.0) for name in ("water", "tea", "milk")]
    with Stage(ads, wall_clock=lambda: wall[0], blocks=blocks) as stage:
        stage.until(lambda: stage.player.next_choice is not None and stage.player.current)
        assert stage.player.next_choice.ad.ad_id == "tea"
        wall[0] = eight
        stage.until(lambda: len(stage.notes.ends) == 4)
        assert [name for name, _ in stage.notes.outcomes] == ["water", "milk", "water", "milk"]
        contexts = [play.context.get("block") for play in stage.notes.plays[:3]]
        assert contexts == [None, 1, 1]
        wall[0] += hour
        stage.until(lambda: ("tea", "finished") in stage.notes.outcomes)
    # The only other ad of the block is broken: the screen does not go dark.
    broken = [ads[1], make_ad(tmp_path / "gone.png", "image", 1.0)]
    with Stage(broken, wall_clock=lambda: eight, blocks=blocks) as stage:
        stage.until(lambda: stage.notes.outcomes.count(("tea", "finished")) == 2)


def test_failures_are_forgiven_while_others_wait_for_their_hours(make_image, make_ad, tmp_path):
    wall = datetime(2026, 11, 20, 7, 59, tzinfo=UTC)
    later = make_ad(make_image("later.png"), "image", 1.0, hours=(Hours(480, 720),))
    with Stage(
        [later, make_ad(tmp_path / "b.png", "image", 1.0)], wall_clock=lambda: wall
    ) as stage:
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
    stage = Stage(
        [make_ad(make_clip("a.mp4", frames=50, tone_hz=300), "video", 2.0, has_sound=True)]
    )
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
    with Stage(
        [make_ad(make_clip("a.mp4", frames=200), "video", 8.0)], viewport=(3840, 2160)
    ) as stage:
        held = stage.player._transition.next.buffer._frames
        assert 2 <= len(held) <= 3
        assert sum(frame.rgb.nbytes for frame in held) <= 80 << 20


@pytest.mark.logs_errors
def test_a_broken_decode_thread_is_reported(make_image, make_ad, monkeypatch, caplog):
    def explode(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("ads.player.decoder.frames", explode)
    with Stage([make_ad(make_image("a.png"), "image", 1.0)]) as stage:
        with pytest.raises(AdsError, match="decoding of ads broke down") as caught:
            stage.until(lambda: False)
        assert isinstance(caught.value.__cause__, RuntimeError)
    assert "broke down" in caplog.text


def test_nonsense_is_refused(make_image, make_ad):
    with pytest.raises(AdsError, match="at least one ad"):
        AdPlayer([], SequentialPolicy(), PlaybackLog(), Notes())
    with pytest.raises(AdsError, match="at least 1"):
        AdPlayer(
            [make_ad(make_image("a.png"))], SequentialPolicy(), PlaybackLog(), Notes(), loops=0
        )


# --- position ---


def test_readings_never_shift_by_more_than_a_frame(make_clip, make_image, make_ad):
    """Random pauses, jumps and skips; the position must match a plain account of the clock."""
    frame_ms = 40
    clips = [make_ad(make_clip(f"{name}.mp4", frames=75), "video", 3.0) for name in "ab"]
    ads = [clips[0], make_ad(make_image("still.png"), "image", 1.0), clips[1]]
    dice = random.Random(5)  # noqa: S311 (no secret)
    moves = dict.fromkeys(("wait", "pause", "resume", "seek", "skip"), 0)
    wrong = []
    with Stage(ads) as stage:
        player, log = stage.player, stage.log
        stage.after(0)
        play, expected, on_screen = player.current.number, 0.0, 0.0
        for _ in range(400):
            move = dice.choices(list(moves), weights=[12, 1, 2, 2, 1])[0]
            moves[move] += 1
            waits_ms = 0.0
            if move == "wait":
                waits_ms = dice.choice([3, 10, 33, 40, 90, 250])
            elif move == "seek":
                expected = dice.uniform(0, 1000 * player.current.ad.duration_s - 2)
                player.seek(expected)
            else:
                getattr(player, move)()
            was_running = not player.paused
            picture = stage.after(waits_ms)
            # What a jump or a skip brings is there with the next look.
            picture = picture or stage.after(0)
            if player.current.number != play:
                play, expected, waits_ms = player.current.number, 0.0, 0.0
            expected += waits_ms if was_running and move not in ("seek", "skip") else 0.0
            on_screen = on_screen if picture is None else picture.position_ms
            position = log.at(stage.clock.now)
            shift = abs(position.position_ms - expected)
            ahead = position.position_ms - on_screen
            is_still = player.current.ad.kind == "image"
            if (
                position.play_number != play
                or shift > frame_ms
                or position.position_ms != player.position_ms
                or not (is_still or 0 <= ahead <= frame_ms)
            ):
                wrong.append((move, position, expected, on_screen))
    assert not wrong
    assert min(moves.values()) >= 10
    assert play > 20


def test_a_jump_goes_to_the_frame_of_the_place(make_clip, make_ad, grey):
    ad = make_ad(make_clip("a.mp4", frames=100, tone_hz=300), "video", 4.0, has_sound=True)
    with Stage([ad]) as stage:
        stage.after(0)
        stage.after(100)
        for target, frame in ((2510, 62), (0, 0), (-5, 0), (1000, 25), (9999, 99)):
            stage.player.seek(target)
            # Until the place is decoded, all goes on as before.
            before = stage.player.position_ms
            assert abs(before - stage.log.at(stage.clock.now).position_ms) == 0
            picture = stage.after(0)
            assert picture.position_ms == pytest.approx(40 * frame)
            assert level(picture) == pytest.approx(grey(frame), abs=2)
            place = min(max(target, 0), 3999)
            assert stage.player.position_ms == pytest.approx(place)
            if place < 3900:
                stage.after(20)
                assert stage.log.at(stage.clock.now).position_ms == pytest.approx(place + 20)
    played = [call for call in stage.sound.calls if isinstance(call, tuple)]
    assert [position_s for _, position_s in played] == [0.0, 2.51, 0.0, 0.0, 1.0, 3.999]
    # Jumps do not count as time shown.
    assert stage.notes.ends[-1].shown_ms == 180.0


def test_a_jump_in_a_pause_shows_the_place_standing_still(make_clip, make_ad):
    ad = make_ad(make_clip("a.mp4", frames=100, tone_hz=300), "video", 4.0, has_sound=True)
    with Stage([ad]) as stage:
        stage.after(0)
        stage.player.pause()
        stage.player.seek(1500)
        assert stage.after(5).position_ms == pytest.approx(1480)
        assert stage.after(3000) is None
        assert stage.player.position_ms == 1500.0
        assert not stage.log.at(stage.clock.now).running
        stage.player.resume()
        stage.after(20)
        assert stage.player.position_ms == 1520.0
    assert stage.sound.calls == [("a.mp4", 0.0), "pause", "stop", ("a.mp4", 1.5), "stop"]


def test_a_jump_that_cannot_be_made_changes_nothing(make_clip, make_ad, caplog):
    path = make_clip("a.mp4", frames=100)
    with Stage([make_ad(path, "video", 4.0)]) as stage:
        stage.player.seek(100)
        stage.after(0)
        stage.after(200)
        path.rename(path.with_name("b.mp4"))
        stage.player.seek(3000)
        stage.after(40)
        assert stage.player.position_ms == 240.0
        assert stage.player.current.number == 1
    assert "cannot be shown from 3.0 s on" in caplog.text


def test_while_frames_are_missing_the_position_is_that_of_the_screen(
    make_clip, make_ad, monkeypatch
):
    gate = threading.Event()
    real = decoder.frames

    def stalling(*args, **kwargs):
        for index, frame in enumerate(real(*args, **kwargs)):
            if index == 12:
                assert gate.wait(HANG_S)
            yield frame

    monkeypatch.setattr(decoder, "frames", stalling)
    with Stage([make_ad(make_clip("a.mp4", frames=100), "video", 4.0)]) as stage:
        player = stage.player
        player.advance()
        deadline = 200
        while (
            player._timeline.showing.buffer._is_exhausted is False
            and len(player._timeline.showing.buffer._frames) < 9
            and deadline
        ):
            deadline -= 1
            threading.Event().wait(0.01)
        shown = player.advance()
        for _ in range(12):
            stage.clock.now += 40 * MS
            shown = player.advance() or shown
            threading.Event().wait(0.02)
        stage.clock.now += 700 * MS
        shown = player.advance() or shown
        last_ms = shown.position_ms
        assert last_ms < 480
        # The clock says 1,180 ms, but nobody has seen more than this frame.
        assert player.position_ms == pytest.approx(last_ms + 40, abs=0.001)
        assert stage.log.at(stage.clock.now).position_ms == pytest.approx(last_ms + 40, abs=0.001)
        gate.set()
        assert player.wait_ready(READY_S)
        player.advance()
        assert player.wait_ready(READY_S)
        player.advance()
        assert player.position_ms == pytest.approx(1180, abs=40)
        assert player.dropped_frames > 5


def test_a_picture_counts_from_when_it_was_painted(make_clip, make_ad):
    with Stage([make_ad(make_clip("a.mp4", frames=100), "video", 4.0)]) as stage:
        first = stage.after(0)
        stage.clock.now += 15 * MS
        stage.player.painted(first)
        second = stage.after(25)
        handed_ns = stage.clock.now
        stage.clock.now += 9 * MS
        stage.player.painted(first)
        assert stage.log.at(handed_ns + 4 * MS).position_ms == pytest.approx(44)
        stage.player.painted(second)
        # Until then, the first one was seen, which stands up to 40 ms.
        assert stage.log.at(handed_ns + 4 * MS).position_ms == pytest.approx(40, abs=0.001)
        assert stage.log.at(handed_ns + 9 * MS).position_ms == pytest.approx(49)
        assert stage.log.at(stage.begin_ns + 5 * MS).position_ms == pytest.approx(5)
        stage.player.stop()
        stage.player.painted(second)


# --- cross-


def test_a_cross_fade_blends_both_and_changes_plays_in_its_middle(make_clip, make_image, make_ad):
    ads = [
        make_ad(make_clip("a.mp4", frames=75, tone_hz=300), "video", 3.0, has_sound=True),
        make_ad(make_image("b.png", (250, 250, 250)), "image", 3.0),
    ]
    with Stage(ads, loops=2, cross_fade_s=1.0) as stage:
        blends = {}
        while not stage.player.finished:
            picture = stage.after(20)
            if picture is not None and picture.blend is not None:
                blends.setdefault(picture.play_number, []).append(picture)
                assert 0 < picture.blend.opacity <= 0.52
            position = stage.log.at(stage.clock.now)
            if picture is not None and position is not None and picture.play_number in (1, 3):
                assert 0 <= position.position_ms - picture.position_ms < 40.1
        rows = [
            (play.ad.ad_id, end.outcome)
            for play, end in zip(stage.notes.plays, stage.notes.ends, strict=True)
        ]
    assert rows == [("a", "finished"), ("b", "finished")] * 2
    # The first goes in for 2.5 s, those between for 2 s, the last is shown to its end.
    assert [end.shown_ms for end in stage.notes.ends] == pytest.approx(
        [2500, 2000, 2000, 2500], abs=45
    )
    starts = [play.started_ns for play in stage.notes.plays]
    assert starts[1:] == [end.ended_ns for end in stage.notes.ends[:-1]]
    for play in stage.notes.plays[1:]:
        assert stage.log.at(play.started_ns).position_ms == pytest.approx(500, abs=21)
    # In the play that ends, the next one comes; in the next one, the play that ended goes.
    rising = [picture.blend.opacity for picture in blends[1]]
    assert rising == sorted(rising)
    assert len(rising) > 15
    assert all(level_of(picture.blend.rgb) == pytest.approx(250, abs=2) for picture in blends[1])
    falling = [
        picture.blend.opacity
        for picture in blends[2]
        if picture.position_ms < 1 and picture.blend.opacity
    ]
    assert falling[:10] == sorted(falling[:10], reverse=True)
    # The sound changes with the play.
    assert stage.sound.calls[0] == ("a.mp4", 0.0)
    assert stage.sound.calls[1] == "stop"
    assert stage.sound.calls[2][0] == "a.mp4"
    assert stage.sound.calls[2][1] == pytest.approx(0.5, abs=0.03)


def level_of(rgb: np.ndarray) -> float:
    return float(rgb.mean())


def test_the_clip_that_fades_out_goes_on_moving(make_clip, make_image, make_ad):
    ads = [
        make_ad(make_clip("a.mp4", frames=100), "video", 4.0),
        make_ad(make_image("b.png"), "image", 3.0),
    ]
    with Stage(ads, cross_fade_s=1.0) as stage:
        stage.until(lambda: stage.player.current and stage.player.current.number == 2, step_ms=40)
        levels = set()
        for _ in range(10):
            picture = stage.after(40)
            levels.add(round(level_of(picture.blend.rgb)))
        assert len(levels) >= 9
        stage.until(lambda: stage.player._transition.leaving is None, step_ms=40)
        assert stage.after(0) is None


def test_a_fade_takes_no_more_than_half_of_an_ad(make_image, make_ad):
    ads = [make_ad(make_image("a.png"), "image", 4.0), make_ad(make_image("b.png"), "image", 1.0)]
    with Stage(ads, loops=1, cross_fade_s=3.0) as stage:
        stage.until(lambda: stage.player.finished, step_ms=20)
    assert [end.shown_ms for end in stage.notes.ends] == pytest.approx([3750, 750], abs=30)


def test_pausing_skipping_and_jumping_in_a_fade(make_image, make_ad):
    ads = [make_ad(make_image(f"{name}.png"), "image", 4.0) for name in "ab"]

    def in_fade(stage):
        stage.until(
            lambda: (
                stage.player._transition.next is not None
                and stage.player._transition.next.course is not None
            ),
            step_ms=50,
        )
        return stage.after(200).blend.opacity

    with Stage(ads, cross_fade_s=1.0) as stage:
        opacity = in_fade(stage)
        stage.player.pause()
        assert stage.after(5000) is None
        stage.player.resume()
        assert stage.after(50).blend.opacity == pytest.approx(opacity + 0.05, abs=0.001)
        stage.player.skip()
        picture = stage.after(0)
        assert (picture.play_number, picture.blend) == (2, None)
        assert stage.player.position_ms == pytest.approx(250, abs=51)
    with Stage(ads, cross_fade_s=1.0) as stage:
        in_fade(stage)
        stage.player.seek(500)
        picture = stage.after(0)
        assert (picture.play_number, picture.blend) == (1, None)
        assert stage.after(1000) is None
        # The ad that had begun to fade in begins anew.
        in_fade(stage)
        stage.until(lambda: stage.player.current.number == 2, step_ms=20)
        assert stage.player.position_ms == pytest.approx(500, abs=21)


def test_cross_fade_and_wash_out_have_limits(make_image, make_ad):
    ads = [make_ad(make_image("a.png"))]
    for wrong in (-1, 3.5, float("nan")):
        with pytest.raises(AdsError, match="cross-fade must last 0 to 3 seconds"):
            AdPlayer(ads, SequentialPolicy(), PlaybackLog(), Notes(), cross_fade_s=wrong)
    for wrong in (-1, float("inf"), float("nan")):
        with pytest.raises(AdsError, match="wash-out must last 0 seconds or more"):
            AdPlayer(ads, SequentialPolicy(), PlaybackLog(), Notes(), wash_out_s=wrong)


# --- faults ---


@contextmanager
def counted_memory():
    """How much memory the process came to need beyond what it had, in MB."""
    status = Path("/proc/self/status")
    Path("/proc/self/clear_refs").write_text("5")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    before = int(lines["VmRSS"].split()[0])
    peak = []
    yield peak
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    peak.append((int(lines["VmHWM"].split()[0]) - before) / 1024)


def test_the_show_goes_on_past_every_kind_of_broken_file(
    make_clip, make_image, make_giant, without_key_frames, make_ad, tmp_path
):
    corrupt = make_clip("corrupt.mp4", frames=50)
    corrupt.write_bytes(bytes(range(256)) * 40)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    giant = make_giant("giant.png", (20_000, 20_000))
    no_key = without_key_frames(make_clip("whole.mkv", frames=60), "no-key.mkv")
    deleted = make_clip("deleted.mp4", frames=50)
    good = make_ad(make_image("good.png"), "image", 1.0)
    ads = [
        good,
        make_ad(corrupt, "video", 2.0),
        make_ad(empty, "video", 2.0),
        make_ad(giant, "image", 2.0),
        make_ad(no_key, "video", 2.0),
        make_ad(deleted, "video", 2.0),
    ]
    with counted_memory() as peak, Stage(ads, loops=3) as stage:
        dark = 0
        while not stage.player.finished:
            stage.after(50)
            if stage.player.current is None and not stage.player.finished:
                dark += 1
            if stage.player.current is not None and stage.player.current.ad.ad_id == "deleted":
                deleted.unlink(missing_ok=True)
        failures = stage.player.failures
    assert dark == 0
    outcomes = stage.notes.outcomes
    assert [outcome for name, outcome in outcomes if name == "good"] == ["finished"] * 3
    # The file that goes while it plays plays on; its next turn fails.
    assert [outcome for name, outcome in outcomes if name == "deleted"] == [
        "finished",
        "failed",
        "failed",
    ]
    for name in ("corrupt", "empty", "giant", "no-key"):
        assert [outcome for ad, outcome in outcomes if ad == name] == ["failed"] * 3
    errors = {
        play.ad.ad_id: end.error
        for play, end in zip(stage.notes.plays, stage.notes.ends, strict=True)
    }
    for name, words in (
        ("corrupt", "cannot be decoded as a video"),
        ("empty", "is empty; copy the file again"),
        ("giant", "million pixels"),
        ("no-key", "holds no picture that can be decoded"),
        ("deleted", "does not exist; expected a media file there"),
    ):
        assert words in errors[name]
        assert [failure.sentence for failure in failures if failure.ad_id == name][-1] == errors[
            name
        ]
    assert len(failures) == 3 * 4 + 2
    assert all(failure.at.tzinfo is not None for failure in failures)
    # 20,000 x 20,000 would be 1,200 MB in colour and 400 MB in grey.
    assert peak[0] < 250


def test_only_the_newest_failures_are_kept(make_image, make_ad, tmp_path):
    ads = [
        make_ad(make_image("good.png"), "image", 0.2),
        make_ad(tmp_path / "gone.png", "image", 1.0),
    ]
    with Stage(ads, loops=KEPT_FAILURES + 5) as stage:
        stage.until(lambda: stage.player.finished)
        assert len(stage.player.failures) == KEPT_FAILURES


def test_a_file_that_hangs_holds_up_neither_the_clip_before_nor_the_show(
    make_clip, make_ad, monkeypatch
):
    released = threading.Event()
    real = decoder.frames

    def hanging(path, *args, **kwargs):
        if path.stem == "b":
            assert released.wait(HANG_S)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(decoder, "frames", hanging)
    ads = [make_ad(make_clip(f"{name}.mp4", frames=125), "video", 5.0) for name in "abc"]
    stage = Stage(ads)
    with stage.player:
        shown = []
        for _ in range(500):
            stage.clock.now += 40 * MS
            # The thread that hangs never comes to rest, so the others get the time that they need.
            for _ in range(1000):
                picture = stage.player.advance()
                if picture is not None:
                    shown.append((picture.play_number, picture.position_ms))
                awaited = [
                    item.buffer
                    for item in (stage.player._timeline.showing, stage.player._transition.next)
                    if item is not None
                ]
                if stage.player.current and not any(
                    buffer.is_starved for buffer in awaited if buffer.ad.ad_id != "b"
                ):
                    break
                threading.Event().wait(0.005)
            if len(stage.notes.ends) == 3:
                break
        released.set()
    assert stage.notes.outcomes[:2] == [("a", "finished"), ("b", "failed")]
    assert stage.notes.plays[2].ad.ad_id == "c"
    assert "b.mp4 gave no picture within 3 s" in stage.notes.ends[1].error
    assert stage.notes.ends[0].shown_ms < 5200
    assert sum(play == 1 for play, _ in shown) > 95


@pytest.fixture
def hanging(monkeypatch):
    """Let every file hang: one event is set when it is opened, the other one releases it."""
    entered, released = threading.Event(), threading.Event()

    def hanging(*_args, **_kwargs):
        entered.set()
        assert released.wait(HANG_S)
        yield from ()

    monkeypatch.setattr(decoder, "frames", hanging)
    return entered, released


@pytest.fixture
def endless_slow_png(monkeypatch):
    """Let `slow.png` compute until the event is set."""
    released = threading.Event()
    real = decoder.frames

    def computing(path, *args, **kwargs):
        while path.name == "slow.png" and not released.is_set():
            sum(range(1000))
        yield from real(path, *args, **kwargs)

    monkeypatch.setattr(decoder, "frames", computing)
    return released


def test_a_hanging_file_is_not_tried_again_while_its_thread_hangs(
    make_image, make_ad, monkeypatch, hanging
):
    entered, released = hanging
    monkeypatch.setattr(decoder, "STUCK_AFTER_S", 0.0)
    ad = make_ad(make_image("a.png"))
    with decoder.FrameDecoder((96, 64)) as made:
        first = made.load(ad)
        assert entered.wait(READY_S)
        first.close()
        threading.Event().wait(0.01)
        second = made.load(ad)
        assert isinstance(second.error, decoder.HangingMediaError)
        assert "still hangs" in str(second.error)
        assert sum(thread.name == THREAD_NAME for thread in threading.enumerate()) == 1
        released.set()


@pytest.mark.logs_errors
def test_stopping_does_not_wait_for_a_file_that_does_not_answer(
    make_image, make_ad, hanging, caplog
):
    entered, released = hanging
    made = decoder.FrameDecoder((96, 64))
    made.load(make_ad(make_image("a.png")))
    assert entered.wait(READY_S)
    watch = Stopwatch()
    made.stop()
    assert watch.seconds < HANG_S / 2
    assert "a.png did not end: its file does not answer" in caplog.text
    released.set()


def test_a_show_whose_files_all_hang_waits_for_them(make_image, make_ad, monkeypatch):
    released = threading.Event()
    real = decoder.frames

    def hanging(*args, **kwargs):
        assert released.wait(HANG_S)
        return real(*args, **kwargs)

    monkeypatch.setattr(decoder, "frames", hanging)
    stage = Stage([make_ad(make_image(f"{name}.png")) for name in "ab"])
    with stage.player:
        for _ in range(5):
            stage.player.advance()
            if len(stage.player.failures) == 2:
                break
            # The thread comes to a stop before time passes.
            threading.Event().wait(0.05)
            stage.clock.now += FIRST_PATIENCE_NS
        assert [failure.ad_id for failure in stage.player.failures] == ["a", "b"]
        assert stage.player.advance() is None
        released.set()
        stage.clock.now += RETRY_NS
        stage.player.advance()
        for _ in range(3):
            assert stage.player.wait_ready(READY_S)
            stage.player.advance()
        assert stage.player.current is not None


def test_a_file_that_takes_long_to_decode_is_late_and_no_failure(
    make_image, make_ad, endless_slow_png, caplog
):
    released = endless_slow_png
    ads = [make_ad(make_image("a.png")), make_ad(make_image("slow.png"))]
    stage = Stage(ads)
    with stage.player:
        begin_s = time.monotonic()
        while stage.clock.now < 1_000_000_007 + 4 * PATIENCE_NS:
            assert time.monotonic() < begin_s + 6 * READY_S
            stage.player.advance()
            if stage.player.current is not None:
                stage.clock.now += 250 * MS
            threading.Event().wait(0.02)
        # The picture before stays, with its play.
        assert [play.ad.ad_id for play in stage.notes.plays] == ["a"]
        released.set()
        assert stage.player.wait_ready(READY_S)
        assert stage.player.advance().play_number == 2
        assert stage.player.failures == ()
    assert stage.notes.outcomes == [("a", "finished"), ("slow", "stopped")]
    assert caplog.text.count("Ad slow is shown late: this machine is too slow for the file") == 1


def test_a_file_that_computes_without_end_is_given_up(
    make_image, make_ad, monkeypatch, endless_slow_png
):
    monkeypatch.setattr("ads.player.timeline.SLOW_PATIENCE_NS", 5 * PATIENCE_NS)
    released = endless_slow_png
    stage = Stage([make_ad(make_image("a.png")), make_ad(make_image("slow.png"))])
    with stage.player:
        for _ in range(400):
            stage.player.advance()
            if stage.player.failures:
                break
            stage.clock.now += 0 if stage.player.current is None else 500 * MS
            threading.Event().wait(0.02)
        released.set()
    (failure,) = stage.player.failures
    assert "slow.png gave no picture within 15 s" in failure.sentence


def test_a_clip_that_stops_giving_pictures_gives_way(make_clip, make_image, make_ad, monkeypatch):
    released = threading.Event()
    real = decoder.frames

    def stalling(path, *args, **kwargs):
        for index, frame in enumerate(real(path, *args, **kwargs)):
            if path.stem == "a" and index == 5:
                assert released.wait(HANG_S)
            yield frame

    monkeypatch.setattr(decoder, "frames", stalling)
    ads = [
        make_ad(make_clip("a.mp4", frames=500), "video", 20.0),
        make_ad(make_image("b.png"), "image", 2.0),
    ]
    stage = Stage(ads)
    with stage.player:
        for _ in range(5000):
            stage.player.advance()
            if stage.player.current is not None and stage.player.current.ad.ad_id == "b":
                break
            # Time passes once all that does come is there.
            following = stage.player._transition.next
            is_waiting = stage.player.current is None or (
                following is not None and not following.buffer.is_ready
            )
            stage.clock.now += 0 if is_waiting else 40 * MS
            threading.Event().wait(0.002)
        released.set()
    assert stage.notes.outcomes[0] == ("a", "failed")
    assert "gave no further picture within 3 s" in stage.notes.ends[0].error
    assert PATIENCE_NS / 1e6 <= stage.notes.ends[0].shown_ms < PATIENCE_NS / 1e6 + 1000


# --- what comes next ---


def test_the_next_choice_is_known_before_its_turn(make_image, make_ad):
    ads = [make_ad(make_image(f"{name}.png"), "image", 10.0) for name in "ab"]
    with Stage(ads) as stage:
        assert stage.player.next_choice.ad.ad_id == "a"
        stage.after(0)
        stage.after(3000)
        assert stage.player.next_choice is None
        stage.after(4000)
        assert (stage.player.next_choice.ad.ad_id, stage.player.next_choice.reason) == (
            "b",
            "next in the playlist",
        )


def test_the_choice_gets_the_audience_and_the_play_its_context(make_image, make_ad):
    asked = []

    def audience(now_ns: int) -> Audience:
        asked.append(now_ns)
        return Audience(3, 2, "happy")

    with Stage([make_ad(make_image("a.png"))], audience=audience) as stage:
        stage.after(0)
        play = stage.player.current
    assert asked[0] == stage.begin_ns
    assert (play.context["mood"], play.context["group"], play.held_out) == ("happy", "few", False)


def test_sound_is_announced_a_second_ahead(make_clip, make_image, make_ad):
    ads = [
        make_ad(make_clip("a.mp4", frames=50, tone_hz=300), "video", 2.0, has_sound=True),
        make_ad(make_image("b.png"), "image", 2.0),
        make_ad(make_image("c.png"), "image", 2.0),
    ]
    with Stage(ads, loops=2) as stage:
        stage.until(lambda: stage.player.finished, step_ms=40)
    assert [(name, position_s) for name, position_s, _ in stage.sound.cues] == [
        (None, 0.0),
        ("a.mp4", 0.0),
        (None, 0.0),
    ]
    assert all(0.95 <= in_s <= 1.0 for _, _, in_s in stage.sound.cues)
    assert stage.sound.calls == [("a.mp4", 0.0), "stop"] * 2


def test_in_a_wash_out_nothing_is_shown_or_credited(make_image, make_ad):
    ads = [make_ad(make_image(f"{name}.png"), "image", 1.0) for name in "ab"]
    with Stage(ads, loops=1, wash_out_s=2.0, cross_fade_s=1.0) as stage:
        stage.until(lambda: len(stage.notes.ends) == 1, step_ms=50)
        ended_ns = stage.notes.ends[0].ended_ns
        assert stage.player.resting
        assert stage.player.current is None
        assert stage.log.at(stage.clock.now) is None
        stage.until(lambda: stage.player.finished, step_ms=50)
        assert not stage.player.resting
    assert stage.notes.plays[1].started_ns - ended_ns == pytest.approx(2e9, abs=51e6)
    # After the last ad there is nothing to keep apart.
    assert stage.clock.now - stage.notes.ends[1].ended_ns <= 51e6
    with Stage(ads, wash_out_s=50.0) as stage:
        stage.until(lambda: stage.player.resting, step_ms=50)
        stage.player.skip()
        assert stage.after(0).play_number == 2


def test_the_volume_goes_with_the_sound_and_a_muted_ad_is_silent(make_clip, make_ad):
    quiet, muted = (
        make_ad(
            make_clip(f"{name}.mp4", frames=25, tone_hz=300),
            *("video", 1.0),
            has_sound=True,
            volume=volume,
        )
        for name, volume in (("a", 0.25), ("b", 0.0))
    )
    with Stage([quiet, muted], loops=1) as stage:
        stage.until(lambda: stage.player.finished)
    assert [call for call in stage.sound.calls if call != "stop"] == [("a.mp4", 0.0)]
    assert stage.sound.volumes == [0.25]
    assert [name for name, _, _ in stage.sound.cues] == [None]


@pytest.mark.parametrize("is_picture", [False, True])
def test_the_filler_is_shown_whenever_no_ad_is(make_image, make_ad, is_picture):
    colour = (10, 60, 200)
    logo = make_ad(make_image("logo.png", colour, (30, 90)), "image", 3600.0, fit="blur")
    filler = Filler(logo) if is_picture else Filler(colour=colour)
    ads = [make_ad(make_image(f"{name}.png"), "image", 1.0) for name in "ab"]
    with Stage(ads, loops=1, wash_out_s=2.0, filler=filler) as stage:
        stage.until(lambda: stage.player.resting)
        picture = stage.player._last_picture
        assert picture is not None
        assert stage.player.filling
        assert picture.play_number == 0
        assert (picture.rgb == colour).all()
        assert (picture.fit, picture.backdrop is not None) == (
            ("blur", True) if is_picture else ("cover", False)
        )
        # Handed out once, again in another size, and credited to no play.
        assert stage.after(100) is None
        stage.player.set_viewport(48, 32)
        assert (stage.after(0) is not None) is is_picture
        stage.player.painted(picture)
        assert stage.log.at(stage.clock.now) is None
        stage.player.replace(ads, Filler(colour=(1, 2, 3)))
        assert stage.after(0).rgb.tolist() == [[[1, 2, 3]]]
        stage.until(lambda: stage.player.current is not None)
        assert not stage.player.filling
        stage.until(lambda: stage.player.finished)
        assert not stage.player.filling


def test_a_filler_that_cannot_be_read_leaves_the_screen_black(make_image, make_ad, caplog):
    gone = make_ad(make_image("logo.png"), "image", 3600.0)
    gone.path.unlink()
    ads = [make_ad(make_image(f"{name}.png"), "image", 1.0) for name in "ab"]
    with Stage(ads, loops=1, wash_out_s=2.0, filler=Filler(gone)) as stage:
        stage.until(lambda: stage.player.finished)
        assert not stage.player.filling
    assert [end.outcome for end in stage.notes.ends] == ["finished", "finished"]
    assert caplog.text.count("The filler cannot be shown: ") == 1


def test_a_show_outside_of_all_dates_waits_for_them(make_image, make_ad):
    wall = [datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC)]
    later = make_ad(make_image("a.png"), "image", 1.0, first_day=date(2026, 12, 1))
    filler = Filler(colour=(9, 8, 7))
    with Stage([later], filler=filler, wall_clock=lambda: wall[0]) as stage:
        assert stage.after(0).rgb.tolist() == [[[9, 8, 7]]]
        assert stage.player.current is None
        wall[0] += timedelta(seconds=10)
        stage.after(0)
        picture = stage.after(0) or stage.player._last_picture
        assert picture.play_number == 1
        assert not stage.player.filling


def test_a_takeover_cuts_off_what_is_on(make_image, make_ad):
    wall = [datetime(2026, 11, 20, 11, 59, tzinfo=UTC)]
    plain = [make_ad(make_image(f"{name}.png"), "image", 8.0) for name in "ab"]
    noon = make_ad(make_image("noon.png"), "image", 3.0, hours=(Hours(720, 721),), takeover=True)
    with Stage([*plain, noon], wall_clock=lambda: wall[0], wash_out_s=5.0) as stage:
        stage.after(0)
        stage.after(5000)
        assert stage.player.next_choice.ad.ad_id == "b"
        wall[0] = wall[0].replace(hour=12, minute=0)
        stage.after(10)
        stage.after(0)
        assert stage.player.current.ad.ad_id == "noon"
        wall[0] = wall[0].replace(minute=1)
        stage.until(lambda: len(stage.notes.plays) == 3)
    assert stage.notes.outcomes[:2] == [("a", "skipped"), ("noon", "finished")]
    assert stage.notes.ends[0].shown_ms == 5010.0
    assert not stage.notes.plays[2].ad.takeover


def test_another_playlist_takes_over_at_the_next_change(make_image, make_ad):
    ads = [make_ad(make_image(f"{name}.png"), "image", 5.0) for name in "abc"]
    with Stage(ads[:2]) as stage:
        stage.after(0)
        stage.after(4000)
        assert stage.player.next_choice.ad.ad_id == "b"
        with pytest.raises(AdsError, match="at least one ad"):
            stage.player.replace([])
        assert stage.player.next_choice.ad.ad_id == "b"
        stage.player.replace([ads[0], ads[2]])
        assert stage.player.current.ad.ad_id == "a"
        stage.until(lambda: len(stage.notes.plays) == 4)
    assert {play.ad.ad_id for play in stage.notes.plays} == {"a", "c"}
    assert [end.outcome for end in stage.notes.ends[:2]] == ["finished", "finished"]


def test_starts_of_an_earlier_run_count(make_image, make_ad):
    ads = [
        make_ad(make_image("a.png"), "image", 1.0, max_per_hour=2),
        make_ad(make_image("b.png"), "image", 1.0),
    ]
    stage = Stage(ads)
    stage.player.seed({"a": [stage.clock.now - 60_000 * MS]})
    with stage:
        stage.until(lambda: len(stage.notes.ends) == 6)
    assert [play.ad.ad_id for play in stage.notes.plays[:6]] == ["a", "b", "b", "b", "b", "b"]


def test_a_portrait_clip_keeps_its_shape(make_clip, make_ad):
    with Stage(
        [make_ad(make_clip("tall.mp4", frames=10, size=(36, 64)), "video", 0.4)],
        viewport=(320, 180),
    ) as stage:
        assert stage.after(0).rgb.shape == (180, 101, 3)
        stage.player.set_viewport(180, 320)
        stage.until(lambda: stage.player._timeline.showing.frame.rgb.shape == (320, 180, 3))


def test_media_limits_hold_for_what_is_shown(make_clip, make_image, make_ad, monkeypatch):
    monkeypatch.setattr("ads.media.types.MAX_PIXELS", 96 * 64 - 1)
    ads = [
        make_ad(make_clip("large.mp4", frames=10), "video", 0.4),
        make_ad(make_image("s.png", size=(9, 6)), "image", 1.0),
    ]
    with Stage(ads, loops=1) as stage:
        stage.until(lambda: stage.player.finished)
    assert stage.notes.outcomes == [("large", "failed"), ("s", "finished")]
    assert "claims 96 x 64 pixels" in stage.notes.ends[0].error


@pytest.mark.parametrize("cross_fade_s", [0.0, 0.6])
def test_whatever_is_asked_when_every_moment_belongs_to_one_play(
    make_clip, make_image, make_animation, make_ad, tmp_path, cross_fade_s
):
    ads = [
        make_ad(make_clip("a.mp4", frames=40, tone_hz=300), "video", 1.6, has_sound=True),
        make_ad(make_image("b.png"), "image", 1.2),
        make_ad(tmp_path / "gone.png", "image", 1.0),
        make_ad(make_animation("c.gif", [50, 200], [250, 250]), "animation", 1.5),
    ]
    takeover = make_ad(make_image("t.png"), "image", 1.0, takeover=True, max_per_hour=3)
    dice = random.Random(11)  # noqa: S311 (no secret)
    with Stage(ads, cross_fade_s=cross_fade_s) as stage:
        player = stage.player
        moves = [
            (30, lambda: None),
            (1, player.pause),
            (3, player.resume),
            (2, player.skip),
            (2, lambda: player.seek(dice.uniform(-100, 2000))),
            (1, lambda: player.set_viewport(dice.choice([64, 96, 200]), 64)),
            (1, lambda: player.replace(dice.choice([ads, ads[:2], [*ads, takeover]]))),
        ]
        for _ in range(450):
            dice.choices([move for _, move in moves], weights=[weight for weight, _ in moves])[0]()
            picture = stage.after(dice.choice([0, 7, 20, 60, 300]))
            if picture is not None:
                assert picture.play_number == player.current.number
                player.painted(picture)
            assert 0 <= player.position_ms <= 1600
            # On a busy machine the threads of closed buffers end a moment later.
            wait_until(lambda: len(player._decoder._running) <= 4)
        outcomes = {end.outcome for end in stage.notes.ends}
    assert outcomes == {"finished", "skipped", "failed"}
    plays = list(zip(stage.notes.plays, stage.notes.ends, strict=True))
    assert len(plays) > 30
    for (_, end), (play, _) in pairwise(plays):
        assert play.number == end.number + 1
        # There is always something that can be shown, and it is.
        assert play.started_ns == end.ended_ns
    for play, end in plays:
        assert 0 <= end.shown_ms <= (end.ended_ns - play.started_ns) / 1e6 + 1e-6
        if end.ended_ns > play.started_ns:
            assert stage.log.at((play.started_ns + end.ended_ns) // 2).play_number == play.number
    assert {"t", "gone"} <= {play.ad.ad_id for play, _ in plays}
