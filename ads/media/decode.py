"""Decodes pictures, animated pictures, video and sound, scaled to fit the place where they are shown.

Pillow and PyAV stay behind this module: what leaves it are arrays, plain numbers and `MediaError`.
"""

from __future__ import annotations

import logging
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Literal

import av
import av.error
import numpy as np
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from ads.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

MediaKind = Literal["image", "animation", "video"]
"""A still picture, a picture with several frames of its own timing, or a clip."""

Size = tuple[int, int]
"""Width and height in pixels."""

PICTURE_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".png", ".apng", ".gif", ".webp", ".bmp", ".tif", ".tiff"}
)
VIDEO_ENDINGS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".ogv"}
)
KNOWN_ENDINGS = PICTURE_ENDINGS | VIDEO_ENDINGS
"""The endings of file names that can be played, in lower case."""

MAX_PIXELS = 80_000_000
"""The largest picture that is decoded: beyond any screen, below what exhausts a small machine. A file of a few
kilobytes can claim more."""

MOST_ANIMATION_FRAMES = 10_000
"""The longest animated picture: five minutes at 30 frames a second. A file of a megabyte can claim a million frames."""

LONGEST_S = 24 * 3600.0
"""The longest medium that is played: what claims more would hold the screen for days or years."""

SAMPLE_RATE_HZ = 48_000
"""Of the sound that leaves this module; always two channels of 16 bits."""

SHORT_BY_S = 0.5
"""A clip that ends this much before its stated length is broken; less is the usual looseness of container files."""

LATE_NS = 100_000_000
"""A frame later than this is only converted if it turns out to be the one to show."""

LEAST_RATE_NS = 500_000_000
"""When decoding cannot keep up, at least one frame per this much of the clip is shown all the same."""

ENDLESS_NS = (1 << 63) - 1
"""Until when the last picture of a file stands: as long as it is wanted."""

_DECODER_THREADS = 2
"""Enough for 1080p; the rest of the machine is for the faces."""

_QUICKEST_FRAME_MS = 10
"""Animations state 0 or 10 ms where they mean "as a browser does", which is 100 ms."""
_BROWSER_FRAME_MS = 100

_ANIMATED_FORMATS = frozenset({"GIF", "PNG", "WEBP"})

_PICTURE_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "DIB", "TIFF")
"""What is looked for in a picture, whatever its name: Pillow knows dozens of rare formats, and hands one of them, EPS, to
another program that executes it."""

# What Pillow and its plugins raise on broken files, by experience of its many readers.
_PICTURE_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
_CLIP_ERRORS = (av.error.FFmpegError, OSError, ValueError, MemoryError)

_CLIP_FORMATS = (
    "mov",
    "matroska",
    "webm",
    "avi",
    "mpeg",
    "mpegvideo",
    "mpegts",
    "asf",
    "ogg",
    "flv",
    "m4v",
    "h264",
    "hevc",
)
"""What is looked for in a clip, whatever its name. The lists of other files that FFmpeg reads too (HLS, DASH, concat) are
left out: they could name any file of the machine."""

# A clip is a local file; this keeps a container file that refers to other addresses from reaching
# them.
_LOCAL_ONLY = {"protocol_whitelist": "file", "format_whitelist": ",".join(_CLIP_FORMATS)}

_INDEXED_FORMATS = frozenset({"mp4", "matroska", "avi"})
"""Containers that tell where their key frames are; others, such as streams, are read from their start."""

_LATE_START_US = 200_000
"""Containers shift their clock by a few frames as they like; beyond this, a start is meant to be late."""

