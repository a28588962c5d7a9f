"""The SHA-256 of media files, computed by threads that can be abandoned.

A file may be huge, or lie on a disk or a network share that does not answer. Only these threads
touch it, so callers get an answer in time: the digest, why the file cannot be shown, or that it is
not known yet.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import logging
import math
import os
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ads.errors import LoadingStoppedError, MediaError, UnreadMediaError
from ads.media.cache import read_cache, write_cache
from ads.media.types import MAX_MEDIA_BYTES, open_unblocked, require_media_file
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

STALLED_AFTER_S = 10.0
"""A file that yields no data for this long is left out; a sleeping disk takes almost as long."""

MAX_THREADS = 4
MAX_HANGING = 8
"""Files that may hang at the same time; beyond that, those that wait are left out too."""

CACHE_NAME = "media-digests.json"

REMEMBERED_BYTES = 1 << 20
"""Smaller files are only remembered if there are thousands: reading one again is as quick."""


@dataclass(slots=True)
class TimeLimit:
    """How long loading may take; None for no limit.

    Past the limit, loading continues until there is something to show: a slow machine starts late
    rather than not at all. `should_continue` stops loading at once.
    """

    seconds: float | None = None
    should_continue: Callable[[], bool] = lambda: True
    _began_s: float = field(default_factory=time.monotonic)

    def raise_if_stopped(self) -> None:
        """Raise a `LoadingStoppedError` if loading is to stop."""
        if not self.should_continue():
            raise LoadingStoppedError(lazy("The playlist was not loaded: the program is stopping."))

    def is_over(self, since_s: float = -math.inf, least_s: float = 0.0) -> bool:
        """Return whether the limit has passed, and `least_s` since a time as well."""
        now_s = time.monotonic()
        is_late = self.seconds is not None and now_s - self._began_s > self.seconds
        return is_late and now_s - since_s > least_s


class _Folder:
    """The folder that files must lie in; its links are resolved once, by a reading thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def root(self) -> str:
        return os.path.realpath(self._path)


@dataclass(slots=True, eq=False)
class _Job:
    path: Path
    folder: _Folder
    max_bytes: int
    size: int = 0
    done: int = 0
    moved_s: float | None = None  # when a thread last made progress
    is_hanging: bool = False
    answer: str | MediaError | None = None


