"""What the screen shows while no ad is on it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from ads.media.types import MediaFrame

if TYPE_CHECKING:
    from ads.media.types import Fit
    from ads.player.decoder import FrameBuffer, FrameDecoder
    from ads.playlists.playlist import Filler

logger = logging.getLogger(__name__)


class FillerScreen:
    """The filler of the playlist, decoded ahead; without one there is nothing to show.

    Attributes:
        fit: How its frame fits the screen.
        is_shown: Whether it was handed out, and no ad has come since.
    """

    def __init__(self, decoder: FrameDecoder) -> None:
        self.fit: Fit = "cover"
        self.is_shown = False
        self._decoder = decoder
        self._filler: Filler | None = None
        self._buffer: FrameBuffer | None = None
        self._frame: MediaFrame | None = None

    def replace(self, filler: Filler | None) -> None:
        """Show another filler from now on, or none."""
        if filler == self._filler:
            return
        self._filler = filler
        if self._buffer is not None:
            self._buffer.close()
        self._buffer, self._frame, self.is_shown = None, None, False
        if filler is None:
            return
        if filler.picture is None:
            # One pixel, which fills the screen.
            self._frame = MediaFrame(0, np.full((1, 1, 3), filler.colour, np.uint8))
            self.fit = "cover"
        else:
            self._buffer = self._decoder.load(filler.picture)
            self.fit = filler.picture.fit

    def due(self) -> MediaFrame | None:
        """Return the frame to show while no ad is on the screen: once, and when it changes."""
        fresh = None
        if self._buffer is not None:
            fresh = self._buffer.take_due(0)
            if self._buffer.error is not None:
                logger.warning("The filler cannot be shown: %s", self._buffer.error)
                self._buffer.close()
                self._buffer = None
        if fresh is not None:
            self._frame = fresh
        if self._frame is None or (self.is_shown and fresh is None):
            return None
        self.is_shown = True
        return self._frame
