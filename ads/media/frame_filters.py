"""Filter graphs of FFmpeg for frames: deinterlacing, and colours by a cube."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import av.error
from av.filter import Graph

from ads.media.colour_cube import Transfer, hald_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.filter.context import FilterContext
    from av.video.frame import VideoFrame

DEINTERLACE, LOOK_UP = "yadif", "haldclut"
"""FFmpeg's filters: of those for interlaced frames, yadif keeps most of what stands still and shows
no comb even where two fields have nothing in common."""

CUBE_FORMAT = "gbrpf32le"
"""As fast as 16 bits; of a cube in planes of integers, FFmpeg 8 exchanges the channels."""

_TIME_BASE = Fraction(1, 1000)


class Deinterlacer:
    """Fill the rows between those of a field. Frames that are not interlaced stay as they are."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._shape: tuple[str, int, int] | None = None
        self._newest: VideoFrame | None = None

    def filtered(self, frame: VideoFrame, following: VideoFrame | None) -> VideoFrame:
        """Return a frame without combs. Call in order; `following` is the next one of the clip."""
        if self._graph is None or self._shape != _shape(frame):
            self._shape = _shape(frame)
            self._graph = _graph()
            _link(
                self._graph,
                [_source(self._graph, frame)],
                [
                    (DEINTERLACE, "mode=send_frame:deint=interlaced"),
                    # At the edges, the filter trusts the other field blindly.
                    ("fillborders", "top=2:bottom=2:mode=smear"),
                ],
            )
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
    """Look each colour up in a cube; see `hald_image`."""

    def __init__(self, transfer: Transfer, primaries: int, size: tuple[int, int]) -> None:
        cube = av.VideoFrame.from_ndarray(hald_image(transfer, primaries), format=CUBE_FORMAT)
        cube.pts, cube.time_base = 0, _TIME_BASE
        self._graph = _graph()
        sources = [
            self._graph.add_buffer(
                width=width, height=height, format=cube.format, time_base=_TIME_BASE
            )
            for width, height in (size, (cube.width, cube.height))
        ]
        _link(self._graph, sources, [(LOOK_UP, "clut=first")])
        self._graph.vpush(cube, at=1)
        self._graph.vpush(None, at=1)
        self._count = 0

    def filtered(self, frame: VideoFrame) -> VideoFrame:
        """Return a frame of `CUBE_FORMAT` and the stated size with the cube's colours."""
        frame.pts, frame.time_base = self._count, _TIME_BASE
        self._count += 1
        self._graph.vpush(frame, at=0)
        return self._graph.vpull()


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


def _link(graph: Graph, sources: list[FilterContext], filters: Sequence[tuple[str, str]]) -> None:
    chain = [graph.add(name, arguments) for name, arguments in filters]
    for index, source in enumerate(sources):
        source.link_to(chain[0], 0, index)
    graph.link_nodes(*chain, graph.add("buffersink"))
    graph.configure()


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
