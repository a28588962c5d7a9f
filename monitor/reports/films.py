"""Pictures of ads as plain values: reports show them, and do not care where they come from."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class StillPicture:
    """One picture of an ad.

    Attributes:
        second: The position in the ad that it stands for, in seconds.
        jpeg: The picture, packed as JPEG.
        width: In pixels.
        height: In pixels.
    """

    second: float
    jpeg: bytes
    width: int
    height: int

    @property
    def address(self) -> str:
        """The picture itself as an address, to be set into a page."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode("ascii")


@dataclass(frozen=True, slots=True)
class Film:
    """What a page can show of one ad.

    Attributes:
        strip: Stills of stretches of equal length, in order; they fill the ad's length.
        moments: Larger stills, by second of the ad, from the middle of that second.
        missing: Why there are no pictures, as a sentence; empty where there are.
    """

    strip: tuple[StillPicture, ...] = ()
    moments: Mapping[int, StillPicture] = field(default_factory=dict)
    missing: str = ""
