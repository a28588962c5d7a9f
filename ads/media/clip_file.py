"""Open clips, and choose the tracks that are shown and heard."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import av
import av.error
from av.audio.stream import AudioStream
from av.codec import CodecContext, codecs_available
from av.stream import Disposition
from av.video.stream import VideoStream

from ads.errors import MediaError
from ads.media.hardware import accelerator
from ads.media.types import MAX_PIXELS, reason, require_file, require_sane_size
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.codec.hwaccel import HWAccel
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.codeccontext import VideoCodecContext

logger = logging.getLogger(__name__)

CLIP_ERRORS = (av.error.FFmpegError, OSError, ValueError, MemoryError, OverflowError)
"""What PyAV raises on broken files."""

# A clip is a local file in one of these containers, whatever its name. FFmpeg's lists of other
# files (HLS, DASH, concat) are left out, as they could name any file of the machine or the network.
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,avi,mpeg,mpegvideo,mpegts,asf,ogg,flv,m4v,h264,hevc,mxf",
}

_COVER = Disposition.attached_pic | Disposition.timed_thumbnails

_STILL_CODECS = {"mjpeg", "png", "bmp", "gif", "webp"}

_SPECIAL_SOUND = (
    Disposition.comment
    | Disposition.forced
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.descriptions
    | Disposition.clean_effects
    | Disposition.karaoke
)


@contextmanager
def open_clip(path: Path, hardware: HWAccel | None = None) -> Iterator[InputContainer]:
    """Open a clip; errors here or in the body become a `MediaError`.

    Without hardware, or where it cannot decode the clip, software does.
    """
    require_file(path)
    try:
        with _opened(path, hardware) as container:
            yield container
    except CLIP_ERRORS as error:
        raise MediaError(
            lazy(
                "%(path)s cannot be decoded as a video (%(why)s); replace the file.",
                path=path,
                why=reason(error),
            )
        ) from error


def _opened(path: Path, hardware: HWAccel | None) -> InputContainer:
    # Absolute, so FFmpeg cannot mistake the start of a file name for a protocol.
    name = str(path.absolute())
    if hardware is not None:
        try:
            return av.open(name, options=_OPTIONS, hwaccel=hardware)
        except (*CLIP_ERRORS, RuntimeError) as error:
            logger.debug("Software decodes %s, not the hardware: %s", path, reason(error))
    return av.open(name, options=_OPTIONS)


@contextmanager
def open_to_play(path: Path) -> Iterator[InputContainer]:
    """Open a clip like `open_clip`, but decode a large one in hardware if there is any."""
    with open_clip(path) as container:
        found = accelerator(container)
        if found is None:
            yield container
            return
    with open_clip(path, found) as container:
        yield container


def video_stream(path: Path, container: InputContainer) -> VideoStream:
    """Return the track to show, ready to decode; `MediaError` without one.

    It is the default track, never an attached cover picture.
    """
    stream = _best_video(container)
    if stream is None:
        found = (
            lazy("only a cover picture, no video")
            if container.streams.video
            else lazy("no picture")
        )
        raise MediaError(
            lazy(
                "%(path)s holds %(what)s; expected a video with pictures.",
                path=path,
                what=found,
            )
        )
    context = stream.codec_context
    require_sane_size(path, (context.width, context.height))
    _set_limits(context)
    return stream


def picture_decoder(stream: VideoStream) -> VideoCodecContext:
    """Return a decoder for a track, from its start or after a seek."""
    context = stream.codec_context
    # FFmpeg's own decoders of VP8 and VP9 leave out the transparency that WebM keeps beside them.
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(context.codec.canonical_name)
    # Some programs write the key in capitals.
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if tags.get("alpha_mode") != "1" or name is None or name not in codecs_available:
        return context
    decoder = cast("VideoCodecContext", CodecContext.create(name, "r"))
    decoder.extradata = context.extradata
    decoder.colorspace, decoder.color_range = context.colorspace, context.color_range
    decoder.color_trc, decoder.color_primaries = context.color_trc, context.color_primaries
    _set_limits(decoder)
    return decoder


def sound_stream(container: InputContainer) -> AudioStream | None:
    """Return the track to hear: the default one, else the first; None without sound.

    Tracks for particular listeners, such as audio descriptions, and undecodable ones are a last
    resort.
    """

    def rank(stream: AudioStream) -> tuple[bool, bool, bool]:
        is_special = bool(stream.disposition & _SPECIAL_SOUND)
        return not is_decodable(stream), is_special, not stream.disposition & Disposition.default

    tracks = [stream for stream in container.streams.audio if isinstance(stream, AudioStream)]
    return min(tracks, key=rank, default=None)


def is_cover(stream: Stream) -> bool:
    """Return whether a video track is a picture about the clip, such as a cover."""
    return bool(stream.disposition & _COVER)


def _best_video(container: InputContainer) -> VideoStream | None:
    tracks = [
        stream
        for stream in container.streams.video
        if isinstance(stream, VideoStream) and is_decodable(stream) and not is_cover(stream)
    ]
    # A cover that is not marked as one has a codec for still pictures.
    moving = [stream for stream in tracks if stream.codec_context.name not in _STILL_CODECS]
    tracks = moving or tracks
    default = [stream for stream in tracks if stream.disposition & Disposition.default] or tracks
    # FFmpeg prefers tracks with more than one picture, then those with the higher bit rate.
    best = container.streams.best("video")
    return next((stream for stream in default if stream is best), next(iter(default), None))


def is_decodable(stream: VideoStream | AudioStream) -> bool:
    """Return whether FFmpeg has a decoder for a track."""
    # PyAV makes no context without a decoder.
    return stream.codec_context is not None


def _set_limits(context: VideoCodecContext) -> None:
    context.thread_type = "AUTO"
    # Enough for 1080p; the rest of the machine is for the faces.
    context.thread_count = 2
    # Pictures may grow mid-clip; the decoder refuses oversized ones before allocating memory.
    context.options = {"max_pixels": str(MAX_PIXELS)}
