"""What the pages share: settings, database, classifier thread and live listeners."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, cast

from flask import current_app

from db.engine import open_database
from db.errors import DatabaseError
from detector.sources.passwords import hide_passwords
from monitor.settings.paths import sqlite_file
from monitor.web.problems import ProblemError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from monitor.settings.models import WebSettings
    from monitor.web.worker import PictureWorker

logger = logging.getLogger(__name__)

EXTENSION = "ad-monitor"
"""Key of the services among the extensions of an application."""


class Services:
    """What the pages of one application share; `stopping` is set when the server is to end."""

    def __init__(self, settings: WebSettings, worker: PictureWorker) -> None:
        self.settings = settings
        self.worker = worker
        self.stopping = threading.Event()
        self._guard = threading.Lock()
        self._engine: Engine | None = None
        self.places = threading.Semaphore(settings.listeners)

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
                        f"There is no database {path.name}. `ad-monitor run` or `ad-monitor "
                        "replay` creates it; if yours is elsewhere, start the page with `--db`.",
                    )
                try:
                    self._engine = open_database(self.settings.database, read_only=True)
                except DatabaseError as error:
                    # The place of a file on this machine is for its log, not for visitors.
                    text = hide_passwords(str(error))
                    logger.warning("The page has no database: %s", text)
                    if path is not None:
                        for place in (path.absolute(), path):
                            text = text.replace(str(place), path.name)
                    raise ProblemError(503, "no_database", text) from error
            return self._engine

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
                f"{self.settings.listeners} live pages are open already, which is as many as this "
                "server feeds. Close one, then try again.",
                retry_after_s=10,
            )


def services() -> Services:
    """Return the services of the application that answers the current request."""
    return cast("Services", current_app.extensions[EXTENSION])
