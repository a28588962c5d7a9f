from __future__ import annotations

import builtins
import logging
import threading
from pathlib import Path

import numpy as np
import pytest

from ads.errors import MediaError
from monitor.ui import sound
from monitor.ui.sound import BYTES_PER_SECOND, RATE_HZ, QtSound, open_default_sink

CLIP = Path("clip.mp4")
BUFFER_BYTES = BYTES_PER_SECOND // 5


class FakeSink:
    """A device whose clock a test turns; it plays what it was given, in order."""

    def __init__(self):
        self.events = []
        self.data = b""
        self.held = 0
        self.is_broken = False

    def start(self):
        self.events.append("start")

    def reset(self):
        self.events.append("reset")
        self.held = 0

    def suspend(self):
        self.events.append("suspend")

    def resume(self):
        self.events.append("resume")

    def free_bytes(self):
        return BUFFER_BYTES - self.held

    def held_bytes(self):
        return self.held

    def write(self, data):
        self.data += data
        self.held += len(data)
        return len(data)

    def broken(self):
        return self.is_broken

    def plays(self, seconds):
        self.held = max(0, self.held - round(seconds * RATE_HZ) * 4)

    @property
    def samples(self):
        return np.frombuffer(self.data, np.int16).reshape(-1, 2)


def ramp(path, position_s):
    """Four seconds in which each sample is its number, to see where a piece comes from."""
    first = round(position_s * RATE_HZ)
    for start in range(first, 4 * RATE_HZ, 1000):
        count = np.arange(start, start + 1000)
        yield start / RATE_HZ, np.stack([count % 32768, count // 32768], axis=1).astype(np.int16)


def numbers(sink):
    samples = sink.samples.astype(int)
    return samples[:, 0] + 32768 * samples[:, 1]


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
def sink():
    return FakeSink()


@pytest.fixture
def buffered():
    """The files whose first block has reached the buffer."""
    return []


@pytest.fixture
def make_sound(qtbot, sink, clock, buffered):
    made = []

    def build(decode=ramp, **settings):
        def told(path, position_s):
            for number, block in enumerate(decode(path, position_s)):
                if number == 1:
                    buffered.append(path)
                yield block

        settings.setdefault("open_sink", lambda volume: sink)
        output = QtSound(decode=told, clock=lambda: clock[0], picture_lag_s=0.0, **settings)
        made.append(output)
        return output

    yield build
    for output in made:
        output.close()


def test_without_a_device_it_says_so_once_and_has_no_thread(make_sound, caplog):
    caplog.set_level(logging.INFO)
    asked = []
    output = make_sound(open_sink=asked.append)
    for _ in range(3):
        output.play(CLIP, 0.0)
        output.pause()
        output.resume()
        output.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "No sound output was found: ads play without sound."
    ]
    assert asked == [1.0]
    assert not output.available
    assert "sound-decode" not in [thread.name for thread in threading.enumerate()]


def test_multimedia_that_cannot_be_loaded_counts_as_no_device(monkeypatch):
    real = builtins.__import__

    def refuse(name, scope=None, local=None, fromlist=(), level=0):
        if name == "PyQt5" and "QtMultimedia" in (fromlist or ()):
            raise ImportError("libpulse-mainloop-glib.so.0: cannot open shared object file")
        return real(name, scope, local, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert open_default_sink(1.0) is None


def test_the_samples_arrive_in_order_from_the_position_on(make_sound, qtbot, sink):
    output = make_sound()
    output.play(CLIP, 1.5)
    qtbot.waitUntil(lambda: len(sink.data) >= BUFFER_BYTES, timeout=300_000)
    assert output.available
    assert sink.events == ["start"]
    assert np.array_equal(numbers(sink), np.arange(len(sink.samples)) + round(1.5 * RATE_HZ))


def test_the_device_gets_as_much_as_it_has_room_for(make_sound, qtbot, sink, clock):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=300_000)
    qtbot.wait(60)
    assert len(sink.data) == BUFFER_BYTES
    for _ in range(10):
        clock[0] += 0.1
        sink.plays(0.1)
        before = len(sink.data)
        qtbot.waitUntil(
            lambda before=before: len(sink.data) == before + BUFFER_BYTES // 2, timeout=300_000
        )
    assert np.array_equal(numbers(sink), np.arange(len(sink.samples)))


def test_sound_that_is_ready_late_joins_the_picture_where_it_is(make_sound, qtbot, sink, clock):
    gate = threading.Event()

    def slow(path, position_s):
        assert gate.wait(60)
        yield from ramp(path, position_s)

    output = make_sound(slow)
    output.play(CLIP, 1.0)
    clock[0] += 0.5  # the picture is half a second further by the time the first sample is there
    gate.set()
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=300_000)
    assert abs(numbers(sink)[0] - 1.5 * RATE_HZ) <= 2


