"""Play the sound of the ads through Qt; without a sound device the ads play silently."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from PyQt5.QtCore import QIODevice, QObject, Qt, QTimer, pyqtSlot

from ads.errors import MediaError
from ads.media.clip_sound import sound_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PyQt5.QtMultimedia import QAudioOutput

    Decode = Callable[[Path, float], Generator[tuple[float, NDArray[np.int16]], None, None]]

logger = logging.getLogger(__name__)

RATE_HZ = 48_000
FRAME_BYTES = 4  # of 16-bit stereo
BYTES_PER_SECOND = RATE_HZ * FRAME_BYTES
LATE_S = 0.02
"""Sound and picture further apart are brought together; ears notice 40 ms."""
PICTURE_LAG_S = 0.008
"""Mean delay of a picture: the window looks every few milliseconds, and painting takes time."""
MEASURED_S = 1.0
"""Devices take samples in steps and report only then; over this time each has reported."""


class _Wanted(NamedTuple):
    """What a feeder should decode: a file, from where, and how loud."""

    path: Path
    position_s: float
    volume: float


class _Cue(NamedTuple):
    """What follows: a file or silence, when it begins, and when its position was 0."""

    path: Path | None
    begins_s: float
    zero_s: float
    volume: float = 1.0


class QtSound(QObject):
    """The `SoundOutput` of the kiosk: decoded ahead by threads, one clip after the other.

    All methods belong to the GUI thread. The first sound looks for a device. The sound keeps to the
    picture by the clock: each sample written is the one due when it will be heard, and late ones
    are skipped. Between clips the device plays silence, because starting it takes up to a second
    on some screens.

    Args:
        volume: 0 (silent) to 1, on a perceptual scale; else `ValueError`.
        decode: Yields consecutive blocks of `(n, 2)` int16 samples at 48 kHz from a position in a
            file on, each with its position in seconds.
        open_sink: Opens the device at a volume; returns `None` if there is none.
    """

    def __init__(
        self,
        *,
        volume: float = 1.0,
        decode: Decode = sound_blocks,
        open_sink: Callable[[float], AudioSink | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        picture_lag_s: float = PICTURE_LAG_S,
    ) -> None:
        super().__init__()
        if not 0.0 <= volume <= 1.0:
            raise ValueError(f"Invalid volume: expected a number from 0 to 1, received {volume}.")
        self._volume = volume
        self._decode = decode
        self._open_sink = open_sink or open_default_sink
        self._clock = clock
        self._picture_lag_s = picture_lag_s
        self._sink: AudioSink | None = None
        self._sought = self._closed = False
        # The first feeder holds the present sound, the second the announced one.
        self._feeders: list[_Feeder] = []
        self._zero_s: float | None = None
        self._cued: _Cue | None = None
        self._paused_s: float | None = None
        self._timing: PlaybackTiming | None = None
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._push)

    def __enter__(self) -> QtSound:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def available(self) -> bool:
        """Whether a device was found and works; `False` before the first sound."""
        return self._sink is not None

    def play(self, path: Path, position_s: float = 0.0, volume: float = 1.0) -> None:
        """Play the sound of a file instead of the present one; a file without sound is silent."""
        zero_s = self._clock() + self._picture_lag_s - position_s
        if self._follows_on(path, zero_s, volume):
            return
        self._silence()
        if not self._closed and self._find_device() is not None:
            self._zero_s = zero_s
            self._feeders[0].request(_Wanted(path, position_s, volume))
            self._timer.start(20)

    def cue(self, path: Path | None, position_s: float, in_s: float, volume: float = 1.0) -> None:
        """Announce a call of `play`, or of `stop` for `None`, to be heard exactly in time."""
        if self._closed or self._paused_s is not None or (self._timing is None and path is None):
            return
        sink = self._find_device()
        if sink is None:
            return
        if self._timing is not None:
            self._timing.adopt_newest()
        begins_s = self._clock() + self._picture_lag_s + in_s
        self._cued = _Cue(path, begins_s, begins_s - position_s, volume)
        if path is not None:
            self._feeders[1].request(_Wanted(path, position_s, volume))
            if self._timing is None and self._zero_s is None:
                # From silence: the device runs by the time the sound begins.
                sink.start()
                self._timing = PlaybackTiming()
        self._timer.start(20)

    def pause(self) -> None:
        if self._paused_s is not None or not self._timer.isActive():
            return
        self._paused_s = self._clock()
        self._timer.stop()
        if self._sink is not None and self._timing is not None:
            self._sink.suspend()

    def resume(self) -> None:
        if self._paused_s is None:
            return
        paused_s = self._clock() - self._paused_s
        self._paused_s = None
        if self._zero_s is not None:
            self._zero_s += paused_s
        if self._cued is not None:
            cue = self._cued
            self._cued = cue._replace(
                begins_s=cue.begins_s + paused_s, zero_s=cue.zero_s + paused_s
            )
        if self._sink is not None and self._timing is not None:
            self._timing.shift(paused_s)
            self._sink.resume()
        self._timer.start(20)

    def stop(self) -> None:
        """Fall silent at once, or go over to the silence announced for now."""
        if not self._follows_on(None, 0.0, 1.0):
            self._silence()

    def close(self) -> None:
        """End the sound and the threads; harmless when repeated."""
        self._silence()
        self._closed = True
        self._sink = None
        while self._feeders:
            self._feeders.pop().close()

    def _silence(self) -> None:
        self._timer.stop()
        self._zero_s = self._cued = self._paused_s = None
        for feeder in self._feeders:
            feeder.request(None)
        if self._sink is not None and self._timing is not None:
            self._sink.reset()
        self._timing = None

    def _follows_on(self, path: Path | None, zero_s: float, volume: float) -> bool:
        """Go over to the announced sound if it is this one and is due; it may be heard already."""
        cue = self._cued
        if cue is None or cue.path != path or self._paused_s is not None or self._timing is None:
            return False
        if path is not None and cue.volume != volume:
            return False
        apart_s = self._clock() - cue.begins_s if path is None else zero_s - cue.zero_s
        if abs(apart_s) > 0.25:
            return False  # it is not the announced one
        self._cued = None
        self._feeders.reverse()
        self._feeders[1].request(None)
        if path is None:
            self._zero_s = None
        else:
            self._zero_s = cue.zero_s if abs(apart_s) <= LATE_S else zero_s
        return True

    def _find_device(self) -> AudioSink | None:
        if not self._sought:
            self._sought = True
            self._sink = self._open_sink(self._volume)
            if self._sink is None:
                logger.info("No sound output was found: ads play without sound.")
            else:
                silent: set[Path] = set()
                self._feeders = [_Feeder(self._decode, silent), _Feeder(self._decode, silent)]
        return self._sink

    @pyqtSlot()
    def _push(self) -> None:
        sink = self._sink
        if sink is None:
            return
        if self._timing is None:
            if not self._feeders[0].has_data():
                return
            sink.start()
            self._timing = PlaybackTiming()
        if sink.broken():
            logger.info("The sound output went away: ads play without sound.")
            self._silence()
            self._sink = None
            return
        self._timing.observe(self._clock(), sink.held_bytes())
        frames = sink.free_bytes() // FRAME_BYTES
        if frames > 0:
            data = self._due(self._timing.heard_s, frames)
            written = sink.write(data)
            self._timing.written += frames
            if written < len(data):
                logger.debug("The sound output took %d of %d bytes.", written, len(data))

    def _due(self, heard_s: float, frames: int) -> bytes:
        """Return the samples for some frames, the first of which will be heard at `heard_s`."""
        before, cue = frames, self._cued
        if cue is not None:
            before = min(max(0, round((cue.begins_s - heard_s) * RATE_HZ)), frames)
        data = self._feeders[0].read(self._zero_s, heard_s, before)
        if cue is not None and before < frames:
            zero_s = None if cue.path is None else cue.zero_s
            heard_s += before / RATE_HZ
            data += self._feeders[1].read(zero_s, heard_s, frames - before)
        return data


class PlaybackTiming:
    """Estimate when a sample that is written now will be heard.

    A device reports how much it holds, but many take samples in steps: what they took counts as
    heard although it is not. So the latest moment that the reports admit is the right one: it is
    reported just before the next step.
    """

    def __init__(self) -> None:
        self.written = 0  # frames
        self._first_s: float | None = None
        self._latest: deque[tuple[float, float]] = deque()

    @property
    def heard_s(self) -> float:
        return (self._first_s or 0.0) + self.written / RATE_HZ

    def observe(self, now_s: float, held_bytes: int) -> None:
        """Take in how much the device holds, before more is written."""
        first_s = now_s + held_bytes / BYTES_PER_SECOND - self.written / RATE_HZ
        # The sliding maximum, in falling order.
        while self._latest and self._latest[-1][1] <= first_s:
            self._latest.pop()
        self._latest.append((now_s, first_s))
        is_measured = self._latest[0][0] < now_s - MEASURED_S
        while self._latest[0][0] < now_s - MEASURED_S:
            self._latest.popleft()
        latest_s = self._latest[0][1]
        apart_s = math.inf if self._first_s is None else latest_s - self._first_s
        if apart_s > LATE_S or (is_measured and apart_s < -LATE_S):
            self._first_s = latest_s

    def adopt_newest(self) -> None:
        """Adopt the newest measurement, however small the change, where no jump is heard."""
        if self._latest:
            self._first_s = self._latest[0][1]

    def shift(self, seconds: float) -> None:
        if self._first_s is not None:
            self._first_s += seconds
        self._latest = deque((at_s + seconds, first_s + seconds) for at_s, first_s in self._latest)


class _Feeder(threading.Thread):
    """Decode ahead into a bounded buffer.

    Args:
        decode: As of `QtSound`.
        silent: The files already reported as playing without sound.
    """

    def __init__(self, decode: Decode, silent: set[Path]) -> None:
        super().__init__(name="sound-decode", daemon=True)
        self._decode = decode
        self._silent = silent
        self._changed = threading.Condition()
        self._wanted: _Wanted | None = None
        self._request = 0
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._first_frame = 0
        self._closed = False
        self.start()

    def request(self, wanted: _Wanted | None) -> None:
        """Decode a file from a position on, or nothing, instead of the present file."""
        with self._changed:
            self._request += 1
            self._wanted = wanted
            self._chunks.clear()
            self._size = 0
            self._changed.notify_all()

    def has_data(self) -> bool:
        with self._changed:
            return self._size > 0

    def read(self, zero_s: float | None, heard_s: float, frames: int) -> bytes:
        """Take frames without waiting, the first to be heard at `heard_s`; missing ones are silent.

        `zero_s` is when the file's position was 0, or `None` for silence.
        """
        wanted = frames * FRAME_BYTES
        if zero_s is None:
            return bytes(wanted)
        with self._changed:
            first_frame = round((heard_s - zero_s) * RATE_HZ)
            ahead = first_frame - self._first_frame if self._size else 0
            silent = 0
            # 5 ms are rounding and the like.
            if ahead > 240:
                self._take(ahead * FRAME_BYTES)
            elif ahead < -240:
                silent = min(wanted, -ahead * FRAME_BYTES)
            data = bytes(silent) + self._take(wanted - silent)
            self._changed.notify_all()
        return data.ljust(wanted, b"\0")

    def close(self) -> None:
        """End the thread and wait for it."""
        self._closed = True
        self.request(None)
        self.join(3)
        if self.is_alive():
            logger.error("The thread %s did not end within 3 s.", self.name)

    def run(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or self._wanted is not None)
                    if self._closed or self._wanted is None:
                        return
                    wanted, self._wanted = self._wanted, None
                    request = self._request
                try:
                    self._decode_file(wanted, request)
                except MediaError as error:
                    # An ad returns every few minutes; one warning is enough.
                    level = logging.DEBUG if wanted.path in self._silent else logging.WARNING
                    self._silent.add(wanted.path)
                    logger.log(level, "%s plays without sound: %s", wanted.path.name, error)
        except Exception:
            logger.exception("Decoding sound failed: ads play without sound.")

    def _decode_file(self, wanted: _Wanted, request: int) -> None:
        # Closed at once when an ad is skipped, because the generator holds the file open.
        with contextlib.closing(self._decode(wanted.path, wanted.position_s)) as blocks:
            for at_s, samples in blocks:
                data = _at_volume(samples, wanted.volume).tobytes()
                with self._changed:
                    # One second ahead rides out a busy moment of the machine, and is 190 kB.
                    while self._size >= BYTES_PER_SECOND and self._request == request:
                        self._changed.wait()
                    if self._request != request:
                        return
                    if not self._chunks:
                        self._first_frame = round(at_s * RATE_HZ)
                    self._chunks.append(data)
                    self._size += len(data)

    def _take(self, count: int) -> bytes:
        parts: list[bytes] = []
        while count > 0 and self._chunks:
            chunk = self._chunks.popleft()
            if len(chunk) > count:
                self._chunks.appendleft(chunk[count:])
                chunk = chunk[:count]
            parts.append(chunk)
            count -= len(chunk)
            self._size -= len(chunk)
            self._first_frame += len(chunk) // FRAME_BYTES
        return b"".join(parts)


def _at_volume(samples: NDArray[np.int16], volume: float) -> NDArray[np.int16]:
    """Return samples at a volume of 0 to 1, on the scale of `open_default_sink`."""
    return samples if volume == 1.0 else (samples * volume**3).astype(samples.dtype)


def open_default_sink(volume: float) -> AudioSink | None:
    """Open the system's sound output at a volume of 0 to 1, on a perceptual scale.

    `None` if none plays 16-bit stereo at 48 kHz, or Qt lacks a library such as libpulse.
    """
    try:
        from PyQt5 import QtMultimedia  # noqa: PLC0415 (may fail, and then costs only the sound)
    except ImportError as error:
        logger.debug("Qt's multimedia cannot be loaded: %s", error)
        return None
    wanted = QtMultimedia.QAudioFormat()
    wanted.setSampleRate(RATE_HZ)
    wanted.setChannelCount(2)
    wanted.setSampleSize(16)
    wanted.setCodec("audio/pcm")
    wanted.setByteOrder(QtMultimedia.QAudioFormat.Endian.LittleEndian)
    wanted.setSampleType(QtMultimedia.QAudioFormat.SampleType.SignedInt)
    # Without a sound server Qt names no default, although ALSA may have devices; it lists its own
    # default first then.
    devices = [
        QtMultimedia.QAudioDeviceInfo.defaultOutputDevice(),
        *QtMultimedia.QAudioDeviceInfo.availableDevices(QtMultimedia.QAudio.Mode.AudioOutput),
    ]
    for device in devices:
        if not device.isNull() and device.isFormatSupported(wanted):
            output = QtMultimedia.QAudioOutput(device, wanted)
            # Has to last while the GUI thread paints a large picture.
            output.setBufferSize(round(0.2 * BYTES_PER_SECOND))
            # Loudness grows with about the third root of the amplitude, as PulseAudio's volume.
            output.setVolume(volume**3)
            return AudioSink(output)
    return None


class AudioSink:
    """A sound device that takes 16-bit stereo samples at 48 kHz."""

    def __init__(self, output: QAudioOutput) -> None:
        self._output = output
        self._device: QIODevice | None = None
        self.suspend = output.suspend
        self.resume = output.resume

    def start(self) -> None:
        self._device = self._output.start()

    def reset(self) -> None:
        """Stop at once and drop what was not heard yet, which some back ends play after `stop`."""
        self._output.reset()
        self._output.stop()
        self._device = None

    def free_bytes(self) -> int:
        return int(self._output.bytesFree())

    def held_bytes(self) -> int:
        return max(0, int(self._output.bufferSize()) - self.free_bytes())

    def write(self, data: bytes) -> int:
        return 0 if self._device is None else int(self._device.write(data))

    def broken(self) -> bool:
        # OpenError and FatalError; the others pass, such as an IOError by a full buffer.
        return int(self._output.error()) in (1, 4)
