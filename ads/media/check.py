"""Probe media files in another process, which a file may crash, hang or fill without harm.

A malicious file could take the window down, as native libraries play media there. Each new file is
first decoded here for a moment, under limits of memory and computing time.
"""

from __future__ import annotations

import base64
import json
import logging
import math
import os
import resource
import select
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, replace
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from ads.errors import MediaError, UnreadMediaError
from ads.media.cache import read_cache, write_cache
from ads.media.clip_sound import sound_blocks
from ads.media.decode import frames, probe, probe_all
from ads.media.digests import TimeLimit
from ads.media.preview import Preview, make_preview
from ads.media.speed import DecodingSpeed, decoding_speed
from ads.media.types import MediaInfo
from detector.texts import lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

logger = logging.getLogger(__name__)

CPU_LIMIT_S = 20
"""For one file; the largest playable ones need a tenth."""

ANSWER_LIMIT_S = 60.0
"""Wall-clock time for one file, on a busy machine; also for starting the process."""

AT_ONCE = 2
"""Parallel processes: files come in batches at the start, when little else is busy."""

MIN_PROBING_S = 2.0
"""Time for probing even if the limit has passed: enough to start the process."""

CACHE_NAME = "media-checks.json"

_INFO = TypeAdapter(MediaInfo)
_SPEED = TypeAdapter(DecodingSpeed)


class _LeftForLaterError(Exception):
    """The time limit has passed."""


class _Patience:
    """The time limit that the probing threads share."""

    def __init__(
        self, limit: TimeLimit, note: Callable[[Path], object] = lambda _path: None
    ) -> None:
        self._limit = limit
        self._note = note
        self._noting = threading.Lock()
        self._began_s = time.monotonic()
        self._has_found = False

    def note(self, answers: Iterable[MediaInfo | MediaError | None]) -> None:
        """Note whether a playable file was found."""
        if not self._has_found:
            self._has_found = any(isinstance(answer, MediaInfo) for answer in answers)

    def note_probed(self, path: Path) -> None:
        """Report that a file was probed."""
        with self._noting:
            self._note(path)

    def raise_if_over(self) -> None:
        """Raise `_LeftForLaterError`, or `LoadingStoppedError` if loading is to stop."""
        self._limit.raise_if_stopped()
        # Hashing may have used up the time, but a few more files are quickly probed.
        if self._has_found and self._limit.is_over(self._began_s, MIN_PROBING_S):
            raise _LeftForLaterError


class _UnavailableError(Exception):
    """The checking process does not work on this machine."""


class _BrokenFileError(MediaError):
    """A file that crashed or exhausted the process."""


def check_apart(
    files: Sequence[tuple[Path, str]],
    limit: TimeLimit | None = None,
    note: Callable[[Path], object] = lambda _path: None,
) -> list[MediaInfo | MediaError]:
    """Probe media files in other processes, unless cached; a `MediaCheck` for `load_playlist`.

    `files` come with their SHA-256; if that is empty, nothing is cached. If no such process can be
    started, they are probed here, with a warning: a dark screen is no safer. Once the time limit
    has passed and a playable file was found, the remaining ones are `UnreadMediaError`s. `note` is
    called with each file that was probed, one call at a time, from other threads.
    """
    patience = _Patience(limit or TimeLimit(), note)
    cache = _Cache()
    # Each file once, however many ads show it.
    found = {file: cache.get(*file) for file in dict.fromkeys(files)}
    new = [file for file, known in found.items() if known is None]
    patience.note(found.values())
    if new:
        shares = [share for start in range(AT_ONCE) if (share := new[start::AT_ONCE])]
        with ThreadPoolExecutor(len(shares)) as pool:
            checked = pool.map(_check, shares, repeat(patience))
            for share, answers in zip(shares, checked, strict=True):
                for file, answer in zip(share, answers, strict=True):
                    found[file] = answer
                    cache.add(*file, answer)
        cache.save()
    answers_by_file = {file: answer for file, answer in found.items() if answer is not None}
    return [answers_by_file[file] for file in files]


def _check(share: list[tuple[Path, str]], patience: _Patience) -> list[MediaInfo | MediaError]:
    """Ask for each file, replacing the process after a file that broke it."""
    answers: list[MediaInfo | MediaError] = []
    with ExitStack() as stack:
        checker: _Checker | None = None
        for path, digest in share:
            try:
                patience.raise_if_over()
                checker = checker or stack.enter_context(closing(_Checker(patience)))
                answer = checker.ask(path)
            except _LeftForLaterError:
                answer = UnreadMediaError(
                    lazy("%(path)s has not been checked yet; it joins later.", path=path)
                )
            except _UnavailableError as error:
                logger.warning("Checking %s in this process instead: %s", path, error)
                answer = probe_all([(path, digest)])[0]
            patience.note([answer])
            patience.note_probed(path)
            if isinstance(answer, _BrokenFileError):
                stack.close()
                checker = None
            answers.append(answer)
    return answers


