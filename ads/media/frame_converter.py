"""Convert decoded frames of clips to what their maker saw: upright, opaque, whole, in sRGB."""

from __future__ import annotations

import logging
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
from av.filter import filters_available
from av.video.format import VideoFormat
from av.video.reformatter import ColorRange, VideoReformatter

from ads.media.clip_file import CLIP_ERRORS
from ads.media.colour_cube import BT2020, Cube, cube_of
from ads.media.frame_filters import (
    COMPOSE,
    DEINTERLACE,
    LOOK_UP,
    Compositor,
    CubeFilter,
    Deinterlacer,
)
from ads.media.types import Size, fit, reason
from detector.sources.orientation import OrientationReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

    from detector.sources.orientation import Orientation

logger = logging.getLogger(__name__)

_UNSTATED, _BT709, _BT601 = 2, 1, 6
_MATRICES = {_BT709, 4, 5, _BT601, 7, BT2020}
"""As numbered in ISO/IEC 23091-2: those that FFmpeg can convert from."""

_EXACT = 1 << 1 | 1 << 13
"""FFmpeg's flags SWS_BILINEAR and SWS_FULL_CHR_H_INT, named by PyAV from 18 on. Without the latter,
levels are off by up to five where a channel has more than 8 bits, and by two where it has 8."""

_FAST = {"yuv420p": "yuv422p", "nv12": "yuv422p", "yuvj420p": "yuvj422p"}
"""Formats that are scaled as they are and then become RGB by FFmpeg's fast way, which takes even
widths: a third of the time of one step, and closer to the original."""

_STRETCHED = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)


def upright_size(
    frame: VideoFrame, pixel_aspect: Fraction | None, orientation: Orientation
) -> Size:
    """Return the size of a frame with square pixels, turned upright."""
    width, height = frame.width, frame.height
    if pixel_aspect and pixel_aspect > 0:
        width = max(1, round(width * pixel_aspect))
    return (height, width) if orientation.transposed else (width, height)


class FrameConverter:
    """Convert the frames of one clip, in order.

    Plain frames need no filter. Filters are built once for each format and size.

    Args:
        pixel_aspect: Width of a pixel by its height; None for square ones.
    """

    def __init__(self, pixel_aspect: Fraction | None) -> None:
        self._pixel_aspect = pixel_aspect
        self._orientations = OrientationReader()
        self._deinterlacer: Deinterlacer | None = None
        self._cube: tuple[tuple[object, ...], CubeFilter] | None = None
        self._compositor: tuple[tuple[object, ...], Compositor] | None = None
        self._failing: set[str] = set()
        # Each keeps what it has worked out for its formats and sizes.
        self._to_size, self._to_screen = VideoReformatter(), VideoReformatter()

    def converted(
        self, frame: VideoFrame, viewport: Size, following: VideoFrame | None = None
    ) -> NDArray[np.uint8]:
        """Return a frame, fitted to a viewport.

        Args:
            following: The next frame of the clip, which deinterlacing looks at; None at the end.

        Returns:
            `(height, width, 3)` uint8 RGB, C-contiguous.
        """
        orientation = self._orientations.read(frame)
        width, height = fit(upright_size(frame, self._pixel_aspect, orientation), viewport)
        size = (height, width) if orientation.transposed else (width, height)
        if frame.interlaced_frame or self._deinterlacer is not None:
            frame = self._filtered(
                DEINTERLACE, partial(self._deinterlaced, frame, following), frame
            )
        rgb = np.asarray(self._scaled(frame, size).to_ndarray(), np.uint8)
        if frame.format.name.startswith("gray") and frame.color_range == ColorRange.MPEG:
            # FFmpeg assumes that grey has the full range.
            rgb = _STRETCHED[rgb]
        return np.ascontiguousarray(orientation.apply(rgb))

    def _scaled(self, frame: VideoFrame, size: Size) -> VideoFrame:
        if not frame.format.is_rgb:
            frame.colorspace = _matrix(frame)
        if _may_be_transparent(frame.format.name):
            work = partial(self._composed, frame, size)
            frame = self._filtered(COMPOSE, work, frame)
        cube = cube_of(frame)
        if cube is not None:
            work = partial(self._looked_up, frame, cube, size)
            frame = self._filtered(LOOK_UP, work, frame)
        else:
            # FFmpeg refuses some of these, although it does not need them.
            frame.color_trc = frame.color_primaries = _UNSTATED
        if frame.format.name in _FAST and size != (frame.width, frame.height) and not size[0] % 2:
            frame = self._to_size.reformat(frame, *size, _FAST[frame.format.name])
        is_deep = any(component.bits > 8 for component in frame.format.components)
        return self._to_screen.reformat(
            frame, *size, "rgb24", interpolation=_EXACT if is_deep else None
        )

    def _deinterlaced(self, frame: VideoFrame, following: VideoFrame | None) -> VideoFrame:
        self._deinterlacer = self._deinterlacer or Deinterlacer()
        return self._deinterlacer.filtered(frame, following)

    def _composed(self, frame: VideoFrame, size: Size) -> VideoFrame:
        key = (frame.format.name, frame.width, frame.height, size)
        if self._compositor is None or self._compositor[0] != key:
            self._compositor = key, Compositor(frame, size)
        return self._compositor[1].filtered(frame)

    def _looked_up(self, frame: VideoFrame, cube: Cube, size: Size) -> VideoFrame:
        key = (cube, frame.format.name, frame.width, frame.height, size)
        if self._cube is None or self._cube[0] != key:
            self._cube = key, CubeFilter(cube, frame, size)
        return self._cube[1].filtered(frame)

    def _filtered(self, name: str, work: Callable[[], VideoFrame], frame: VideoFrame) -> VideoFrame:
        """Return a filtered frame; the frame as it is if the filter is missing or fails."""
        if not _can_filter(name) or name in self._failing:
            return frame
        try:
            return work()
        except CLIP_ERRORS as error:
            logger.warning("A clip is shown without the filter %s: %s", name, reason(error))
            self._failing.add(name)
            return frame


def _matrix(frame: VideoFrame) -> int:
    """Return the matrix that a frame states, or that goes with its primaries or its size."""
    if frame.colorspace in _MATRICES:
        return frame.colorspace
    cube = cube_of(frame)
    if cube is not None and cube[1] == BT2020:
        return BT2020
    return _BT709 if frame.width >= 1280 or frame.height > 576 else _BT601


@lru_cache(maxsize=64)
def _may_be_transparent(pixel_format: str) -> bool:
    known = VideoFormat(pixel_format)
    return known.has_palette or any(component.is_alpha for component in known.components)


@lru_cache(maxsize=8)
def _can_filter(name: str) -> bool:
    """Return whether FFmpeg has a filter; warn once if not."""
    if name in filters_available:
        return True
    logger.warning(
        "This machine's FFmpeg lacks the filter %s, so interlaced clips show combs, HDR clips "
        "look dull, or transparent ones show what they hide; install PyAV from PyPI, which brings "
        "its own FFmpeg.",
        name,
    )
    return False
