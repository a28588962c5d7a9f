"""What the pages share: settings, database, classifier thread and live listeners."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from boltons.cacheutils import LRU
from flask import current_app, request
from flask_limiter.util import get_remote_address

from db.engine import open_database
from db.errors import DatabaseError
from detector.sources.passwords import hide_passwords
from monitor.hub.intake.committer import Committer
from monitor.languages import lazy
from monitor.settings.paths import sqlite_file
from monitor.web.request.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Engine

    from db.hub.intake import Sender
    from monitor.hub.library.media_store import MediaStore
    from monitor.settings.models import HubSettings, WebSettings
    from monitor.web.kiosk_console import Console
    from monitor.web.pictures.worker import PictureWorker

logger = logging.getLogger(__name__)

EXTENSION = "ad-monitor"
"""Key of the services among the extensions of an application."""

PICTURES = 8
"""Pictures that are fetched, read or waiting at the same time."""

REPORTS, REPORTS_WAITING = 2, 4
"""Reports and comparisons made at the same time, and waiting for their turn."""

PARTS, EXAMINED = 4, 2
"""Parts of files for the library that are stored at the same time, and files that are looked into;
as many more may wait."""

INTAKE = 200
"""Envelopes of kiosks that are stored at the same time."""

MEDIA = 16
"""Pieces of media files that kiosks get at the same time; as many may wait for a moment."""

_OTHERS = lazy("Others have asked for as much as this server does at a time.")


class Places:
    """Places for slow work, so that it never takes all threads.

    Args:
        at_once: Places; each holds one request that is being worked on.
        waiting: Requests that may wait for a place; more are refused at once.
        each: Requests of one visitor, working or waiting.
        limit_s: Longest wait.
    """

    def __init__(
        self, at_once: int, waiting: int = 0, *, each: int = 4, limit_s: float = 10.0
    ) -> None:
        self._working = threading.Semaphore(at_once)
        self._all = at_once + waiting
        self._each = each
        self._limit_s = limit_s
        self._guard = threading.Lock()
        self._present: Counter[str] = Counter()

    @contextmanager
    def taken(self, visitor: str | None = None) -> Iterator[None]:
        """Take a place for a `with` block.

        Args:
            visitor: Who takes it, by default the network address of the current request.

        Raises:
            ProblemError: None became free, or this visitor holds too many.
        """
        visitor = visitor or get_remote_address()
        self._enter(visitor)
        try:
            if not self._working.acquire(timeout=self._limit_s):
                raise _busy(_OTHERS)
            try:
                yield
            finally:
                self._working.release()
        finally:
            with self._guard:
                self._present[visitor] -= 1
                self._present += Counter()  # Drops visitors that hold none.

    def _enter(self, visitor: str) -> None:
        with self._guard:
            if self._present[visitor] >= self._each:
                raise _busy(
                    lazy(
                        "Your address has %(each)s requests of this kind under way.",
                        each=self._each,
                    )
                )
            if self._present.total() >= self._all:
                raise _busy(_OTHERS)
            self._present[visitor] += 1


class KioskPlaces:
    """Places for envelopes: some for all kiosks, and one for each.

    Args:
        at_once: For all kiosks; each envelope takes a thread until it is stored.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._guard = threading.Lock()
        self._kiosks: set[str] = set()

    def check(self) -> None:
        """Refuse an envelope for which there is no place, before anything is done for it.

        Raises:
            ProblemError: All kiosks together have as many as there are.
        """
        if len(self._kiosks) >= self._at_once:
            raise self.full()

    @contextmanager
    def taken(self, kiosk: str) -> Iterator[None]:
        """Take the place of a kiosk for a `with` block.

        Raises:
            ProblemError: It is taken, or all kiosks together have as many as there are.
        """
        with self._guard:
            if kiosk in self._kiosks:
                raise ProblemError(
                    429,
                    "too_many_requests",
                    lazy(
                        "Another envelope of this kiosk is being stored: send one after the other."
                    ),
                    retry_after_s=2,
                )
            if len(self._kiosks) >= self._at_once:
                raise self.full()
            self._kiosks.add(kiosk)
        try:
            yield
        finally:
            with self._guard:
                self._kiosks.discard(kiosk)

    def full(self) -> ProblemError:
        """Return the refusal of an envelope for which there is no room."""
        return _busy(lazy("The hub stores as many envelopes as it can at a time."))


