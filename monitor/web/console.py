"""What the application of a console knows of its kiosk, beyond what a hub knows."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.session.first_run import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.settings.console import ConsoleOrder


@dataclass(slots=True)
class Console:
    """The kiosk of this console, and its set-up while that is open.

    Attributes:
        order: Names the kiosk.
        on_set_up: Called once the kiosk has been set up, so that it starts again.
        draft: The answers so far.
        visitor: Mark of the browser that was the last to show the secret; `None` before.
        is_done: Whether the set-up is over; its secret is void then.
    """

    order: ConsoleOrder
    on_set_up: Callable[[], None] = lambda: None
    draft: Draft = field(default_factory=Draft)
    visitor: str | None = None
    is_done: bool = False

    def admit(self) -> str:
        """Let a browser in that has shown the secret; return its mark. Another one is out then."""
        self.visitor = secrets.token_urlsafe(16)
        return self.visitor
