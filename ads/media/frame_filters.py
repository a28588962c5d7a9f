"""FFmpeg filter graphs: deinterlace frames, look up their colours, flatten transparent ones."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av.error
import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame

from ads.media.colour_cube import Cube, hald_image
from ads.media.types import GROUND

if TYPE_CHECKING:
    from av.filter.context import FilterContext

    from ads.media.types import Size

DEINTERLACE, LOOK_UP, COMPOSE = "yadif", "haldclut", "premultiply"
"""Names of FFmpeg's filters. Of the deinterlacers, yadif keeps most of the detail that stands
still, and shows no comb even if two fields have nothing in common."""

CUBE_FORMAT = "gbrpf32le"
"""As fast as 16 bits; FFmpeg 8 swaps the channels of a cube in planes of integers."""

_UNTAGGED = "color_primaries=unknown:color_trc=unknown"
"""For `setparams`: scaling must not repeat the cube's conversion, nor refuse unknown values."""

_TIME_BASE = Fraction(1, 1000)


class Deinterlacer:
    """Deinterlace frames; progressive ones stay as they are."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._shape: tuple[str, int, int] | None = None
        self._newest: VideoFrame | None = None

    def filtered(self, frame: VideoFrame, following: VideoFrame | None) -> VideoFrame:
        """Return a frame without combs. Call in order; `following` is the next one of the clip."""
        if self._graph is None or self._shape != _shape(frame):
            self._shape = _shape(frame)
            self._graph = _graph()
            self._graph.link_nodes(
                _source(self._graph, frame),
                self._graph.add(DEINTERLACE, "mode=send_frame:deint=interlaced"),
                # At the edges, the filter trusts the other field blindly.
                self._graph.add("fillborders", "top=2:bottom=2:mode=smear"),
                self._graph.add("buffersink"),
            ).configure()
            self._newest = None
        if self._newest is not frame:
            self._graph.vpush(frame)
        # The filter looks at the frames before and after; at the end, it repeats the last one.
        if following is None or _shape(following) != self._shape:
            self._graph.vpush(None)
            done = _pulled(self._graph)
            self._graph = None
        else:
            self._graph.vpush(following)
            done = _pulled(self._graph)
        self._newest = following
        return done[-1] if done and frame.interlaced_frame else frame


class CubeFilter:
    """Scale frames and look each colour up in a cube; see `hald_image`.

    Args:
        frame: One of those to be filtered; all have its format and size.
        size: Wanted, in pixels.
    """

    def __init__(self, cube: Cube, frame: VideoFrame, size: Size) -> None:
        image = VideoFrame.from_ndarray(hald_image(*cube), format=CUBE_FORMAT)
        image.pts, image.time_base = 0, _TIME_BASE
        self._graph = _graph()
        self._source, self._sink = _source(self._graph, frame), self._graph.add("buffersink")
        # Scaling is in the graph, as the look-up writes past rows without FFmpeg's padding.
        width, height = size
        look_up = self._graph.add(LOOK_UP, "clut=first")
        self._graph.link_nodes(
            self._source,
            self._graph.add("setpts", "N"),
            self._graph.add("setparams", _UNTAGGED),
            self._graph.add("scale", f"{width}:{height}:flags=bilinear+full_chroma_int"),
            self._graph.add("format", CUBE_FORMAT),
            look_up,
            self._graph.add("format", "rgb24"),
            self._sink,
        )
        cubes = _source(self._graph, image)
        cubes.link_to(look_up, 0, 1)
        self._graph.configure()
        cubes.push(image)
        cubes.push(None)

    def filtered(self, frame: VideoFrame) -> VideoFrame:
        """Return a frame of the format rgb24 and the wanted size with the cube's colours."""
        self._source.push(frame)
        return cast("VideoFrame", self._sink.pull())


class Compositor:
    """Scale transparent frames and lay them over `GROUND`.

    Colours are multiplied by alpha first; otherwise hidden colours would show at the edges.

    Args:
        frame: One of those to be filtered; all have its format and size.
        size: Wanted, in pixels.
    """

    def __init__(self, frame: VideoFrame, size: Size) -> None:
        width, height = size
        self._graph = _graph()
        self._graph.link_nodes(
            _source(self._graph, frame),
            self._graph.add("setparams", _UNTAGGED),
            self._graph.add("format", "gbrap"),
            self._graph.add(COMPOSE, "inplace=1"),
            self._graph.add("scale", f"{width}:{height}:flags=bilinear"),
            self._graph.add("format", "gbrap"),
            self._graph.add("buffersink"),
        ).configure()

    def filtered(self, frame: VideoFrame) -> VideoFrame:
        """Return a frame of the format rgb24 and the wanted size."""
        self._graph.vpush(frame)
        scaled = self._graph.vpull()
        green, blue, red, alpha = (
            np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[
                :, : plane.width
            ]
            for plane in scaled.planes
        )
        rgb = np.empty((*alpha.shape, 3), np.uint8)
        for index, (colour, ground) in enumerate(zip((red, green, blue), GROUND, strict=True)):
            through = np.round((255 - np.arange(256)) * (ground / 255)).astype(np.uint8)[alpha]
            rgb[..., index] = colour + np.minimum(through, 255 - colour)
        opaque = VideoFrame.from_ndarray(rgb, format="rgb24")
        opaque.color_trc, opaque.color_primaries = frame.color_trc, frame.color_primaries
        return opaque


def _graph() -> Graph:
    graph = Graph()
    # As for the decoder: the rest of the machine is for the faces.
    graph.threads = 2
    return graph


def _source(graph: Graph, frame: VideoFrame) -> FilterContext:
    return graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or _TIME_BASE,
    )


def _shape(frame: VideoFrame) -> tuple[str, int, int]:
    return frame.format.name, frame.width, frame.height


def _pulled(graph: Graph) -> list[VideoFrame]:
    """Return what a graph has ready."""
    found = []
    while True:
        try:
            found.append(graph.vpull())
        except (av.error.BlockingIOError, av.error.EOFError):
            return found