def test_after_a_stall_of_the_window_sound_and_picture_are_together_again(
    make_sound, qtbot, sink, clock
):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=300_000)
    clock[0] += 0.7
    sink.plays(0.7)  # it ran dry after 0.2 s
    qtbot.waitUntil(lambda: len(sink.data) > BUFFER_BYTES, timeout=300_000)
    assert abs(numbers(sink)[BUFFER_BYTES // 4] - 0.7 * RATE_HZ) <= 2


def test_a_pause_keeps_the_place(make_sound, qtbot, sink, clock):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=300_000)
    output.pause()
    output.pause()
    clock[0] += 60
    output.resume()
    output.resume()
    clock[0] += 0.1
    sink.plays(0.1)
    qtbot.waitUntil(lambda: len(sink.data) > BUFFER_BYTES, timeout=300_000)
    assert sink.events == ["start", "suspend", "resume"]
    assert np.array_equal(numbers(sink), np.arange(len(sink.samples)))


def test_the_next_play_replaces_the_one_before(make_sound, qtbot, sink):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=300_000)
    sink.data = b""
    output.play(CLIP, 2.0)
    assert sink.events == ["start", "reset"]
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=300_000)
    assert numbers(sink)[0] == 2 * RATE_HZ
    output.stop()
    sink.data = b""
    qtbot.wait(60)
    assert sink.data == b""


def test_what_is_decoded_ahead_is_bounded_and_the_file_is_released(make_sound, qtbot, sink):
    made, released = [0], threading.Event()

    def endless(path, position_s):
        try:
            while True:
                made[0] += 1
                yield 0.0, np.zeros((4800, 2), np.int16)
        finally:
            released.set()

    output = make_sound(endless)
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=300_000)
    qtbot.wait(60)
    assert made[0] * 4800 * 4 <= 1.5 * BYTES_PER_SECOND
    assert not released.is_set()
    output.stop()
    assert released.wait(60)


def test_a_file_whose_sound_cannot_be_decoded_leaves_the_next_one_alone(
    make_sound, qtbot, sink, caplog
):
    caplog.set_level(logging.WARNING)
    decoded = []

    def decode(path, position_s):
        decoded.append(path.name)
        if path.name == "broken.mp4":
            raise MediaError("broken.mp4 has no sound.")
        yield from ramp(path, position_s)

    output = make_sound(decode)
    output.play(Path("broken.mp4"), 0.0)
    qtbot.waitUntil(lambda: "broken.mp4 has no sound." in caplog.text, timeout=300_000)
    assert sink.events == []
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=300_000)
    output.play(Path("broken.mp4"), 0.0)
    qtbot.waitUntil(lambda: decoded.count("broken.mp4") == 2, timeout=300_000)
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: decoded.count("clip.mp4") == 2, timeout=300_000)
    assert caplog.text.count("plays without sound") == 1


def test_a_device_that_goes_away_is_said_once(make_sound, qtbot, sink, caplog):
    caplog.set_level(logging.INFO)
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=300_000)
    sink.is_broken = True
    qtbot.waitUntil(lambda: not output.available, timeout=300_000)
    output.play(CLIP, 0.0)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO] == [
        "The sound output went away: ads play without sound."
    ]


def test_closing_ends_the_thread_in_the_middle_of_a_clip(make_sound, qtbot, sink):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=300_000)
    assert "sound-decode" in [thread.name for thread in threading.enumerate()]
    output.close()
    output.close()
    assert "sound-decode" not in [thread.name for thread in threading.enumerate()]
    output.play(CLIP, 0.0)
    output.pause()
    output.stop()


