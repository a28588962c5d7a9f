"""How it is between a kiosk and its hub, for those who look at the kiosk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class ShowStatus:
    """Which show is on: the kiosk's own, or that of its hub.

    Attributes:
        source: Where it comes from.
        version: Of the hub's document that was applied; `None` before the first one.
        since: When that was.
        fetching: The share of the next show's media that is here, 0 to 1; `None` if none is
            fetched.
        problem: Why the hub's latest document is not applied, or cannot be asked for, in a
            sentence; `None` while all is well.
    """

    source: Literal["local", "hub"] = "local"
    version: int | None = None
    since: datetime | None = None
    fetching: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class UplinkStatus:
    """How it is between this kiosk and its hub.

    Attributes:
        state: `off` without a hub; `pairing` until somebody accepts the code; `joined`; `revoked`.
        hub: Address of the hub.
        code: To be accepted on the hub; `None` before the hub has given one.
        screen: Name of the screen that the kiosk fills.
        last_contact: When the hub answered last; `None` before.
        waiting, lost: Records that the hub does not have yet, and that it will never have.
        problem: What is wrong, in a sentence; `None` while all is well.
        show: Which show is on.
        is_console: Whether the hub is no hub of many screens, but this kiosk's own console.
    """

    state: Literal["off", "pairing", "joined", "revoked"] = "off"
    hub: str = ""
    code: str | None = None
    screen: str = ""
    last_contact: datetime | None = None
    waiting: int = 0
    lost: int = 0
    problem: str | None = None
    show: ShowStatus = ShowStatus()
    is_console: bool = False
