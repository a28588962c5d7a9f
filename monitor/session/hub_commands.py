"""Does what people ask of this kiosk through its hub."""

from __future__ import annotations

import base64
import queue
import time
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

import zstandard

from monitor.languages import lazy
from monitor.logs import log_path, recent_log
from monitor.session.painted_ad import as_jpeg, draw_ad
from monitor.uplink.documents import CommandResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    import numpy as np
    from numpy.typing import NDArray

    from ads.player.player import AdPlayer
    from monitor.settings.models import RunSettings
    from monitor.uplink.documents import AttachmentType, CommandOrder
    from monitor.uplink.key_file import HubKey

    Answer = TypeVar("Answer")

ANSWER_S = 10.0
"""How long a command waits for the show's thread."""

MAX_LOG_BYTES = 4 << 20

RESTART_LIMIT_S = 300.0
"""How long a restart waits for the end of the present ad."""

HEADLESS_SIZE = (640, 360)


class HubCommands:
    """Does commands of the hub; its thread calls `perform`, and the show's thread `poll`.

    Attributes:
        show_name: Shows the screen's name and its site over the ad; `None` where nobody sees it.
        painted_ad: Returns the ad as the window paints it, `(height, width, 3)`; `None` without a
            window.
        player: Of the ads; `None` before the show has begun.
    """

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = (
            queue.SimpleQueue()
        )
        self._restart_by_s: float | None = None
        self.show_name: Callable[[str, str], None] | None = None
        self.painted_ad: Callable[[], NDArray[np.uint8]] | None = None
        self.player: AdPlayer | None = None

    @property
    def is_restart_due(self) -> bool:
        """Whether to end now and be started again: the ad has ended, is paused or lasts long."""
        by_s, player = self._restart_by_s, self.player
        if by_s is None or player is None:
            return False
        return player.finished or player.paused or time.monotonic() >= by_s

    def poll(self) -> None:
        """Do what the hub's thread waits for; call it often."""
        while not self._waiting.empty():
            future, work = self._waiting.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except Exception as error:  # noqa: BLE001 (raised again in the other thread)
                    future.set_exception(error)

    def perform(self, order: CommandOrder, key: HubKey) -> CommandResult | None:
        """Do a command; return its outcome, `None` for a restart that will happen."""
        try:
            match order.kind:
                case "identify":
                    return self._identify(key)
                case "restart":
                    return self._restart()
                case "picture":
                    return self._picture()
                case "logs":
                    return self._logs()
        except (TimeoutError, CancelledError):
            return _failed(
                lazy("The show did not answer within %(seconds)s s.", seconds=f"{ANSWER_S:g}")
            )

    def _in_show(self, work: Callable[[], Answer]) -> Answer:
        future: Future[Answer] = Future()
        self._waiting.put((future, work))
        try:
            return future.result(ANSWER_S)
        except TimeoutError:
            future.cancel()
            raise

    def _identify(self, key: HubKey) -> CommandResult:
        show = self.show_name
        if show is None:
            return _failed(
                lazy("Nobody can see the name: this kiosk runs without a window on a screen.")
            )
        self._in_show(lambda: show(key.name, key.site))
        return CommandResult(
            succeeded=True, detail=lazy("The screen shows its name for 10 seconds.")
        )

    def _restart(self) -> CommandResult | None:
        player = self.player
        if not self._settings.patient or player is None:
            return _failed(
                lazy(
                    "The kiosk is not supervised, so nothing would start it again; run it "
                    "with --supervised, or install it as a service."
                )
            )

        def end() -> None:
            self._restart_by_s = time.monotonic() + RESTART_LIMIT_S
            player.finish()

        self._in_show(end)
        return None

    def _picture(self) -> CommandResult:
        paint, player = self.painted_ad, self.player
        if paint is not None:
            rgb = self._in_show(paint)
        elif player is not None:
            rgb = draw_ad(self._in_show(lambda: player.picture), HEADLESS_SIZE)
        else:
            return _failed(lazy("The show has not begun."))
        play = None if player is None else player.current
        words = (
            lazy("No ad is on the screen.")
            if play is None
            else lazy("The ad %(name)s.", name=play.ad.name[:400])
        )
        return _attached(words, "image/jpeg", as_jpeg(rgb))

    def _logs(self) -> CommandResult:
        path = log_path(self._settings.log)
        if path is None:
            return _failed(lazy("The kiosk keeps no log (run.log: none)."))
        text = recent_log(path, MAX_LOG_BYTES)
        if not text:
            return _failed(lazy("The kiosk's log is empty."))
        packed = zstandard.compress(text.encode("utf-8", "replace"), 10)
        words = lazy("The newest lines of the kiosk's log and its supervisor's.")
        return _attached(words, "application/zstd", packed)


def _attached(detail: str, kind: AttachmentType, content: bytes) -> CommandResult:
    # The model takes what it is made from in base 64.
    packed = base64.b64encode(content)
    return CommandResult(succeeded=True, detail=detail, attachment_type=kind, attachment=packed)


def _failed(detail: str) -> CommandResult:
    return CommandResult(succeeded=False, detail=detail)