def test_a_volume_that_is_none_is_refused(qapp):
    with pytest.raises(ValueError, match=r"from 0 to 1, received 1\.5"):
        QtSound(volume=1.5)
    volumes = []
    with QtSound(volume=0.25, open_sink=volumes.append) as output:
        output.play(CLIP)
    assert volumes == [0.25]


def written_numbers(sink, since_bytes=0):
    samples = np.frombuffer(sink.data[since_bytes:], np.int16).reshape(-1, 2).astype(int)
    return samples[:, 0] + 32768 * samples[:, 1]


def play_on(qtbot, sink, clock, seconds):
    """Lets the device and the clock run together, in small steps."""
    for _ in range(round(seconds / 0.05)):
        clock[0] += 0.05
        sink.plays(0.05)
        before = len(sink.data)
        qtbot.waitUntil(
            lambda before=before: len(sink.data) >= before + round(0.05 * RATE_HZ) * 4,
            timeout=300_000,
        )


def named(path, position_s):
    """Like `ramp`, but the samples of the second file are negative."""
    sign = -1 if path.name == "second.mp4" else 1
    for at_s, samples in ramp(path, position_s):
        yield at_s, (samples * sign).astype(np.int16)


def test_an_announced_clip_follows_at_its_sample(make_sound, qtbot, sink, clock, buffered):
    output = make_sound(named)
    output.play(Path("first.mp4"), 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=300_000)
    output.cue(Path("second.mp4"), 0.5, 0.4)
    # The second decoder needs a moment before its turn comes.
    qtbot.waitUntil(lambda: len(buffered) == 2, timeout=300_000)
    play_on(qtbot, sink, clock, 0.4)
    output.play(Path("second.mp4"), 0.5)
    play_on(qtbot, sink, clock, 0.3)
    assert sink.events == ["start"]
    heard = numbers(sink)
    change = round(0.4 * RATE_HZ)
    assert np.array_equal(heard[:change], np.arange(change))
    assert np.array_equal(-heard[change:], np.arange(len(heard) - change) + RATE_HZ // 2)


def test_an_announced_silence_keeps_the_device_going(make_sound, qtbot, sink, clock, buffered):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=300_000)
    output.cue(None, 0.0, 0.3)
    play_on(qtbot, sink, clock, 0.3)
    output.stop()
    play_on(qtbot, sink, clock, 0.5)
    heard = numbers(sink)
    change = round(0.3 * RATE_HZ)
    assert np.array_equal(heard[:change], np.arange(change))
    assert not heard[change:].any()
    output.cue(CLIP, 0.0, 0.4)
    qtbot.waitUntil(lambda: len(buffered) == 2, timeout=300_000)
    play_on(qtbot, sink, clock, 0.4)
    output.play(CLIP, 0.0)
    play_on(qtbot, sink, clock, 0.2)
    again = round(1.2 * RATE_HZ)
    assert np.array_equal(numbers(sink)[again:], np.arange(len(numbers(sink)) - again))
    assert sink.events == ["start"]
    output.stop()
    assert sink.events == ["start", "reset"]


def test_out_of_silence_the_device_is_running_before_the_clip_begins(
    make_sound, qtbot, sink, clock, buffered
):
    output = make_sound()
    output.cue(None, 0.0, 0.1)
    assert sink.events == []
    output.cue(CLIP, 0.0, 0.5)
    assert sink.events == ["start"]
    qtbot.waitUntil(lambda: len(buffered) == 1 and len(sink.data) == BUFFER_BYTES, timeout=300_000)
    play_on(qtbot, sink, clock, 0.5)
    output.play(CLIP, 0.0)
    begin = round(0.5 * RATE_HZ)
    heard = numbers(sink)
    assert not heard[:begin].any()
    assert np.array_equal(heard[begin:], np.arange(len(heard) - begin))


def test_another_sound_than_the_announced_one_comes_at_once(make_sound, qtbot, sink, clock):
    output = make_sound(named)
    output.play(Path("first.mp4"), 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=300_000)
    output.cue(Path("second.mp4"), 0.0, 1.0)
    before = len(sink.data)
    # Half a second early: somebody has skipped.
    clock[0] += 0.5
    output.play(Path("second.mp4"), 0.0)
    assert sink.events == ["start", "reset"]
    qtbot.waitUntil(lambda: len(sink.data) > before, timeout=300_000)
    assert -written_numbers(sink, before)[10] == 10


