"""A source whose camera is not mounted upright."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from detector.sources.video_source import VideoSource

if TYPE_CHECKING:
    from detector.sources.orientation import Orientation
    from detector.types import Frame


class TurnedSource(VideoSource):
    """Another source, which it owns, with every picture turned."""

    def __init__(self, source: VideoSource, mounted: Orientation) -> None:
        self._source = source
        self._mounted = mounted
        self.live = source.live
        self.frame_rate = source.frame_rate
        self.frame_count = source.frame_count

    def read(self) -> Frame | None:
        """Return the next frame, turned; see `VideoSource.read`."""
        frame = self._source.read()
        return None if frame is None else replace(frame, image=self._mounted.apply(frame.image))

    def interrupt(self) -> None:
        """Make a waiting `read` return soon."""
        self._source.interrupt()

    def close(self) -> None:
        """Release the source; harmless when repeated."""
        self._source.close()