def measure_apart(paths: Iterable[Path], limit_s: float) -> dict[Path, DecodingSpeed | None]:
    """Measure in another process how fast clips are decoded, one by one within a time limit.

    Returns:
        The speed of each clip reached; None for one that is too short or cannot be measured.
    """
    limit = TimeLimit(limit_s)
    found: dict[Path, DecodingSpeed | None] = {}
    with ExitStack() as stack:
        checker: _Checker | None = None
        for path in paths:
            if limit.is_over():
                break
            try:
                checker = checker or stack.enter_context(closing(_Checker(_Patience(TimeLimit()))))
                found[path] = checker.measure(path)
            except _UnavailableError as error:
                logger.debug("The speed of decoding is not measured: %s", error)
                break
            except MediaError as error:
                logger.debug("The speed of decoding %s is not known: %s", path, error)
                found[path] = None
                stack.close()
                checker = None
    return found


def examine_apart(path: Path) -> tuple[MediaInfo, Preview | None]:
    """Probe a file that a stranger sent, always in another process, and make its preview there.

    Nothing is cached. Without a preview the file plays, but its stills cost too much.

    Raises:
        MediaError: The file cannot be played, or no such process can be started.
    """
    try:
        with closing(_Checker(_Patience(TimeLimit()))) as checker:
            info = checker.ask(path)
            if isinstance(info, MediaError):
                raise info
            preview = checker.preview(path)
        if preview is None:
            with closing(_Checker(_Patience(TimeLimit()))) as checker:
                preview = checker.preview(path, brief=True)
    except _UnavailableError as error:
        raise MediaError(
            lazy(
                "%(path)s cannot be checked now, because %(why)s; try again later.",
                path=path,
                why=error,
            )
        ) from error
    return info, preview


class _Checker:
    def __init__(self, patience: _Patience) -> None:
        self._patience = patience
        # The child imports the same packages even if they are not installed.
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ads.media.check", str(CPU_LIMIT_S)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
                bufsize=0,
            )
        except OSError as error:
            raise _UnavailableError(
                lazy("no further process can be started (%(why)s)", why=error)
            ) from error
        try:
            line = self._read_line(60.0)
        except BaseException:
            self.close()
            raise
        if line != b"ready":
            self.close()
            raise _UnavailableError(
                lazy("the process %(how)s before it began", how=self._ending(60.0))
            )

    def measure(self, path: Path) -> DecodingSpeed | None:
        """Return how fast a clip is decoded; after an error, the process must be replaced."""
        try:
            answer = json.loads(self._answer("measure", path) or b"")
            return None if answer is None else _SPEED.validate_python(answer)
        except ValueError as error:
            raise MediaError(
                lazy("%(path)s cannot be measured (%(why)s).", path=path, why=error)
            ) from error

    def _answer(self, task: str, path: Path, more_s: int = 0) -> bytes | None:
        assert self._process.stdin is not None  # noqa: S101 (made with a pipe)
        with suppress(OSError):  # The missing answer will tell.
            self._process.stdin.write(json.dumps([task, str(path)]).encode() + b"\n")
        return self._read_line(ANSWER_LIMIT_S + more_s)

    def ask(self, path: Path) -> MediaInfo | MediaError:
        """Return what a file holds; after a `_BrokenFileError`, the process must be replaced."""
        more_s = _reading_limit_s(path)
        line = self._answer("probe", path, more_s)
        if line is None:
            self.close()
            how = self._ending(ANSWER_LIMIT_S + more_s, CPU_LIMIT_S + more_s)
        else:
            try:
                answer = json.loads(line)
                if "refused" in answer:
                    return MediaError(answer["refused"])
                return _INFO.validate_python(answer)
            except (ValueError, KeyError, TypeError):
                how = lazy("answered with nonsense")
        return _BrokenFileError(
            lazy("%(path)s broke the decoder, which %(how)s; replace the file.", path=path, how=how)
        )

    def preview(self, path: Path, *, brief: bool = False) -> Preview | None:
        """Return the stills of a file; after None, the process must be replaced."""
        line = self._answer("brief" if brief else "preview", path, _reading_limit_s(path))
        try:
            answer = json.loads(line or b"")
            still, strip = answer["still"], answer["strip"]
            return Preview(
                base64.b64decode(still),
                None if strip is None else base64.b64decode(strip),
                bool(answer["is_hdr"]),
            )
        except (ValueError, KeyError, TypeError):
            return None

    def close(self) -> None:
        self._process.kill()
        # A process that waits for an unresponsive disk only ends once the disk answers.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _read_line(self, limit_s: float) -> bytes | None:
        """Return the next line; None if the process ends, or says nothing in time."""
        assert self._process.stdout is not None  # noqa: S101 (made with a pipe)
        number = self._process.stdout.fileno()
        deadline = time.monotonic() + limit_s
        line = b""
        while not line.endswith(b"\n"):
            left_s = max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([number], [], [], min(0.1, left_s))
            if not readable and left_s > 0:
                self._patience.raise_if_over()
                continue
            part = os.read(number, 1 << 16) if readable else b""
            if not part:
                if readable:
                    # It is about to end; its status is part of the reason.
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(1.0)
                return None
            line += part
        return line.strip()

    def _ending(self, limit_s: float, cpu_limit_s: int = 0) -> str:
        status = self._process.returncode
        if status is None or status == -9:
            return lazy("did not answer within %(seconds)s s", seconds=f"{limit_s:.0f}")
        if status == -24:
            return lazy("needed more than %(seconds)s s of computing time", seconds=cpu_limit_s)
        return (
            lazy("was ended by signal %(status)s", status=-status)
            if status < 0
            else lazy("ended with status %(status)s", status=status)
        )