_COLORSPACE_UNSPECIFIED = 2
_HD_HEIGHT = 720


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What a media file holds, seen by decoding its first frame.

    Attributes:
        kind: "image", "animation" or "video".
        width: As it is seen: turned upright, with square pixels.
        height: As it is seen.
        duration_s: Its own length in seconds; None for a still picture.
        has_sound: Whether there is a sound track.
        frames_per_second: On average; None for a still picture or where it is not stated.
    """

    kind: MediaKind
    width: int
    height: int
    duration_s: float | None = None
    has_sound: bool = False
    frames_per_second: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MediaFrame:
    """One frame, ready to be shown.

    Attributes:
        position_ns: When it is due, in nanoseconds from the start of the media.
        rgb: `(height, width, 3)` uint8, C-contiguous.
        until_ns: When the next picture of the media is due, whether or not that one is handed out;
            `ENDLESS_NS` for the last one.
        left_out: How many pictures before it were left out because they were late.
    """

    position_ns: int
    rgb: NDArray[np.uint8]
    until_ns: int = ENDLESS_NS
    left_out: int = 0


def probe(path: Path) -> MediaInfo:
    """Looks into a media file and decodes its first frame.

    Args:
        path: A file whose name ends in one of `KNOWN_ENDINGS`.

    Raises:
        MediaError: The file is missing, of no known kind, too large, or cannot be decoded.
    """
    require_media_file(path)
    found = _probe_picture(path) if path.suffix.lower() in PICTURE_ENDINGS else _probe_video(path)
    if found.duration_s is not None and found.duration_s > LONGEST_S:
        raise MediaError(
            f"{path} claims to last {found.duration_s / 3600:.0f} hours; expected at most {LONGEST_S / 3600:.0f}, so cut it "
            "or convert it again."
        )
    return found


def require_media_file(path: Path) -> None:
    """Makes sure that there is a file of a known kind, without looking into it.

    Raises:
        MediaError: The name has another ending, or there is no regular file, or an empty one.
    """
    if path.suffix.lower() not in KNOWN_ENDINGS:
        raise MediaError(
            f"{path} is of no known kind; expected a name that ends in one of {', '.join(sorted(KNOWN_ENDINGS))}."
        )
    _require_file(path)


def fit(size: Size, viewport: Size) -> Size:
    """The largest size of the same shape that fits a viewport, at least one pixel each way.

    Example:
        >>> fit((1920, 1080), (1280, 800))
        (1280, 720)
    """
    scale = min(Fraction(viewport[0], size[0]), Fraction(viewport[1], size[1]))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def frames(
    path: Path,
    kind: MediaKind,
    viewport: Callable[[], Size],
    *,
    loop: bool = False,
    wanted_ns: Callable[[], int] | None = None,
    start_ns: int = 0,
) -> Iterator[MediaFrame]:
    """The frames of a media file in order, from the one that is seen at a position on.

    The first frame of a file is at position 0. Close the iterator to release the file.

    Args:
        path: The file.
        kind: As `probe` found it.
        viewport: Gives the size that each frame is to fit.
        loop: Whether an animation starts again at its end, for ever; without effect on other kinds.
        wanted_ns: Gives the position that the show has reached; a video uses it to leave out frames
            that are late.
        start_ns: The position at which to begin, in nanoseconds, at least 0.

    Raises:
        MediaError: When the file cannot be decoded (any further).
    """
    if kind == "image":
        return image_frames(path, viewport)
    if kind == "animation":
        return animation_frames(path, viewport, loop=loop, start_ns=start_ns)
    return video_frames(path, viewport, wanted_ns=wanted_ns, start_ns=start_ns)


def image_frames(path: Path, viewport: Callable[[], Size]) -> Iterator[MediaFrame]:
    """The one frame of a still picture, turned upright as its EXIF data say. See `frames`."""
    with _open_picture(path) as picture:
        size = viewport()
        # Lets a large JPEG be decoded at a fraction of its size; square, because it may yet be
        # turned.
        picture.draft("RGB", (max(size), max(size)))
        upright = ImageOps.exif_transpose(picture)
        yield MediaFrame(0, _fitted_array(upright, size))


def animation_frames(
    path: Path, viewport: Callable[[], Size], *, loop: bool = False, start_ns: int = 0
) -> Iterator[MediaFrame]:
    """The frames of an animated picture with their own timing. See `frames`."""
    with _open_picture(path) as picture:
        position_ms = 0.0
        while True:
            count = getattr(picture, "n_frames", 1)
            for index in range(count):
                picture.seek(index)
                picture.load()
                began_ms, position_ms = position_ms, position_ms + _frame_ms(picture)
                is_last = not loop and index == count - 1
                if is_last or position_ms * 1e6 > start_ns:
                    until_ns = ENDLESS_NS if is_last else round(position_ms * 1e6)
                    yield MediaFrame(
                        round(began_ms * 1e6), _fitted_array(picture, viewport()), until_ns
                    )
            if not loop:
                return


def video_frames(
    path: Path,
    viewport: Callable[[], Size],
    *,
    wanted_ns: Callable[[], int] | None = None,
    start_ns: int = 0,
) -> Iterator[MediaFrame]:
    """The frames of a clip with their own timing. See `frames`.

    Frames that are late are decoded but not converted, so that a show that was held up catches up.
    Each frame is handed out once the next one is decoded, because only then it is known until when
    it stands.

    Raises:
        MediaError: The clip holds no frame, or ends more than `SHORT_BY_S` before its stated
            length.
    """
    emitted_ns: int | None = None
    left_out = 0
    held: tuple[int, VideoFrame] | None = None
    with _open_clip(path) as container:
        stream = _video_stream(path, container)
        for position_ns, frame in _timed_frames(path, container, stream, start_ns):
            reached_ns = -1 if wanted_ns is None else wanted_ns()
            if held is not None and position_ns > start_ns:
                in_time = position_ns > reached_ns or held[0] + LATE_NS >= reached_ns
                if emitted_ns is None:
                    # Where a file cannot be entered exactly, the first picture that could be
                    # reached stands in.
                    held = (min(held[0], start_ns), held[1])
                if in_time or emitted_ns is None or held[0] - emitted_ns >= LEAST_RATE_NS:
                    emitted_ns = held[0]
                    yield MediaFrame(
                        held[0], _converted(held[1], stream, viewport()), position_ns, left_out
                    )
                    left_out = 0
                else:
                    left_out += 1
            held = (position_ns, frame)
        if held is not None:
            yield MediaFrame(held[0], _converted(held[1], stream, viewport()), ENDLESS_NS, left_out)
        stated_s = _stated_length_s(container, stream)
        frame_s = 0.0 if not stream.average_rate else float(1 / stream.average_rate)
    if held is None:
        raise MediaError(f"{path} holds no picture that can be decoded; replace the file.")
    reached_s = held[0] / 1e9 + frame_s
    if stated_s is not None and reached_s < stated_s - SHORT_BY_S:
        raise MediaError(
            f"{path} breaks off at {reached_s:.1f} s of {stated_s:.1f} s; replace the file."
        )


def sound_blocks(path: Path, start_s: float = 0.0) -> Iterator[tuple[float, NDArray[np.int16]]]:
    """The sound of a clip, in blocks that follow each other without a gap.

    Stretches without sound, also before a track that begins late, are silence. Close the iterator
    to release the file.

    Args:
        path: The file.
        start_s: Where in the clip to begin, in seconds from the start of its picture; at least 0.

    Yields:
        The position of the block's first sample in seconds, and the samples: `(n, 2)` int16 at
        `SAMPLE_RATE_HZ`.

    Raises:
        MediaError: The file has no sound, or none that can be decoded.
    """
    start = round(start_s * SAMPLE_RATE_HZ)
    done = start
    with _open_clip(path) as container:
        if not container.streams.audio:
            raise MediaError(f"{path} has no sound; expected a clip with a sound track.")
        stream = container.streams.audio[0]
        zero_s = _zero_s(container, stream)
        if start_s > 0:
            # A little early: codecs need a block or two before the first right sample.
            container.seek(int((zero_s + max(0.0, start_s - 0.2)) * av.time_base))
        for at, samples in _resampled(container, stream, zero_s):
            if at > done:
                yield done / SAMPLE_RATE_HZ, np.zeros((at - done, 2), np.int16)
                done = at
            fresh = samples[done - at :]
            if len(fresh):
                yield done / SAMPLE_RATE_HZ, np.ascontiguousarray(fresh)
                done += len(fresh)


def _require_file(path: Path) -> None:
    try:
        if not path.is_file():
            state = "is not a file" if path.exists() else "does not exist"
            raise MediaError(f"{path} {state}; expected a media file there.")
        if path.stat().st_size == 0:
            raise MediaError(f"{path} is empty; copy the file again.")
    except OSError as error:
        raise MediaError(
            f"{path} cannot be read ({error.strerror}); check the file and its rights."
        ) from error


def _short(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).rstrip(".")


def _refuse_giant(path: Path, size: Size) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise MediaError(
            f"{path} claims {size[0]} x {size[1]} pixels; expected at most {MAX_PIXELS // 1_000_000} million pixels, "
            "so make it smaller."
        )


# --- pictures -------------------------------------------------------------------------------------


@contextmanager
def _open_picture(path: Path) -> Iterator[Image.Image]:
    """Opens a picture; whatever fails on it, here or in the body, leaves as a `MediaError`."""
    _require_file(path)
    try:
        with Image.open(path, formats=_PICTURE_FORMATS) as picture:
            _refuse_giant(path, picture.size)
            yield picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(
            f"{path} claims more than {MAX_PIXELS // 1_000_000} million pixels; make it smaller."
        ) from error
    except FileNotFoundError as error:
        raise MediaError(f"{path} does not exist; expected a media file there.") from error
    except _PICTURE_ERRORS as error:
        raise MediaError(
            f"{path} cannot be decoded as a picture ({_short(error)}); replace the file."
        ) from error


def _probe_picture(path: Path) -> MediaInfo:
    with _open_picture(path) as picture:
        if not getattr(picture, "is_animated", False) or picture.format not in _ANIMATED_FORMATS:
            upright = ImageOps.exif_transpose(picture)
            upright.load()
            return MediaInfo("image", *upright.size)
        # Counted frame by frame: asking a GIF for their number reads through all of them first.
        total_ms, frames_there = 0.0, 0
        while _enters(picture, frames_there):
            if frames_there == MOST_ANIMATION_FRAMES:
                raise MediaError(
                    f"{path} is an animation of more than {MOST_ANIMATION_FRAMES} pictures; make a video of it."
                )
            picture.load()
            total_ms += _frame_ms(picture)
            frames_there += 1
        return MediaInfo(
            "animation",
            *picture.size,
            duration_s=total_ms / 1000,
            frames_per_second=frames_there * 1000 / total_ms,
        )


def _enters(picture: Image.Image, index: int) -> bool:
    """Whether an animation has a picture of this number; it is at it then."""
    try:
        picture.seek(index)
    except EOFError:
        return False
    return True


def _frame_ms(picture: Image.Image) -> float:
    stated = float(picture.info.get("duration", 0) or 0)
    return stated if stated > _QUICKEST_FRAME_MS else float(_BROWSER_FRAME_MS)


def _fitted_array(picture: Image.Image, viewport: Size) -> NDArray[np.uint8]:
    size = fit(picture.size, viewport)
    if "A" in picture.getbands() or "transparency" in picture.info:
        # On white, as a browser shows it.
        shown = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        if shown.size != size:
            shown = shown.resize(size, Image.Resampling.LANCZOS)
        ground = Image.new("RGBA", size, "white")
        ground.alpha_composite(shown)
        opaque = ground.convert("RGB")
    else:
        opaque = picture.convert("RGB")
        if opaque.size != size:
            # A large reduction goes by whole steps first: a third of the time, no difference to the
            # eye.
            opaque = opaque.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.array(opaque, dtype=np.uint8)


# --- clips ----------------------------------------------------------------------------------------


@contextmanager
def _open_clip(path: Path) -> Iterator[InputContainer]:
    """Opens a clip; whatever fails on it, here or in the body, leaves as a `MediaError`."""
    _require_file(path)
    try:
        # Absolute, so that no part of a name can be taken for a protocol.
        with av.open(str(path.absolute()), options=_LOCAL_ONLY) as container:
            yield container
    except _CLIP_ERRORS as error:
        raise MediaError(
            f"{path} cannot be decoded as a clip ({_short(error)}); replace the file."
        ) from error


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        raise MediaError(f"{path} holds no picture; expected a clip with a video track.")
    _refuse_giant(path, (stream.codec_context.width, stream.codec_context.height))
    stream.codec_context.thread_type = "AUTO"
    stream.codec_context.thread_count = _DECODER_THREADS
    # Pictures may grow in the middle of a clip; the decoder refuses those before it asks for their
    # memory.
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def _probe_video(path: Path) -> MediaInfo:
    with _open_clip(path) as container:
        stream = _video_stream(path, container)
        first = next(_timed_frames(path, container, stream), None)
        if first is None:
            raise MediaError(f"{path} holds no picture that can be decoded; replace the file.")
        width, height = _upright_size(first[1], stream)
        duration_s = _length_s(path, container, stream)
        rate = stream.average_rate
        return MediaInfo(
            "video",
            width,
            height,
            duration_s=duration_s,
            has_sound=bool(container.streams.audio),
            frames_per_second=float(rate) if rate else None,
        )


def _timed_frames(
    path: Path, container: InputContainer, stream: VideoStream, start_ns: int = 0
) -> Iterator[tuple[int, VideoFrame]]:
    """Frames with strictly rising positions, damaged ones left out: from the first one, which is at 0, or from one at or
    before `start_ns` on where the file can be entered there."""
    zero_s: Fraction | None = None
    step_ns = round(1e9 / stream.average_rate) if stream.average_rate else 40_000_000
    last_ns = -1
    is_first = True
    decoded: Iterator[VideoFrame] = _decoded(path, container, stream)
    while (frame := next(decoded, None)) is not None:
        if frame.pts is None or frame.time_base is None:
            position_ns = last_ns + step_ns
        else:
            at_s = frame.pts * frame.time_base
            zero_s = _start_s(stream, at_s) if zero_s is None else zero_s
            position_ns = round((at_s - zero_s) * 1_000_000_000)
            if is_first and start_ns > 0:
                entered = _decoded_from(
                    path, container, stream, zero_s, Fraction(start_ns, 1_000_000_000)
                )
                if entered is not None:
                    is_first, decoded = False, entered
                    continue
        if is_first:
            position_ns, is_first = 0, False
        if position_ns > last_ns:
            last_ns = position_ns
            yield position_ns, frame


def _decoded_from(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    zero_s: Fraction,
    position_s: Fraction,
) -> Iterator[VideoFrame] | None:
    """The frames from one at or before a position on; None where the file can only be read from its start."""
    if not _INDEXED_FORMATS & set(container.format.name.split(",")) or stream.time_base is None:
        return None
    # Frames are stored in another order than they are seen, so that an index may lead to one that
    # is seen too late.
    for earlier_s in (Fraction(0), Fraction(2), Fraction(10), position_s):
        target_s = zero_s + max(Fraction(0), position_s - earlier_s)
        try:
            container.seek(int(target_s / stream.time_base), stream=stream)
        except _CLIP_ERRORS:
            return None
        decoded = _decoded(path, container, stream)
        first = next(decoded, None)
        if (
            first is not None
            and first.pts is not None
            and first.pts * stream.time_base <= zero_s + position_s
        ):
            return chain([first], decoded)
    return None


def _start_s(stream: VideoStream, first_s: Fraction) -> Fraction:
    """Where the clip begins: with its first frame, unless that is only the first that could be decoded."""
    if stream.start_time is None or stream.time_base is None:
        return first_s
    stated_s = stream.start_time * stream.time_base
    return first_s if abs(first_s - stated_s) * 1_000_000 <= _LATE_START_US else stated_s


def _decoded(path: Path, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Every frame that can be decoded; damage is passed over, as a clip that stays broken fails for its length."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except _CLIP_ERRORS as error:
            # The file ends in the middle of a packet, or cannot be read any further.
            logger.debug("Reading %s ends early: %s", path, _short(error))
            packet = None
        try:
            # Without a packet, the decoder hands out what it has kept back.
            decoded = stream.decode(packet)
        except av.error.EOFError:
            return
        except _CLIP_ERRORS as error:
            logger.debug("A damaged packet of %s is passed over: %s", path, _short(error))
            decoded = []
        yield from decoded
        if packet is None:
            return


def _stated_length_s(container: InputContainer, stream: VideoStream) -> float | None:
    """The length of the picture track as the file states it; None where it may be the length of the sound."""
    if _starts_late(container, stream):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and not container.streams.audio:
        return container.duration / av.time_base
    return None


def _starts_late(container: InputContainer, stream: VideoStream) -> bool:
    """Whether the file's clock may not start at 0; formats differ in whether their length then counts from 0."""
    if stream.start_time is not None and stream.time_base is not None:
        return stream.start_time * stream.time_base * 1_000_000 > _LATE_START_US
    return container.start_time is None or container.start_time > _LATE_START_US