class DigestReader:
    """Hash files in threads, smaller ones first; unfinished work continues for later calls.

    Digests of unchanged files are remembered, even across restarts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[Path, _Job] = {}
        self._queue: list[tuple[int, int, _Job]] = []
        self._numbers = itertools.count()
        self._threads = 0
        self._hanging = 0
        self._cache = _Cache()

    def read(
        self, folder: Path, files: Sequence[Path], limit: TimeLimit, max_bytes: int | None = None
    ) -> list[str | MediaError]:
        """Return the digest of each file below a folder, or why it cannot be shown.

        Args:
            max_bytes: Larger files are not hashed; their digest is empty unless it is known.
        """
        self._cache.load()
        with self._lock:
            place = _Folder(folder)
            jobs = [self._job(path, place, max_bytes or MAX_MEDIA_BYTES) for path in files]
        left = jobs
        while left := [job for job in left if job.answer is None]:
            limit.raise_if_stopped()
            now_s = time.monotonic()
            is_over = limit.is_over() and any(isinstance(job.answer, str) for job in jobs)
            for job in left:
                if is_over or self._is_stalled(job, now_s):
                    self._give_up(job)
            time.sleep(0.002 if len(left) < 10 else 0.02)
        with self._lock:
            for job in jobs:
                if self._jobs.get(job.path) is job and not isinstance(job.answer, UnreadMediaError):
                    del self._jobs[job.path]
        self._cache.save(everything=len(jobs) > 1000)
        return [job.answer or "" for job in jobs]

    def _job(self, path: Path, folder: _Folder, max_bytes: int) -> _Job:
        known = self._jobs.get(path)
        if known is not None:
            # One thread that hangs in a file is enough.
            if isinstance(known.answer, UnreadMediaError) and not known.is_hanging:
                known.answer = None
            known.max_bytes = max(known.max_bytes, max_bytes)
            return known
        job = self._jobs[path] = _Job(path, folder, max_bytes)
        self._enqueue(job, 0)
        return job

    def _enqueue(self, job: _Job, size: int) -> None:
        heapq.heappush(self._queue, (size, next(self._numbers), job))
        # No thread is idle: each ends when nothing is left to do.
        if self._threads - self._hanging < MAX_THREADS and self._hanging < MAX_HANGING:
            self._threads += 1
            threading.Thread(target=self._work, name="media-digest", daemon=True).start()

    def _is_stalled(self, job: _Job, now_s: float) -> bool:
        if job.moved_s is None:
            return self._hanging >= MAX_HANGING and self._threads == self._hanging
        return now_s - job.moved_s > STALLED_AFTER_S

    def _give_up(self, job: _Job) -> None:
        """Answer for an unfinished file; its thread continues, and is replaced if it hangs."""
        with self._lock:
            if job.answer is not None:
                return
            is_stalled = self._is_stalled(job, time.monotonic())
            if job.moved_s is None:
                state = lazy("it waits for the other files")
            elif not is_stalled and job.size:
                state = lazy(
                    "%(done)s of %(size)s GB were read so far",
                    done=f"{job.done / 1000000000.0:.1f}",
                    size=f"{job.size / 1000000000.0:.1f}",
                )
            else:
                state = lazy("it has given nothing so far; check the disk or the network share")
            job.answer = UnreadMediaError(
                lazy("%(path)s is not read yet: %(why)s.", path=job.path, why=state)
            )
            if is_stalled and job.moved_s is not None:
                # Another thread takes its place.
                job.is_hanging = True
                self._hanging += 1
                if self._queue:
                    _, _, waiting = heapq.heappop(self._queue)
                    self._enqueue(waiting, waiting.size)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._threads -= 1
                    return
                _, _, job = heapq.heappop(self._queue)
                job.moved_s = time.monotonic()
            try:
                answer: str | MediaError | None = self._answer(job)
            except MediaError as error:
                answer = error
            except Exception as error:
                logger.exception("Reading %s broke down", job.path)
                answer = MediaError(
                    lazy(
                        "%(path)s cannot be read (%(why)s); see the log for where.",
                        path=job.path,
                        why=error,
                    )
                )
            with self._lock:
                if job.is_hanging:
                    # The file has answered, too late for the caller.
                    self._hanging -= 1
                    self._jobs.pop(job.path, None)
                elif answer is not None:
                    job.answer = answer
                else:
                    job.moved_s = None
                    self._enqueue(job, job.size)

    def _answer(self, job: _Job) -> str | None:
        """Return the digest of a file, or None to be called again once smaller ones are done.

        Raises:
            MediaError: It cannot be shown.
        """
        if not job.size:
            job.size = _checked_size(job.path, job.folder)
            job.moved_s = time.monotonic()
            known = self._cache.get(job.path)
            if known is not None:
                return known
            if job.size > job.max_bytes:
                return ""
            if job.size > REMEMBERED_BYTES:
                return None
        return self._hash(job)

    def _hash(self, job: _Job) -> str:
        path = job.path
        try:
            with open_unblocked(path, buffering=0) as file:
                state = _state(os.fstat(file.fileno()))
                digest = hashlib.sha256()
                while job.done < MAX_MEDIA_BYTES and (
                    part := file.read(min(MAX_MEDIA_BYTES - job.done, 1 << 20))
                ):
                    digest.update(part)
                    job.done += len(part)
                    job.moved_s = time.monotonic()
        except OSError as error:
            raise MediaError(
                lazy(
                    "%(path)s cannot be read (%(why)s); check the file and its permissions.",
                    path=path,
                    why=error.strerror,
                )
            ) from error
        self._cache.add(path, state, digest.hexdigest())
        return digest.hexdigest()


def _checked_size(path: Path, folder: _Folder) -> int:
    """Return the size of a media file below a folder; `MediaError` if it cannot be shown."""
    require_media_file(path)
    try:
        target, root = os.path.realpath(path, strict=True), folder.root
        # Write access to the folder must not be enough to show every file of the machine.
        if os.path.commonpath([root, target]) != root:
            raise MediaError(
                lazy(
                    "%(path)s is a link to %(target)s, outside the playlist's folder; copy "
                    "the file there instead.",
                    path=path,
                    target=target,
                )
            )
        return path.stat().st_size
    except (OSError, RuntimeError, ValueError) as error:
        raise MediaError(
            lazy(
                "%(path)s cannot be followed to its file (%(why)s); copy the file there.",
                path=path,
                why=error,
            )
        ) from error


def _state(found: os.stat_result) -> list[int]:
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino]


class _Cache:
    """Digests by path and state of the file."""

    def __init__(self) -> None:
        self._known: dict[str, list[Any]] | None = None
        self._is_changed = False

    def load(self) -> None:
        if self._known is None:
            self._known = read_cache(CACHE_NAME, _parsed)

    def get(self, path: Path) -> str | None:
        entry = (self._known or {}).get(str(path))
        try:
            if entry is not None and entry[1:] == _state(path.stat()):
                return str(entry[0])
        except (OSError, TypeError, IndexError):
            logger.debug("The digest of %s is not known", path, exc_info=True)
        return None

    def add(self, path: Path, state: list[int], digest: str) -> None:
        # A file that was just written may be written again within the same tick of its clock.
        if self._known is not None and state[2] < time.time_ns() - 2_000_000_000:
            self._known[str(path)] = [digest, *state]
            self._is_changed = True

    def save(self, *, everything: bool) -> None:
        known = self._known
        if not known or not self._is_changed:
            return
        # Bounded: the newest 30,000 files.
        kept = {
            path: entry
            for path, entry in list(known.items())[-30_000:]
            if everything or entry[1] >= REMEMBERED_BYTES
        }
        self._is_changed = False
        if kept:
            write_cache(CACHE_NAME, kept)


def _parsed(files: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {path: entry for path, entry in files.items() if len(entry) == 6}


READER = DigestReader()
"""Shared by the process: work that one load of a playlist began is done for the next."""
