"""The wall of screens: how each one is in one word, and why."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast, get_args

from db.hub.screens.wall import read_wall
from monitor.hub.alerts.rules import SILENCE
from monitor.hub.opening import may_be_open
from monitor.languages import lazy, nlazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy.engine import Engine

    from db.hub.screens.registry import Place
    from db.hub.screens.wall import ScreenNow

Condition: TypeAlias = Literal["silent", "warns", "never seen", "closed now", "ok"]

CONDITIONS: tuple[Condition, ...] = get_args(Condition)
"""What needs somebody comes first."""

SNAPSHOT_S = 2.0
"""How old the wall may be, so that a hundred people who look cost as much as one."""

_REVOKED = lazy("its kiosk's key was revoked")

Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class Tile:
    """A screen on the wall.

    Attributes:
        uid: Of the screen.
        place: Where it is.
        condition: How it is, in one word.
        reasons: Why it is not `ok`, a few words each.
        ad: Name of the ad on air; `None` if unknown or none is.
        viewers: In view now, in words; those of fewer than the hub's `min_viewers` are not told.
        contact: How long ago it last said how it is, in words.
        alerts: How many are open.
    """

    uid: str
    place: Place
    condition: Condition
    reasons: tuple[str, ...]
    ad: str | None
    viewers: str
    contact: str
    alerts: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Which screens of the wall to show; empty texts are for all."""

    site: str = ""
    group: str = ""
    tag: str = ""
    condition: str = ""

    def takes(self, tile: Tile) -> bool:
        """Return whether a screen is to be shown."""
        return self.takes_place(tile.place) and self.condition in {"", tile.condition}

    def takes_place(self, place: Place) -> bool:
        """Return whether a screen is to be shown, however it is."""
        return (
            self.site in {"", place.site}
            and self.group in {"", place.group}
            and (not self.tag or self.tag in place.tags)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All screens at one moment; `kept` holds what pages have made of it."""

    tiles: tuple[Tile, ...]
    kept: dict[Any, Any] = field(default_factory=dict)

    def counts(self, choice: Choice) -> dict[Condition, int]:
        """Return how many of the chosen screens are in each condition."""
        found = dict.fromkeys(CONDITIONS, 0)
        for tile in self.tiles:
            if choice.takes_place(tile.place):
                found[tile.condition] += 1
        return found


class Wall:
    """The screens of a hub, read anew when somebody looks after `SNAPSHOT_S`; thread-safe.

    Args:
        database: Returns the hub's.
        min_viewers: Viewers of fewer than this are not told, at least 1.
    """

    def __init__(self, database: Callable[[], Engine], min_viewers: int) -> None:
        self._database = database
        self._min_viewers = min_viewers
        self._reading = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._read_at = 0.0
        self._changes = 0

    def snapshot(self) -> Snapshot:
        """Return the screens as they were at most `SNAPSHOT_S` ago.

        While somebody reads them anew, others get the last ones, so a slow database keeps only one
        waiting.
        """
        last = self._snapshot
        if last is not None and self._is_fresh():
            return last
        if not self._reading.acquire(blocking=last is None):
            return cast("Snapshot", last)
        try:
            last = self._snapshot
            if last is not None and self._is_fresh():
                return last
            now, began, changes = datetime.now(UTC), time.monotonic(), self._changes
            with self._database().connect() as connection:
                screens = read_wall(connection)
            tiles = [tile_of(screen, now, self._min_viewers) for screen in screens]
            snapshot = Snapshot(tuple(sorted(tiles, key=_by_place)))
            if changes == self._changes:
                self._snapshot, self._read_at = snapshot, began
            return snapshot
        finally:
            self._reading.release()

    def forget(self) -> None:
        """Read the screens anew at the next look, because somebody has changed one."""
        self._changes += 1
        self._snapshot = None

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._read_at <= SNAPSHOT_S


def _by_place(tile: Tile) -> tuple[list[Any], list[Any]]:
    """Sort by site and name as people do: Till 9 comes before Till 10."""
    site, name = (
        [part.casefold() if index % 2 == 0 else int(part) for index, part in enumerate(parts)]
        for parts in (re.split(r"([0-9]+)", text) for text in (tile.place.site, tile.place.name))
    )
    return site, name


def tile_of(screen: ScreenNow, now: datetime, min_viewers: int) -> Tile:
    """Return a screen as the wall shows it; `now` is aware."""
    place, health = screen.screen.place, screen.health or {}
    condition, reasons = condition_of(screen, now)
    is_heard = screen.received_at is not None and now - screen.received_at <= SILENCE
    return Tile(
        screen.screen.uid,
        place,
        condition,
        reasons,
        entry(health, str, "ad", "name") if is_heard else None,
        viewers_words(entry(health, int, "viewers"), min_viewers) if is_heard else lazy("unknown"),
        lazy("never") if screen.contact_at is None else age_words(now - screen.contact_at),
        len(screen.alerts),
    )


def condition_of(screen: ScreenNow, now: datetime) -> tuple[Condition, tuple[str, ...]]:
    """Return how a screen is in one word, and why it is not well, a few words each."""
    if screen.received_at is None or screen.contact_at is None:
        why = lazy("its kiosk has not run yet") if screen.has_kiosk else lazy("no kiosk has joined")
        return "never seen", (why, *_alerts(screen))
    place, silence = screen.screen.place, now - screen.contact_at
    if not may_be_open(place.opening, place.time_zone, now):
        return "closed now", ()
    if silence > SILENCE:
        why = lazy("no contact for %(duration)s", duration=_coarse(silence))
        return "silent", (why,) if screen.has_kiosk else (why, _REVOKED)
    reasons = tuple(_warnings(screen))
    return ("warns" if reasons else "ok"), reasons


def _warnings(screen: ScreenNow) -> Iterable[str]:
    health = screen.health or {}
    if not screen.has_kiosk:
        yield _REVOKED
    if entry(health, str, "camera", "state") == "lost":
        yield lazy("camera lost")
    if entry(health, str, "session_kind") == "demo":
        yield lazy("demonstration, without a camera")
    if entry(health, str, "state") == "paused":
        yield lazy("paused")
    if entry(health, bool, "notice_shown") is False and entry(health, bool, "measuring"):
        yield lazy("notice not shown")
    yield from _alerts(screen)


def _alerts(screen: ScreenNow) -> Iterable[str]:
    if any(alert.kind == "not_applied" for alert in screen.alerts):
        yield lazy("playlist not applied")
    if screen.alerts:
        yield nlazy("%(num)s open alert", "%(num)s open alerts", len(screen.alerts))


def viewers_words(viewers: int | None, min_viewers: int) -> str:
    """Return how many viewers there are now, `fewer than 5` where they are too few to be told."""
    if viewers is None:
        return lazy("unknown")
    if 0 < viewers < min_viewers:
        return lazy("fewer than %(count)s", count=min_viewers)
    return f"{viewers}" if viewers else lazy("none")


def age_words(age: timedelta) -> str:
    """Return how long ago something was, so coarse that it rarely changes."""
    if age < timedelta(minutes=1):
        return lazy("just now")
    return lazy("%(duration)s ago", duration=_coarse(age))


def _coarse(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    if minutes < 60:
        return lazy("%(count)s min", count=minutes)
    hours = minutes // 60
    if hours < 48:
        return lazy("%(count)s h", count=hours)
    return lazy("%(count)s days", count=hours // 24)


def entry(health: Mapping[str, Any], kind: type[Kind], *path: str) -> Kind | None:
    """Return an entry of a kiosk's health; `None` if it is missing or of another kind.

    A kiosk may be newer or older than the hub. Numbers are bounded where a health is stored.
    """
    found: Any = health
    for name in path:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    is_number = isinstance(found, int) and not isinstance(found, bool)
    if kind is float and is_number:
        return float(found)  # type: ignore[return-value]
    is_right = is_number if kind is int else isinstance(found, kind)
    return found if is_right else None