def _length_s(path: Path, container: InputContainer, stream: VideoStream) -> float:
    """The length of the whole clip: of its longest track as stated, else to the last packet of its picture."""
    if (
        container.duration is not None
        and container.duration > 0
        and not _starts_late(container, stream)
    ):
        return container.duration / av.time_base
    stated_s = _stated_length_s(container, stream)
    if stated_s is not None and stated_s > 0:
        return stated_s
    first: Fraction | None = None
    last = Fraction(0)
    step = 1 / stream.average_rate if stream.average_rate else Fraction(1, 25)
    with _open_clip(path) as again:
        for packet in again.demux(video=0):
            if packet.pts is None or packet.time_base is None:
                continue
            at = packet.pts * packet.time_base
            first = at if first is None else min(first, at)
            last = max(last, at + (packet.duration * packet.time_base if packet.duration else step))
    if first is None or last <= first:
        raise MediaError(f"{path} does not tell how long it is; convert it to MP4.")
    return float(last - first)


def _pixel_shape(frame: VideoFrame, stream: VideoStream) -> Size:
    """The size of a frame with square pixels, before it is turned upright."""
    ratio = stream.sample_aspect_ratio
    if not ratio or ratio <= 0:
        return frame.width, frame.height
    return max(1, round(frame.width * ratio)), frame.height


