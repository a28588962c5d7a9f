"""What the overlay shows: the newest analysed frame, a small preview, and how the sensor is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from detector.errors import SourceFault
    from detector.types import AnalysedFrame

SensorState = Literal[
    "starting", "running", "reconnecting", "blind", "restarting", "unavailable", "ended"
]

UNMEASURED: tuple[SensorState, ...] = ("reconnecting", "blind", "restarting", "unavailable")
"""States in which nothing is measured although it should be."""


BLIND: tuple[SourceFault, ...] = ("camera_frozen", "camera_black", "camera_covered")
"""Faults of a source that is open and gives pictures."""


def fault_state(cause: SourceFault) -> SensorState:
    """The state of the sensor while its source has a fault."""
    return "blind" if cause in BLIND else "reconnecting"


@dataclass(frozen=True, slots=True)
class SensorHealth:
    """How the sensor is doing.

    Attributes:
        state: `starting` until the first frame; `reconnecting` while the source is lost; `blind`
            while it gives pictures that show nothing; `restarting` while the process is started
            again; `unavailable` once that was given up for a while; `ended` when a recording is
            over.
        detail: One short sentence for a person, empty when all is well.
        frames: Frames analysed since the start of the sensor.
        dropped: Frames that a newer one replaced before they were analysed.
        fps: Frames analysed in the last second.
        latency_ms: Median time from capture to reading over the last second.
        effort: Share of the usual work that is done, above 0 to 1: less where the machine cannot
            keep up, so that new viewers are found later and emotions read less often.
        cause: While nothing is measured, the stable name of the reason where there is one, as gaps
            have it.
    """

    state: SensorState
    detail: str = ""
    frames: int = 0
    dropped: int = 0
    fps: float = 0.0
    latency_ms: float = 0.0
    effort: float = 1.0
    cause: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class LiveView:
    """The newest state of the sensor.

    Attributes:
        health: How the sensor is doing.
        frame: The newest analysed frame; `None` before the first.
        preview: `(height, width, 3)` RGB, uint8, a reduced copy of that frame's picture; `None`
            before the first. It lives in memory only.
    """

    health: SensorHealth
    frame: AnalysedFrame | None = None
    preview: NDArray[np.uint8] | None = None
