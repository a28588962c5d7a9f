"""Plays the sound of the ads through Qt; without a sound device the ads play silently."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
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
LATE_S = 0.03
"""Sound that comes later than this after its picture is brought back by leaving some out; ears notice from 40 ms on."""
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


class QtSound(QObject):
    """The `SoundOutput` of the kiosk: one play at a time, decoded ahead by a thread of its own.

    All methods belong to the GUI thread. The first `play()` looks for a device; where there is none, one line in the
    log says so, and nothing else happens. Samples carry no time, so the sound keeps to the picture by the clock: what
    was decoded too late is left out.

    Args:
        volume: 0 (silent) to 1, as loud as the ear hears it.
        decode: Yields blocks of `(n, 2)` int16 samples at 48 kHz, each with its position in seconds, that follow each
            other without a gap, from a position in a file on; `ads.media.sound_blocks` by default.
        open_sink: Opens the device at a volume; `None` if there is none.
        clock: In seconds.
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
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        if not 0.0 <= volume <= 1.0:
            raise ValueError(f"Invalid volume: expected a number from 0 to 1, received {volume}.")
        self._volume = volume
        self._decode = decode or _decode_sound
        self._open_sink = open_sink or open_default_sink
        self._clock = clock
        self._sink: AudioSink | None = None
        self._feeder: _Feeder | None = None
        self._sought = False
        self._closed = False
        self._started = False
        self._sent_bytes = 0
        self._clock_zero: float | None = None
        self._paused_at: float | None = None
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(PUSH_MS)
        self._timer.timeout.connect(self._push)

    def __enter__(self) -> QtSound:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def available(self) -> bool:
        """Whether a device was found and works; `False` before the first play."""
        return self._sink is not None

    def play(self, path: Path, position_s: float = 0.0) -> None:
        """Plays the sound of a file, instead of whatever was playing; a file without sound is silent.

        Args:
            path: A media file.
            position_s: Where in the file to begin, in seconds.
        """
        self.stop()
        if self._closed or not self._device_found() or self._feeder is None:
            return
        self._clock_zero = self._clock()
        self._sent_bytes = 0
        self._feeder.request(path, position_s)
        self._timer.start()

    def pause(self) -> None:
        """Falls silent until `resume()`."""
        if self._clock_zero is None or self._paused_at is not None:
            return
        self._paused_at = self._clock()
        self._timer.stop()
        if self._sink is not None and self._started:
            self._sink.suspend()

    def resume(self) -> None:
        """Goes on where `pause()` stopped."""
        if self._clock_zero is None or self._paused_at is None:
            return
        self._clock_zero += self._clock() - self._paused_at
        self._paused_at = None
        if self._sink is not None and self._started:
            self._sink.resume()
        self._timer.start()

    def stop(self) -> None:
        """Ends the sound at once; harmless when nothing plays."""
        self._timer.stop()
        self._clock_zero = None
        self._paused_at = None
        if self._feeder is not None:
            self._feeder.cancel()
        if self._sink is not None and self._started:
            self._sink.reset()
        self._started = False

    def close(self) -> None:
        """Ends the sound and the thread; a second call does nothing."""
        if self._closed:
            return
        self.stop()
        self._closed = True
        self._sink = None
        if self._feeder is not None:
            self._feeder.close()
            self._feeder = None

    def _device_found(self) -> bool:
        if not self._sought:
            self._sought = True
            self._sink = self._open_sink(self._volume)
            if self._sink is None:
                logger.info("No sound output was found: ads play without sound.")
            else:
                self._feeder = _Feeder(self._decode)
                self._feeder.start()
        return self._sink is not None

    @pyqtSlot()
    def _push(self) -> None:
        sink, feeder = self._sink, self._feeder
        if sink is None or feeder is None or self._clock_zero is None:
            return
        if not self._started:
            if not feeder.has_data():
                return
            sink.start()
            self._started = True
        if sink.broken():
            logger.info("The sound output went away: ads play without sound.")
            self.stop()
            self._sink = None
            return
        heard_s = (self._sent_bytes - sink.held_bytes()) / BYTES_PER_SECOND
        late_s = self._clock() - self._clock_zero - heard_s
        if late_s > LATE_S:
            self._sent_bytes += len(feeder.read(round(late_s * RATE_HZ) * FRAME_BYTES))
        free = sink.free_bytes() // FRAME_BYTES * FRAME_BYTES
        if free > 0:
            data = feeder.read(free)
            if data:
                written = sink.write(data)
                self._sent_bytes += len(data)
                if written < len(data):
                    logger.debug("The sound output took %d of %d bytes.", written, len(data))


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

    def read(self, count: int) -> bytes:
        """Takes up to `count` bytes out, without waiting."""
        parts: list[bytes] = []
        with self._changed:
            while count > 0 and self._chunks:
                chunk = self._chunks.popleft()
                if len(chunk) > count:
                    self._chunks.appendleft(chunk[count:])
                    chunk = chunk[:count]
                parts.append(chunk)
                count -= len(chunk)
                self._size -= len(chunk)
            self._changed.notify_all()
        return b"".join(parts)

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
        # The generator holds the file open, and this is left in the middle whenever an ad is skipped.
        with contextlib.closing(blocks):
            for _, samples in blocks:
                data = samples.tobytes()
                with self._changed:
                    self._changed.wait_for(
                        lambda: self._size < AHEAD_S * BYTES_PER_SECOND or self._request != request or self._closed
                    )
                    if self._request != request or self._closed:
                        return
                    self._chunks.append(data)
                    self._size += len(data)

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
        The output; `None` if there is none, it cannot play 16-bit stereo at 48 kHz, or Qt's multimedia cannot be loaded
        because a library of the system (such as libpulse) is missing.
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
    # Without a sound server Qt names no default, although ALSA may have devices; its own default comes first then.
    devices = [
        QtMultimedia.QAudioDeviceInfo.defaultOutputDevice(),
        *QtMultimedia.QAudioDeviceInfo.availableDevices(QtMultimedia.QAudio.Mode.AudioOutput),
    ]
    device = next((device for device in devices if not device.isNull() and device.isFormatSupported(wanted)), None)
    if device is None:
        return None
    output = QtMultimedia.QAudioOutput(device, wanted)
    output.setBufferSize(round(DEVICE_BUFFER_S * BYTES_PER_SECOND))
    # Loudness grows with about the third root of the amplitude; PulseAudio's own volume is cubic as well.
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
        # NoError, UnderrunError and IOError (which a full buffer may cause) pass; the others do not.
        return int(self._output.error()) in (1, 4)


def _decode_sound(path: Path, position_s: float) -> Blocks:
    from ads.media import sound_blocks  # noqa: PLC0415 - loads the decoders, which a kiosk without sound does not need

    # A generator function, whatever its annotation says of it: it has a close().
    return cast("Blocks", sound_blocks(path, position_s))
