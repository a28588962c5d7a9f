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
    """Four seconds in which each sample is its own number, so that it can be seen where a piece comes from."""
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
def make_sound(qtbot, sink, clock):
    made = []

    def build(decode=ramp, **settings):
        settings.setdefault("open_sink", lambda volume: sink)
        output = QtSound(decode=decode, clock=lambda: clock[0], **settings)
        made.append(output)
        return output

    yield build
    for output in made:
        output.close()


def test_without_a_device_it_says_so_once_and_has_no_thread(make_sound, caplog):
    caplog.set_level(logging.INFO)
    before = threading.active_count()
    asked = []
    output = make_sound(open_sink=asked.append)
    for _ in range(3):
        output.play(CLIP, 0.0)
        output.pause()
        output.resume()
        output.stop()
    assert [record.getMessage() for record in caplog.records] == ["No sound output was found: ads play without sound."]
    assert asked == [1.0]
    assert not output.available
    assert threading.active_count() == before


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
    qtbot.waitUntil(lambda: len(sink.data) >= BUFFER_BYTES, timeout=2000)
    assert output.available
    assert sink.events == ["start"]
    assert np.array_equal(numbers(sink), np.arange(len(sink.samples)) + round(1.5 * RATE_HZ))


def test_the_device_gets_as_much_as_it_has_room_for(make_sound, qtbot, sink, clock):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=2000)
    qtbot.wait(60)
    assert len(sink.data) == BUFFER_BYTES
    for _ in range(10):
        clock[0] += 0.1
        sink.plays(0.1)
        before = len(sink.data)
        qtbot.waitUntil(lambda before=before: len(sink.data) == before + BUFFER_BYTES // 2, timeout=2000)
    assert np.array_equal(numbers(sink), np.arange(len(sink.samples)))


def test_sound_that_is_ready_late_joins_the_picture_where_it_is(make_sound, qtbot, sink, clock):
    gate = threading.Event()

    def slow(path, position_s):
        gate.wait(5)
        yield from ramp(path, position_s)

    output = make_sound(slow)
    output.play(CLIP, 1.0)
    clock[0] += 0.5  # the picture is half a second further by the time the first sample is there
    gate.set()
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=2000)
    assert abs(numbers(sink)[0] - 1.5 * RATE_HZ) <= 2


def test_after_a_stall_of_the_window_sound_and_picture_are_together_again(make_sound, qtbot, sink, clock):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=2000)
    clock[0] += 0.7
    sink.plays(0.7)  # it ran dry after 0.2 s
    qtbot.waitUntil(lambda: len(sink.data) > BUFFER_BYTES, timeout=2000)
    assert abs(numbers(sink)[BUFFER_BYTES // 4] - 0.7 * RATE_HZ) <= 2


def test_a_pause_keeps_the_place(make_sound, qtbot, sink, clock):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=2000)
    output.pause()
    output.pause()
    clock[0] += 60
    output.resume()
    output.resume()
    clock[0] += 0.1
    sink.plays(0.1)
    qtbot.waitUntil(lambda: len(sink.data) > BUFFER_BYTES, timeout=2000)
    assert sink.events == ["start", "suspend", "resume"]
    assert np.array_equal(numbers(sink), np.arange(len(sink.samples)))


def test_the_next_play_replaces_the_one_before(make_sound, qtbot, sink):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=2000)
    sink.data = b""
    output.play(CLIP, 2.0)
    assert sink.events == ["start", "reset"]
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=2000)
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
    qtbot.waitUntil(lambda: len(sink.data) == BUFFER_BYTES, timeout=2000)
    qtbot.wait(60)
    assert made[0] * 4800 * 4 <= (sound.AHEAD_S + 0.5) * BYTES_PER_SECOND
    assert not released.is_set()
    output.stop()
    assert released.wait(2)


def test_a_file_whose_sound_cannot_be_decoded_leaves_the_next_one_alone(make_sound, qtbot, sink, caplog):
    caplog.set_level(logging.INFO)

    def decode(path, position_s):
        if path.name == "broken.mp4":
            raise MediaError("broken.mp4 has no sound.")
        yield from ramp(path, position_s)

    output = make_sound(decode)
    output.play(Path("broken.mp4"), 0.0)
    qtbot.waitUntil(lambda: "broken.mp4 has no sound." in caplog.text, timeout=2000)
    assert sink.events == []
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=2000)


def test_a_device_that_goes_away_is_said_once(make_sound, qtbot, sink, caplog):
    caplog.set_level(logging.INFO)
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=2000)
    sink.is_broken = True
    qtbot.waitUntil(lambda: not output.available, timeout=2000)
    output.play(CLIP, 0.0)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO] == [
        "The sound output went away: ads play without sound."
    ]


def test_closing_ends_the_thread_in_the_middle_of_a_clip(make_sound, qtbot, sink):
    output = make_sound()
    output.play(CLIP, 0.0)
    qtbot.waitUntil(lambda: len(sink.data) > 0, timeout=2000)
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
