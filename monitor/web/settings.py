"""What the web page is told when it is started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from detector.settings import Device

LISTENERS = 8
"""Live pages that are fed at the same time."""

PAGE_THREADS = 8
"""Threads for everything else, so that listeners cannot starve the pages."""

SHARED_MIN_VIEWERS = 5


@dataclass(frozen=True, slots=True)
class WebSettings:
    """How the page is served.

    Attributes:
        database: Path or SQLAlchemy URL of the database; it need not exist yet.
        model: A model's name or `.keras` file; `None` for the one in use.
        device: Which runtime classifies.
        folders: Where the ads' files may be, for pictures of them in reports.
        min_viewers: Figures about fewer viewers than this are withheld, 1 or more.
        token: What one has to know to be let in; `None` where nothing is asked.
        allowed_hosts: Names under which the page may be asked for, without ports; IP addresses
            always do.
        secure_cookies: Whether the page is reached through https only, behind a proxy.
        networks: Networks that pictures may be fetched from although they are not public, such as
            `192.168.1.0/24`; then from any port.
        rate_limit: How often one visitor may send something, see `SecuritySettings`.
        listeners: Live pages that are fed at the same time, 0 or more.
    """

    database: str
    model: str | None = None
    device: Device = "auto"
    folders: tuple[Path, ...] = ()
    min_viewers: int = SHARED_MIN_VIEWERS
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ("localhost",)
    secure_cookies: bool = False
    networks: tuple[str, ...] = ()
    rate_limit: str = "60 per minute"
    listeners: int = LISTENERS
