"""Open clips and choose the track whose picture is shown."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import av
import av.error
from av.video.stream import VideoStream

from ads.errors import MediaError
from ads.media.types import MAX_PIXELS, reason, require_file, require_sane_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.container import InputContainer

CLIP_ERRORS = (av.error.FFmpegError, OSError, ValueError, MemoryError)
"""What PyAV raises on broken files."""

# A clip is a local file in one of these containers, whatever its name. FFmpeg's lists of other
# files (HLS, DASH, concat) are left out, as they could name any file of the machine or the network.
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,avi,mpeg,mpegvideo,mpegts,asf,ogg,flv,m4v,h264,hevc",
}


@contextmanager
def open_clip(path: Path) -> Iterator[InputContainer]:
    """Open a clip; errors here or in the body become a `MediaError`."""
    require_file(path)
    try:
        # Absolute, so no part of a name can be taken for a protocol.
        with av.open(str(path.absolute()), options=_OPTIONS) as container:
            yield container
    except CLIP_ERRORS as error:
        raise MediaError(
            f"{path} cannot be decoded as a clip ({reason(error)}); replace the file."
        ) from error


def video_stream(path: Path, container: InputContainer) -> VideoStream:
    """Return the track to show, ready to decode; `MediaError` without one."""
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        raise MediaError(f"{path} holds no picture; expected a clip with a video track.")
    context = stream.codec_context
    require_sane_size(path, (context.width, context.height))
    context.thread_type = "AUTO"
    # Enough for 1080p; the rest of the machine is for the faces.
    context.thread_count = 2
    # Pictures may grow in mid-clip; the decoder refuses those before allocating memory.
    context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream
