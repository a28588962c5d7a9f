"""Decode the sound of clips with PyAV."""

from __future__ import annotations

import logging
from itertools import chain
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from av.filter import Graph

from ads.errors import MediaError
from ads.media.clip_file import CLIP_ERRORS, is_decodable, open_clip
from ads.media.clip_length import Tracks
from ads.media.clip_stamps import clock_of, in_seconds, packets
from ads.media.types import reason
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.packet import Packet
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

SAMPLE_RATE_HZ = 48_000
"""Of the decoded sound, which always has two channels of 16 bits."""

_EARLY_S = 0.2
"""Codecs need a block or two before the first valid sample."""


def sound_blocks(
    path: Path, start_s: float = 0.0
) -> Generator[tuple[float, NDArray[np.int16]], None, None]:
    """Decode the sound of a clip in contiguous blocks; gaps become silence.

    Begin `start_s` (at least 0) after the start of the clip. Close to release the file.

    Yields:
        The position of the block in seconds, and samples: `(n, 2)` int16 at `SAMPLE_RATE_HZ`, at
        most a few seconds. `MediaError` if there is no sound that can be decoded.
    """
    done = round(start_s * SAMPLE_RATE_HZ)
    silence = np.zeros((SAMPLE_RATE_HZ, 2), np.int16)
    with open_clip(path) as container:
        tracks = Tracks(path, container)
        if tracks.sound is None:
            raise MediaError(
                lazy("%(path)s has no sound; expected a video with a sound track.", path=path)
            )
        for at, samples in _placed(tracks, tracks.sound, start_s):
            # A track may begin half an hour into the clip.
            while at > done:
                block = silence[: at - done]
                yield done / SAMPLE_RATE_HZ, block
                done += len(block)
            fresh = samples[done - at :]
            if len(fresh):
                yield done / SAMPLE_RATE_HZ, np.ascontiguousarray(fresh)
                done += len(fresh)


def _placed(
    tracks: Tracks, stream: AudioStream, start_s: float
) -> Iterator[tuple[int, NDArray[np.int16]]]:
    """Yield samples with the number of their first one, counted from the start of the clip."""
    zero_s = float(tracks.start_s or 0)
    placement = _Placement()
    for frame in _decoded(tracks, stream, zero_s + start_s):
        if frame is None:
            yield from placement.interrupted()
            continue
        at_s = in_seconds(frame.pts, frame.time_base)
        stated = None if at_s is None else round((float(at_s) - zero_s) * SAMPLE_RATE_HZ)
        yield from placement.placed(frame, stated)
    yield from placement.interrupted()


class _Placement:
    """Place decoded frames one after the other, in time with the picture.

    Counting samples is more exact than the stamps of many files, which jitter by some hundredths of
    a second. So a gap counts only if a few stamps in a row show it, or one that is off by a second.
    """

    def __init__(self) -> None:
        # Where the next sample goes; None if only a stamp can tell.
        self._at: int | None = None
        self._converter: _Converter | None = None
        # Frames that may come after a gap, with their stamps, all too late or all too early.
        self._doubtful: list[tuple[AudioFrame, int]] = []
        self._is_late = False

    def placed(
        self, frame: AudioFrame, stated: int | None
    ) -> Iterator[tuple[int, NDArray[np.int16]]]:
        """Take a frame, with the stated number of its first sample; yield what is now certain."""
        if self._at is None:
            self._at = stated or 0
        follows = self._at + sum(
            round(one.samples * SAMPLE_RATE_HZ / one.sample_rate) for one, _ in self._doubtful
        )
        apart = 0 if stated is None else stated - follows
        if stated is None or abs(apart) <= SAMPLE_RATE_HZ / 25:
            yield from self._settled(is_gap=False)
            yield from self._converted(frame)
            return
        if (apart > 0) != self._is_late:
            yield from self._settled(is_gap=False)
            self._is_late = apart > 0
        self._doubtful.append((frame, stated))
        if len(self._doubtful) >= 4 or abs(apart) > SAMPLE_RATE_HZ:
            yield from self._settled(is_gap=True)

    def interrupted(self) -> Iterator[tuple[int, NDArray[np.int16]]]:
        """Yield what is held back, at the end or before damage."""
        yield from self._settled(is_gap=True)
        yield from self._finished()
        self._at = None

    def _settled(self, *, is_gap: bool) -> Iterator[tuple[int, NDArray[np.int16]]]:
        doubtful, self._doubtful = self._doubtful, []
        if doubtful and is_gap:
            yield from self._finished()
            self._at = doubtful[0][1]
        for frame, _ in doubtful:
            yield from self._converted(frame)

    def _converted(self, frame: AudioFrame) -> Iterator[tuple[int, NDArray[np.int16]]]:
        if self._converter is not None and not self._converter.takes(frame):
            yield from self._finished()
        self._converter = self._converter or _Converter(frame)
        yield from self._counted(self._converter.convert(frame))

    def _finished(self) -> Iterator[tuple[int, NDArray[np.int16]]]:
        converter, self._converter = self._converter, None
        if converter is not None:
            yield from self._counted(converter.convert(None))

    def _counted(self, blocks: list[NDArray[np.int16]]) -> Iterator[tuple[int, NDArray[np.int16]]]:
        for samples in blocks:
            at = self._at or 0
            self._at = at + len(samples)
            yield at, samples