def test_a_clip_that_comes_a_little_late_is_brought_together_with_its_picture(
    make_sound, qtbot, sink, clock, buffered
):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=300_000)
    output.cue(CLIP, 0.0, 0.3)
    qtbot.waitUntil(lambda: len(buffered) == 2, timeout=300_000)
    play_on(qtbot, sink, clock, 0.4)
    output.play(CLIP, 0.0)
    before = len(sink.data) // 4
    play_on(qtbot, sink, clock, 0.3)
    assert sink.events == ["start"]
    # Heard now is what belongs to a picture that began 0.3 s ago; the device holds 0.2 s more.
    assert numbers(sink)[-1] == pytest.approx(0.5 * RATE_HZ, abs=2)
    assert (numbers(sink)[before:] == 0).sum() == pytest.approx(0.1 * RATE_HZ, abs=2)


def test_a_pause_moves_what_was_announced(make_sound, qtbot, sink, clock, buffered):
    output = make_sound(named)
    output.play(Path("first.mp4"), 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=300_000)
    output.cue(Path("second.mp4"), 0.0, 0.4)
    qtbot.waitUntil(lambda: len(buffered) == 2, timeout=300_000)
    output.pause()
    output.cue(None, 0.0, 0.1)
    clock[0] += 30
    output.resume()
    play_on(qtbot, sink, clock, 0.4)
    output.play(Path("second.mp4"), 0.0)
    change = round(0.4 * RATE_HZ)
    heard = numbers(sink)
    assert heard[change - 1] == change - 1
    assert np.array_equal(-heard[change:], np.arange(len(heard) - change))
    assert sink.events == ["start", "suspend", "resume"]


def test_a_device_that_takes_large_steps_is_heard_at_the_end_of_each():
    timing = sound.PlaybackTiming()
    # It begins 0.05 s after its start, takes 0.16 s at a time, and its buffer is always filled up
    # to 0.2 s.
    began_s, step_s, buffer_s = 100.05, 0.16, 0.2
    errors = []
    for tick in range(200):
        now_s = 100.0 + 0.01 * tick
        steps = 0 if now_s < began_s else int((now_s - began_s) / step_s) + 1
        taken = steps * step_s
        held_s = timing.written / RATE_HZ - taken
        timing.observe(now_s, round(held_s * BYTES_PER_SECOND))
        if now_s > began_s + 2 * sound.MEASURED_S - 1:
            errors.append(timing.heard_s - (began_s + timing.written / RATE_HZ))
        timing.written = round((taken + buffer_s) * RATE_HZ)
    assert len(errors) > 50
    assert max(errors) <= sound.LATE_S
    assert min(errors) >= -sound.LATE_S - 0.011


def test_a_picture_that_is_seen_late_is_heard_late(make_sound, qtbot, sink):
    output = QtSound(decode=ramp, clock=lambda: 100.0, open_sink=lambda volume: sink)
    with output:
        output.play(CLIP, 0.0)
        qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=300_000)
        silent = round(sound.PICTURE_LAG_S * RATE_HZ)
        assert not numbers(sink)[:silent].any()
        assert numbers(sink)[silent + 5] == 5


def test_a_clip_is_as_loud_as_asked(make_sound, sink, clock, buffered, qtbot):
    """On a perceptual scale like the volume of the kiosk: half of it is an eighth of the samples."""

    def loud(path, position_s):
        for start in range(round(position_s * RATE_HZ), 4 * RATE_HZ, 1000):
            yield start / RATE_HZ, np.full((1000, 2), -8000, np.int16)

    output = make_sound(loud)
    output.play(CLIP, 0.0, 0.5)
    qtbot.waitUntil(lambda: len(sink.samples) > 0, timeout=300_000)
    assert set(sink.samples[-1].tolist()) == {-1000}
    # The same clip follows, announced, at another volume.
    output.cue(CLIP, 0.0, 0.1, 1.0)
    output.play(CLIP, 0.0, 0.25)
    sink.data = b""
    qtbot.waitUntil(lambda: len(sink.samples) > 0, timeout=300_000)
    assert set(sink.samples[-1].tolist()) == {-125}