def _quarter_turns(frame: VideoFrame) -> int:
    """How many quarter turns to the left make the frame upright, 0 to 3."""
    return round(frame.rotation / 90) % 4


def _upright_size(frame: VideoFrame, stream: VideoStream) -> Size:
    width, height = _pixel_shape(frame, stream)
    return (height, width) if _quarter_turns(frame) % 2 else (width, height)


def _converted(frame: VideoFrame, stream: VideoStream, viewport: Size) -> NDArray[np.uint8]:
    turns = _quarter_turns(frame)
    width, height = fit(_upright_size(frame, stream), viewport)
    if turns % 2:
        width, height = height, width
    # Files that do not say which matrix they use follow the size: standard definition or high
    # definition.
    untagged_hd = frame.colorspace == _COLORSPACE_UNSPECIFIED and frame.height >= _HD_HEIGHT
    scaled = frame.reformat(
        width, height, "rgb24", src_colorspace="ITU709" if untagged_hd else None
    )
    rgb = scaled.to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, turns) if turns else rgb, dtype=np.uint8)


# --- sound ----------------------------------------------------------------------------------------


def _zero_s(container: InputContainer, stream: AudioStream) -> float:
    """Where the clip's own clock stands at the first frame of its picture (of its sound, if there is no picture)."""
    for track in (*container.streams.video[:1], stream):
        if track.start_time is not None and track.time_base is not None:
            return float(track.start_time * track.time_base)
    return 0.0


def _resampled(
    container: InputContainer, stream: AudioStream, zero_s: float
) -> Iterator[tuple[int, NDArray[np.int16]]]:
    """Samples with the number of their first one, counted from the start of the clip."""
    resampler = av.AudioResampler(format="s16", layout="stereo", rate=SAMPLE_RATE_HZ)
    at: int | None = None
    for frame in container.decode(stream):
        stated = (
            None
            if frame.pts is None or frame.time_base is None
            else float(frame.pts * frame.time_base) - zero_s
        )
        # The resampler keeps a few samples back, so counting is more exact than the stamps; those
        # tell of real gaps.
        if stated is not None and (
            at is None or abs(stated * SAMPLE_RATE_HZ - at) > SAMPLE_RATE_HZ / 20
        ):
            at = round(stated * SAMPLE_RATE_HZ)
        at = 0 if at is None else at
        for block in resampler.resample(frame):
            samples = _interleaved(block.to_ndarray())
            yield at, samples
            at += len(samples)
    if at is not None:
        for block in resampler.resample(None):
            yield at, _interleaved(block.to_ndarray())


def _interleaved(block: NDArray[np.generic]) -> NDArray[np.int16]:
    return np.asarray(block, dtype=np.int16).reshape(-1, 2)