class Services:
    """What the pages of one application share.

    Attributes:
        settings: Of the application.
        worker: Reads pictures.
        stopping: Set when the server is to end.
        places: For live pages; `pictures` and `reports` are those for slow work.
        threads: How many answer requests, so that slow work never takes all.
    """

    def __init__(self, settings: WebSettings, worker: PictureWorker) -> None:
        self.settings = settings
        self.worker = worker
        self.stopping = threading.Event()
        self._guard = threading.Lock()
        self._engine: Engine | None = None
        self.places = threading.Semaphore(settings.listeners)
        self.pictures = Places(PICTURES)
        self.reports = Places(REPORTS, waiting=REPORTS_WAITING)
        # Pages that are ready at once have four, whatever else is going on.
        self.threads = settings.listeners + PICTURES + REPORTS + REPORTS_WAITING + 4

    def database(self) -> Engine:
        """Return the database, read-only; opened at the first call that finds it.

        Raises:
            ProblemError: There is none yet, or it cannot be read.
        """
        with self._guard:
            if self._engine is None:
                path = sqlite_file(self.settings.database)
                if path is not None and not path.exists():
                    raise ProblemError(
                        503,
                        "no_database",
                        lazy(
                            "There is no database %(name)s. `ad-monitor run` or `ad-monitor "
                            "replay` creates it; if yours is elsewhere, start the page with "
                            "`--db`.",
                            name=path.name,
                        ),
                    )
                try:
                    self._engine = open_database(self.settings.database, read_only=True)
                except DatabaseError as error:
                    logger.warning("The page has no database: %s", hide_passwords(str(error)))
                    raise ProblemError(503, "no_database", self.told(error)) from error
            return self._engine

    def told(self, error: Exception) -> str:
        """Return an error's text for visitors, without passwords and the database's folder."""
        text = hide_passwords(str(error))
        path = sqlite_file(self.settings.database)
        if path is not None:
            for place in (path.absolute(), path):
                text = text.replace(str(place), path.name)
        return text

    def close(self) -> None:
        """Stop the worker and close the database; harmless when repeated."""
        self.stopping.set()
        self.worker.close()
        with self._guard:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def take_place(self) -> None:
        """Reserve a live-stream slot; release it with `places.release`.

        Raises:
            ProblemError: All are taken.
        """
        if not self.places.acquire(blocking=False):
            raise ProblemError(
                503,
                "too_many_listeners",
                lazy(
                    "%(listeners)s live pages are open already, which is as many as this "
                    "server feeds. Close one, then try again.",
                    listeners=self.settings.listeners,
                ),
                retry_after_s=10,
            )


class HubServices(Services):
    """What the pages of a hub share.

    Attributes:
        engine: The hub's database; it may write.
        console: The kiosk whose console this is; `None` for a hub of many screens.
        metrics: For Prometheus.
        committer: Stores what kiosks send.
        intake: Places for that.
        parts: Places for parts of files for the library; `examining` are those for whole files.
        kept: What pages keep for a while, by their own names.
        senders: Who sent lately, by the digest of the key. A key may have been revoked since; the
            committer looks.
        media_places: For pieces of media files that kiosks get.
        media_of: The sizes of the files that a screen's document names, by screen and version.
    """

    settings: HubSettings

    def __init__(
        self,
        settings: WebSettings,
        worker: PictureWorker,
        engine: Engine,
        console: Console | None = None,
    ) -> None:
        from monitor.hub.monitoring.prometheus import HubMetrics  # noqa: PLC0415 (slow to import)

        super().__init__(settings, worker)
        self.engine = engine
        self.console = console
        self.metrics = HubMetrics(engine, settings.min_viewers)
        self.committer = Committer(engine, metrics=self.metrics.intake)
        self.metrics.watch(self.committer)
        self.intake = KioskPlaces(INTAKE)
        self.kept: dict[str, Any] = {}
        self.senders: LRU[str, Sender] = LRU(max_size=20_000)
        self.media_places = Places(MEDIA, waiting=MEDIA, each=2)
        self.media_of: LRU[tuple[int, int], Mapping[str, int]] = LRU(max_size=2_000)
        self.threads += INTAKE + 2 * MEDIA
        self.parts = Places(PARTS, waiting=PARTS, each=2 * PARTS)
        self.examining = Places(EXAMINED, waiting=EXAMINED, each=EXAMINED + 1, limit_s=60)
        self.threads += 2 * PARTS + 2 * EXAMINED

    def database(self) -> Engine:
        """Return the hub's database, which is open already."""
        return self.engine

    @cached_property
    def media(self) -> MediaStore:
        """Where the files of the library lie."""
        from monitor.hub.library.media_store import media_store  # noqa: PLC0415 (slow to import)

        return media_store(self.settings)

    def close(self) -> None:
        """Stop the worker and close the database; harmless when repeated."""
        super().close()
        self.committer.close()
        self.engine.dispose()


def _busy(why: str) -> ProblemError:
    return ProblemError(
        503, "busy", lazy("%(why)s Try again in a few seconds.", why=why), retry_after_s=5
    )


def services() -> Services:
    """Return the services of the application that answers the current request."""
    return cast("Services", current_app.extensions[EXTENSION])


def hub_services() -> HubServices:
    """Return the services of the hub that answers the current request."""
    return cast("HubServices", services())


def hub_address() -> str:
    """Return where people and kiosks reach the hub, without a slash at the end."""
    return hub_services().settings.url or request.url_root.rstrip("/")
