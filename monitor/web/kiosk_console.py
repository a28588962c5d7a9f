"""What the application of a console knows of its kiosk, beyond what a hub knows."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitor.session.first_run import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.settings.console_order import ConsoleOrder


@dataclass(slots=True)
class Console:
    """The kiosk of this console, and its set-up while that is open.

    Attributes:
        order: Names the kiosk.
        restart: Makes the kiosk start again; `None` where it was started apart from the console.
        draft: The answers so far.
        visitor: Mark of the browser that was the last to show the secret; `None` before.
        made_by: Mark of the browser that made the first account; `None` if that was there before.
        is_done: Whether the set-up is over; its secret is void then.
    """

    order: ConsoleOrder
    restart: Callable[[], None] | None = None
    draft: Draft = field(default_factory=Draft)
    visitor: str | None = None
    made_by: str | None = None
    is_done: bool = False

    @property
    def can_restart(self) -> bool:
        """Whether the console can make its kiosk start again."""
        return self.restart is not None

    def start_again(self) -> None:
        """Make the kiosk start again, if it can be done from here."""
        if self.restart is not None:
            self.restart()

    def admit(self) -> str:
        """Let a browser in that has shown the secret; return its mark. Another one is out then."""
        self.visitor = secrets.token_urlsafe(16)
        return self.visitor