class _Cache:
    """Earlier findings, by digest and ending."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = read_cache(CACHE_NAME, dict, _decoders())
        self._is_changed = False

    def get(self, path: Path, digest: str) -> MediaInfo | MediaError | None:
        entry = self._known.get(digest + path.suffix.lower()) if digest else None
        if isinstance(entry, dict) and "broke" in entry:
            return _BrokenFileError(f"{path} {entry['broke']}")
        try:
            return _INFO.validate_python(entry)
        except ValidationError:
            return None

    def add(self, path: Path, digest: str, found: MediaInfo | MediaError) -> None:
        """Remember a finding, but no refusals: these are quick, and may have passing causes."""
        if not digest:
            return
        if isinstance(found, MediaInfo):
            entry = asdict(found)
        elif isinstance(found, _BrokenFileError) and "did not answer" not in str(found):
            entry = {"broke": str(found).removeprefix(f"{path} ")}
        else:
            return
        # The ending decides how a file is read, so it is part of the key.
        self._known[digest + path.suffix.lower()] = entry
        self._is_changed = True

    def save(self) -> None:
        if self._is_changed:
            # Bounded: the newest 30,000 versions of creatives.
            write_cache(CACHE_NAME, dict(list(self._known.items())[-30_000:]), _decoders())


def _reading_limit_s(path: Path) -> int:
    """Return the extra time a file gets for its size: some are read whole to find their length.

    A desktop reads ten times as fast.
    """
    try:
        return path.stat().st_size // 25_000_000
    except OSError:
        return 0


def _decoders() -> list[str]:
    """Return the versions of the decoders; under others, every file counts as new."""
    import av  # noqa: PLC0415 (the versions only)
    import PIL  # noqa: PLC0415

    return ["3", av.__version__, str(av.ffmpeg_version_info), PIL.__version__]


# --- in the other process ---


def _decode_a_while(path: Path) -> MediaInfo:
    """Probe a file and decode it for a moment; the player handles damage further on."""
    info = probe(path)
    # Small, and never enlarged: for thousands of small pictures, that would take longest.
    size = min(320, info.width), min(180, info.height)
    with suppress(MediaError):
        _run_for(frames(path, info.kind, lambda: size), 0.5)
    if info.has_sound:
        try:
            _run_for(sound_blocks(path), 0.5 / 3)
        except MediaError as error:
            return replace(info, remarks=(*info.remarks, str(error)))
    return info


def _preview(path: Path, *, brief: bool) -> dict[str, Any]:
    made = make_preview(path, probe(path), brief=brief)
    strip = None if made.strip is None else base64.b64encode(made.strip).decode()
    still = base64.b64encode(made.still).decode()
    return {"still": still, "strip": strip, "is_hdr": made.is_hdr}


def _run_for(decoded: Iterator[Any], cpu_s: float) -> None:
    end_s = time.process_time() + cpu_s
    with closing(decoded):  # type: ignore[type-var]
        for _ in decoded:
            if time.process_time() > end_s:
                return


def main() -> int:
    """Read tasks as lines of JSON and answer each with a line.

    A task is `["probe", path]`, or "measure", "preview" or "brief" instead.

    Argument: CPU seconds for a file.
    """
    # Answers keep the real standard output; whatever a library prints goes nowhere.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        logging.disable()
        # Address space, of which libraries reserve far more than they touch.
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # It writes nothing but its answers, which go through a pipe.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        print("ready", file=out, flush=True)
        for line in sys.stdin:
            used = resource.getrusage(resource.RUSAGE_SELF)
            task, name = json.loads(line)
            path = Path(name)
            limit_s = int(sys.argv[1]) + _reading_limit_s(path)
            limit_s += math.ceil(used.ru_utime + used.ru_stime)
            resource.setrlimit(resource.RLIMIT_CPU, (limit_s, hard))
            answer: dict[str, Any] | None
            try:
                if task == "measure":
                    speed = decoding_speed(path)
                    answer = None if speed is None else asdict(speed)
                elif task in {"preview", "brief"}:
                    answer = _preview(path, brief=task == "brief")
                else:
                    answer = asdict(_decode_a_while(path))
            except MediaError as error:
                answer = {"refused": str(error)}
            print(json.dumps(answer), file=out, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
