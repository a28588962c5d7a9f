"""Plays the sound of the ads through Qt; without a sound device the ads play silently."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from PyQt5.QtCore import QObject, Qt, QTimer, pyqtSlot

from ads.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray
    from PyQt5.QtCore import QIODevice
    from PyQt5.QtMultimedia import QAudioOutput

    Blocks = Generator[tuple[float, NDArray[np.int16]], None, None]
    Decode = Callable[[Path, float], Blocks]

logger = logging.getLogger(__name__)

RATE_HZ = 48_000
CHANNELS = 2
BYTES_PER_SECOND = RATE_HZ * CHANNELS * 2
FRAME_BYTES = CHANNELS * 2

AHEAD_S = 1.0
"""How much is decoded in advance; rides out a busy moment of the machine, and is 190 kB."""
DEVICE_BUFFER_S = 0.2
"""How much the device holds; it has to last while the GUI thread paints a large picture."""
PUSH_MS = 20
LATE_S = 0.02
"""Sound and picture that are further apart are brought together by leaving out or waiting; ears notice from 40 ms on."""
PICTURE_LAG_S = 0.008
"""A picture is painted so long after its moment on average: the window looks every 10 ms, and painting takes time."""
FOLLOWS_S = 0.25
"""What comes so much earlier or later than it was announced is still the same."""
MEASURED_S = 1.0
"""Devices take their samples in steps and tell only then; over so long a time, each has told."""
JITTER_FRAMES = 240
"""Rounding and the like; 5 ms."""
JOIN_TIMEOUT_S = 3.0


class AudioSink(Protocol):
    """A sound device that takes 16-bit stereo samples at 48 kHz."""

    def start(self) -> None: ...

    def reset(self) -> None:
        """Stops at once, and forgets what was not heard yet."""

    def suspend(self) -> None: ...

    def resume(self) -> None: ...

    def free_bytes(self) -> int: ...

    def held_bytes(self) -> int:
        """Written, and not heard yet."""

    def write(self, data: bytes) -> int: ...

    def broken(self) -> bool:
        """Whether the device went away."""


@dataclass(frozen=True, slots=True)
class _Cue:
    """What follows on the present sound: the sound of a file, or silence.

    Attributes:
        path: The file; `None` for silence.
        begins_s: When, on the clock.
        zero_s: When its position was 0, or would have been.
    """

    path: Path | None
    begins_s: float
    zero_s: float


class QtSound(QObject):
    """The `SoundOutput` of the kiosk: decoded ahead by threads of its own, one clip after the other.

    All methods belong to the GUI thread. The first sound looks for a device; where there is none,
    one line in the log says so, and nothing else happens.

    Samples carry no time, so the sound keeps to the picture by the clock: each sample that is
    written is the one that is due when it will be heard. What was decoded too late is left out.
    While one clip follows another, or a picture comes between, the device goes on with silence:
    starting one takes time, on some screens a second.

    Args:
        volume: 0 (silent) to 1, as loud as the ear hears it.
        decode: Yields blocks of `(n, 2)` int16 samples at 48 kHz, each with its position in
            seconds, that follow each other without a gap, from a position in a file on;
            `ads.media.sound.sound_blocks` by default.
        open_sink: Opens the device at a volume; `None` if there is none.
        clock: In seconds.
        picture_lag_s: How long after its moment a picture is seen on average, in seconds.
        parent: The Qt owner.

    Raises:
        ValueError: The volume is not between 0 and 1.
    """

    def __init__(
        self,
        *,
        volume: float = 1.0,
        decode: Decode | None = None,
        open_sink: Callable[[float], AudioSink | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        picture_lag_s: float = PICTURE_LAG_S,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        if not 0.0 <= volume <= 1.0:
            raise ValueError(f"Invalid volume: expected a number from 0 to 1, received {volume}.")
        self._volume = volume
        self._decode = decode or _decode_sound
        self._open_sink = open_sink or open_default_sink
        self._clock = clock
        self._picture_lag_s = picture_lag_s
        self._sink: AudioSink | None = None
        self._sought = False
        self._closed = False
        # The present sound is read from the first feeder, the one to come from the second.
        self._feeders: list[_Feeder] = []
        self._zero_s: float | None = None
        self._cued: _Cue | None = None
        self._paused_s: float | None = None
        self._timing: _Timing | None = None
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(PUSH_MS)
        self._timer.timeout.connect(self._push)

    def __enter__(self) -> QtSound:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def available(self) -> bool:
        """Whether a device was found and works; `False` before the first sound."""
        return self._sink is not None

    def play(self, path: Path, position_s: float = 0.0) -> None:
        """Plays the sound of a file, instead of whatever was playing; a file without sound is silent.

        Args:
            path: A media file.
            position_s: Where in the file to begin, in seconds.
        """
        zero_s = self._clock() + self._picture_lag_s - position_s
        if self._follows_on(path, zero_s):
            return
        self._silence()
        if self._closed or not self._device_found():
            return
        self._zero_s = zero_s
        self._feeders[0].request(path, position_s)
        self._timer.start()

    def cue(self, path: Path | None, position_s: float, in_s: float) -> None:
        """Announces what `play` or `stop` will ask for, so that it is heard at its moment and not a little later.

        Args:
            path: The file; `None` for silence.
            position_s: Where in the file to begin, in seconds.
            in_s: How many seconds from now on.
        """
        if self._closed or self._paused_s is not None or (self._timing is None and path is None):
            return
        if not self._device_found() or self._sink is None:
            return
        if self._timing is not None:
            self._timing.settle()
        begins_s = self._clock() + self._picture_lag_s + in_s
        self._cued = _Cue(path, begins_s, begins_s - position_s)
        if path is not None:
            self._feeders[1].request(path, position_s)
            if self._timing is None and self._zero_s is None:
                # From silence: the device is running by the time that the sound begins.
                self._start_device(self._sink)
        self._timer.start()

    def pause(self) -> None:
        """Falls silent until `resume()`."""
        if self._paused_s is not None or not self._timer.isActive():
            return
        self._paused_s = self._clock()
        self._timer.stop()
        if self._sink is not None and self._timing is not None:
            self._sink.suspend()

    def resume(self) -> None:
        """Goes on where `pause()` stopped."""
        if self._paused_s is None:
            return
        paused_s = self._clock() - self._paused_s
        self._paused_s = None
        if self._zero_s is not None:
            self._zero_s += paused_s
        if self._cued is not None:
            self._cued = _Cue(
                self._cued.path, self._cued.begins_s + paused_s, self._cued.zero_s + paused_s
            )
        if self._sink is not None and self._timing is not None:
            self._timing.shift(paused_s)
            self._sink.resume()
        self._timer.start()

    def stop(self) -> None:
        """Ends the sound at once, or goes over to the silence that was announced for now; harmless when nothing plays."""
        if not self._follows_on(None, 0.0):
            self._silence()

    def close(self) -> None:
        """Ends the sound and the threads; a second call does nothing."""
        if self._closed:
            return
        self._silence()
        self._closed = True
        self._sink = None
        while self._feeders:
            self._feeders.pop().close()

    def _silence(self) -> None:
        """Ends the sound at once; the device forgets what it holds."""
        self._timer.stop()
        self._zero_s = None
        self._cued = None
        self._paused_s = None
        for feeder in self._feeders:
            feeder.cancel()
        if self._sink is not None and self._timing is not None:
            self._sink.reset()
        self._timing = None

    def _follows_on(self, path: Path | None, zero_s: float) -> bool:
        """Goes over to what was announced, if it is this and its time has come; it may be heard already."""
        cue = self._cued
        if cue is None or cue.path != path or self._paused_s is not None or self._timing is None:
            return False
        apart_s = self._clock() - cue.begins_s if path is None else zero_s - cue.zero_s
        if abs(apart_s) > FOLLOWS_S:
            return False
        self._cued = None
        self._feeders.reverse()
        self._feeders[1].cancel()
        if path is None:
            self._zero_s = None
        else:
            self._zero_s = cue.zero_s if abs(apart_s) <= LATE_S else zero_s
        return True

    def _device_found(self) -> bool:
        if not self._sought:
            self._sought = True
            self._sink = self._open_sink(self._volume)
            if self._sink is None:
                logger.info("No sound output was found: ads play without sound.")
            else:
                self._feeders = [_Feeder(self._decode), _Feeder(self._decode)]
                for feeder in self._feeders:
                    feeder.start()
        return self._sink is not None

    def _start_device(self, sink: AudioSink) -> None:
        sink.start()
        self._timing = _Timing()

    @pyqtSlot()
    def _push(self) -> None:
        sink = self._sink
        if sink is None:
            return
        if self._timing is None:
            if not self._feeders[0].has_data():
                return
            self._start_device(sink)
        if sink.broken() or self._timing is None:
            logger.info("The sound output went away: ads play without sound.")
            self._silence()
            self._sink = None
            return
        now_s = self._clock()
        self._timing.observe(now_s, sink.held_bytes())
        frames = sink.free_bytes() // FRAME_BYTES
        if frames > 0:
            data = self._due(self._timing.heard_s, frames)
            written = sink.write(data)
            self._timing.written += frames
            if written < len(data):
                logger.debug("The sound output took %d of %d bytes.", written, len(data))

    def _due(self, heard_s: float, frames: int) -> bytes:
        """The samples for so many frames, the first of which will be heard at a moment."""
        before, cue = frames, self._cued
        if cue is not None:
            before = min(max(0, round((cue.begins_s - heard_s) * RATE_HZ)), frames)
        data = self._read(self._feeders[0], self._zero_s, heard_s, before)
        if cue is not None and before < frames:
            zero_s = None if cue.path is None else cue.zero_s
            data += self._read(
                self._feeders[1], zero_s, heard_s + before / RATE_HZ, frames - before
            )
        return data

    @staticmethod
    def _read(feeder: _Feeder, zero_s: float | None, heard_s: float, frames: int) -> bytes:
        if zero_s is None:
            return bytes(frames * FRAME_BYTES)
        return feeder.read(round((heard_s - zero_s) * RATE_HZ), frames)


class _Timing:
    """When a sample that is written now will be heard.

    A device tells how much it holds, but many take samples in steps: what it took counts as heard
    although it is not. The latest moment that its answers admit is the right one: it holds just
    before the next step.

    Attributes:
        written: Frames that were written.
    """

    def __init__(self) -> None:
        self.written = 0
        self._first_s: float | None = None
        self._latest: deque[tuple[float, float]] = deque()

    @property
    def heard_s(self) -> float:
        """When the next frame that is written will be heard."""
        return (self._first_s or 0.0) + self.written / RATE_HZ

    def observe(self, now_s: float, held_bytes: int) -> None:
        """Takes in how much the device holds; to be called before more is written."""
        first_s = now_s + held_bytes / BYTES_PER_SECOND - self.written / RATE_HZ
        # The greatest of the last moments, in falling order.
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

    def settle(self) -> None:
        """Takes over the newest measurement, however small the difference; to be called where a jump is not heard."""
        if self._latest:
            self._first_s = self._latest[0][1]

    def shift(self, seconds: float) -> None:
        """Takes a pause into account in which the device stood still."""
        if self._first_s is not None:
            self._first_s += seconds
        self._latest = deque((at_s + seconds, first_s + seconds) for at_s, first_s in self._latest)


class _Feeder(threading.Thread):
    """Decodes ahead into a buffer of bounded size."""

    def __init__(self, decode: Decode) -> None:
        super().__init__(name="sound-decode", daemon=True)
        self._decode = decode
        self._changed = threading.Condition()
        self._wanted: tuple[Path, float] | None = None
        self._request = 0
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._first_frame = 0
        self._closed = False

    def request(self, path: Path, position_s: float) -> None:
        """Decodes a file from now on; the one before is dropped."""
        with self._changed:
            self._forget()
            self._wanted = path, position_s
            self._changed.notify_all()

    def cancel(self) -> None:
        """Decodes nothing until the next request."""
        with self._changed:
            self._forget()
            self._changed.notify_all()

    def has_data(self) -> bool:
        """Whether there is something to read."""
        with self._changed:
            return self._size > 0

    def read(self, first_frame: int, frames: int) -> bytes:
        """Takes frames out, without waiting: silence where none are there, be it not yet or no longer.

        Args:
            first_frame: The number of the first one, counted from the start of the file; what comes
                before it is dropped.
            frames: How many.
        """
        wanted = frames * FRAME_BYTES
        with self._changed:
            ahead = first_frame - self._first_frame
            if self._size and ahead > JITTER_FRAMES:
                self._take(ahead * FRAME_BYTES)
            silent = (
                min(wanted, -ahead * FRAME_BYTES) if self._size and -ahead > JITTER_FRAMES else 0
            )
            data = bytes(silent) + self._take(wanted - silent)
            self._changed.notify_all()
        return data.ljust(wanted, b"\0")

    def close(self) -> None:
        """Ends the thread and waits for it."""
        with self._changed:
            self._forget()
            self._closed = True
            self._changed.notify_all()
        self.join(JOIN_TIMEOUT_S)
        if self.is_alive():
            logger.error("The thread %s did not end within %.0f s.", self.name, JOIN_TIMEOUT_S)

    def run(self) -> None:
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or self._wanted is not None)
                    if self._closed or self._wanted is None:
                        return
                    path, position_s = self._wanted
                    self._wanted = None
                    request = self._request
                try:
                    self._decode_file(path, position_s, request)
                except MediaError as error:
                    logger.info("The sound of %s is not played: %s", path.name, error)
        except Exception:
            logger.exception("Decoding sound failed: ads play without sound.")

    def _decode_file(self, path: Path, position_s: float, request: int) -> None:
        blocks = self._decode(path, position_s)
        # The generator holds the file open, and this is left in the middle whenever an ad is
        # skipped.
        with contextlib.closing(blocks):
            for at_s, samples in blocks:
                data = samples.tobytes()
                with self._changed:
                    self._changed.wait_for(
                        lambda: (
                            self._size < AHEAD_S * BYTES_PER_SECOND
                            or self._request != request
                            or self._closed
                        )
                    )
                    if self._request != request or self._closed:
                        return
                    if not self._chunks:
                        self._first_frame = round(at_s * RATE_HZ)
                    self._chunks.append(data)
                    self._size += len(data)

    def _take(self, count: int) -> bytes:
        """Takes up to so many bytes out."""
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

    def _forget(self) -> None:
        self._request += 1
        self._wanted = None
        self._chunks.clear()
        self._size = 0


def open_default_sink(volume: float) -> AudioSink | None:
    """Opens the system's own sound output.

    Args:
        volume: 0 to 1, as loud as the ear hears it.

    Returns:
        The output; `None` if there is none, it cannot play 16-bit stereo at 48 kHz, or Qt's
        multimedia cannot be loaded because a library of the system (such as libpulse) is missing.
    """
    try:
        from PyQt5 import QtMultimedia  # noqa: PLC0415 - may be impossible, and then costs only the sound
    except ImportError as error:
        logger.debug("Qt's multimedia cannot be loaded: %s", error)
        return None
    wanted = QtMultimedia.QAudioFormat()
    wanted.setSampleRate(RATE_HZ)
    wanted.setChannelCount(CHANNELS)
    wanted.setSampleSize(16)
    wanted.setCodec("audio/pcm")
    wanted.setByteOrder(QtMultimedia.QAudioFormat.Endian.LittleEndian)
    wanted.setSampleType(QtMultimedia.QAudioFormat.SampleType.SignedInt)
    # Without a sound server Qt names no default, although ALSA may have devices; its own default
    # comes first then.
    devices = [
        QtMultimedia.QAudioDeviceInfo.defaultOutputDevice(),
        *QtMultimedia.QAudioDeviceInfo.availableDevices(QtMultimedia.QAudio.Mode.AudioOutput),
    ]
    device = next(
        (device for device in devices if not device.isNull() and device.isFormatSupported(wanted)),
        None,
    )
    if device is None:
        return None
    output = QtMultimedia.QAudioOutput(device, wanted)
    output.setBufferSize(round(DEVICE_BUFFER_S * BYTES_PER_SECOND))
    # Loudness grows with about the third root of the amplitude; PulseAudio's own volume is cubic as
    # well.
    output.setVolume(volume**3)
    return _QtSink(output)


class _QtSink:
    """A `QAudioOutput` that is written to."""

    def __init__(self, output: QAudioOutput) -> None:
        self._output = output
        self._device: QIODevice | None = None

    def start(self) -> None:
        self._device = self._output.start()

    def reset(self) -> None:
        # reset() forgets what is queued; stop() alone would play it to its end with some back ends.
        self._output.reset()
        self._output.stop()
        self._device = None

    def suspend(self) -> None:
        self._output.suspend()

    def resume(self) -> None:
        self._output.resume()

    def free_bytes(self) -> int:
        return int(self._output.bytesFree())

    def held_bytes(self) -> int:
        return max(0, int(self._output.bufferSize()) - self.free_bytes())

    def write(self, data: bytes) -> int:
        return 0 if self._device is None else int(self._device.write(data))

    def broken(self) -> bool:
        # NoError, UnderrunError and IOError (which a full buffer may cause) pass; the others do
        # not.
        return int(self._output.error()) in (1, 4)


def _decode_sound(path: Path, position_s: float) -> Blocks:
    from ads.media.sound import sound_blocks  # noqa: PLC0415 - loads the decoders, which a kiosk without sound does not need

    # A generator function, whatever its annotation says of it: it has a close().
    return cast("Blocks", sound_blocks(path, position_s))