def _decoded(tracks: Tracks, stream: AudioStream, begin_s: float) -> Iterator[AudioFrame | None]:
    """Decode from shortly before a stamp; None stands for damage.

    Raises:
        MediaError: Nothing of the sound can be decoded.
    """
    path, container = tracks.path, tracks.container
    clock = clock_of(container, tracks.picture)
    if not is_decodable(stream):
        raise MediaError(
            lazy(
                "%(path)s has sound of an unknown kind, so it plays silently; convert it to AAC.",
                path=path,
            )
        )
    if clock is None and begin_s > _EARLY_S:
        try:
            container.seek(int((begin_s - _EARLY_S) * av.time_base))
        except CLIP_ERRORS as error:
            logger.debug("Reading %s from its start: %s", path, reason(error))
    read = packets(path, container, (stream,) if clock is None else tracks.all, clock)
    damage: BaseException | None = None
    damaged = 0
    is_heard = False
    for packet in chain((packet for packet in read if packet.stream is stream), [None]):
        if packet is not None and _is_before(packet, begin_s - 2 * _EARLY_S):
            continue
        try:
            # Without a packet, the decoder returns what it has held back.
            frames = stream.decode(packet)
        except av.error.EOFError:
            break
        except CLIP_ERRORS as error:
            logger.debug("Skipping damaged sound of %s: %s", path, reason(error))
            damage = error
            damaged += 1
            # Half a minute: the rest would be no better, and an hour takes long to read.
            if damaged > 1500 and not is_heard:
                break
            yield None
            continue
        is_heard = is_heard or bool(frames)
        yield from frames
    if damage is not None and not is_heard:
        raise MediaError(
            lazy(
                "%(path)s has sound that cannot be decoded (%(codec)s), so it plays "
                "silently; convert the file again.",
                path=path,
                codec=stream.codec_context.name,
            )
        )


def _is_before(packet: Packet[Any], stamp_s: float) -> bool:
    at_s = in_seconds(packet.pts, packet.time_base)
    return at_s is not None and at_s < stamp_s


class _Converter:
    """Turn the frames of one format into samples, `(n, 2)` int16 at `SAMPLE_RATE_HZ`.

    Mono is heard on both sides as it is. Of more channels, the front ones keep their level and a
    limiter prevents clipping; to lower all of them would leave speech at a third.
    """

    def __init__(self, frame: AudioFrame) -> None:
        self._format = _format_of(frame)
        channels = frame.layout.nb_channels
        self._is_mono = channels == 1
        self._resampler: av.AudioResampler | None = None
        self._graph: Graph | None = None
        if channels <= 2:
            layout = "mono" if self._is_mono else "stereo"
            self._resampler = av.AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE_HZ)
            return
        self._graph = Graph()
        stereo = f"sample_fmts=flt:sample_rates={SAMPLE_RATE_HZ}:channel_layouts=stereo"
        self._graph.link_nodes(
            self._graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format.name,
                layout=frame.layout.name,
                time_base=frame.time_base,
            ),
            self._graph.add("aformat", stereo),
            self._graph.add("alimiter", "limit=0.98:level=0:latency=1"),
            self._graph.add("aformat", "sample_fmts=s16"),
            self._graph.add("abuffersink"),
        ).configure()

    def takes(self, frame: AudioFrame) -> bool:
        """Return whether a frame has the format of the first one."""
        return _format_of(frame) == self._format

    def convert(self, frame: AudioFrame | None) -> list[NDArray[np.int16]]:
        """Convert the next frame; None returns what is held back, and ends the conversion."""
        if self._resampler is not None:
            blocks = self._resampler.resample(frame)
        else:
            blocks = self._filtered(frame)
        shape = (-1, 1 if self._is_mono else 2)
        samples = [np.asarray(block.to_ndarray(), np.int16).reshape(shape) for block in blocks]
        return [np.repeat(block, 2, axis=1) if self._is_mono else block for block in samples]

    def _filtered(self, frame: AudioFrame | None) -> list[AudioFrame]:
        assert self._graph is not None  # noqa: S101 (made without a resampler)
        blocks: list[AudioFrame] = []
        self._graph.push(frame)
        while True:
            try:
                blocks.append(self._graph.pull())  # type: ignore[arg-type]
            except (av.error.BlockingIOError, av.error.EOFError):
                return blocks


def _format_of(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate
