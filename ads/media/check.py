"""Looks into media files in a process of its own, which a file may crash, hang or fill without harm to the show.

What plays media is the window's process, and the libraries that decode them are native code: a file
that is made to break them would take the window down, and again at each restart. So a file that was
never seen before is first decoded here, for some seconds of the clip, under limits of memory and
computing time. One that breaks this process is left out with its reason. What was found is kept by
the file's SHA-256, so each file is looked into once.
"""

from __future__ import annotations

import json
import logging
import math
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from pydantic import TypeAdapter, ValidationError

from ads.errors import MediaError
from ads.media.decode import frames, probe, probe_all
from ads.media.sound import sound_blocks
from ads.media.types import MediaInfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ads.media.types import MediaFrame

logger = logging.getLogger(__name__)

MEMORY_LIMIT_BYTES = 6 << 30
"""Address space, not memory in use: libraries reserve far more than they touch."""

CPU_LIMIT_S = 20
"""Computing time for one file; the largest that are played take a tenth."""

ANSWER_LIMIT_S = 60.0
"""Time on the clock for one file, on a machine that is busy with other things."""

START_LIMIT_S = 60.0
"""Time for the process to load its libraries, from a slow disk."""

TRIED_S = 0.5
"""Computing time for which pictures are decoded, some seconds of a clip; sound, another third of it."""

TRIED_SIZE = (320, 180)

AT_ONCE = 2
"""Processes beside each other: files come in batches when the program starts, and nothing else is busy then."""

MOST_KEPT = 5000
"""Files that are remembered; a creative's every version is one."""

CACHE_NAME = "media-checks.json"

_INFO = TypeAdapter(MediaInfo)
_BROKE = "broke the decoder"


class CheckerUnavailableError(Exception):
    """The process that looks into files does not work on this machine; the text says why."""


def check_apart(files: Sequence[tuple[Path, str]]) -> list[MediaInfo | MediaError]:
    """Looks into media files in other processes, unless they are known; a `MediaCheck` for `load_playlist`.

    Where no such process can be started, the files are looked into here, with a warning: a dark
    screen is no safer.

    Args:
        files: Each with its SHA-256, 64 hexadecimal digits.

    Returns:
        What each file holds, or why it cannot be played, in the order of the files.
    """
    cache = _Cache(platformdirs.user_cache_path("ad-monitor") / CACHE_NAME)
    found = [cache.known(path, digest) for path, digest in files]
    new = [(place, *files[place]) for place, known in enumerate(found) if known is None]
    if new:
        shares = [share for start in range(AT_ONCE) if (share := new[start::AT_ONCE])]
        with ThreadPoolExecutor(len(shares)) as pool:
            for share, answers in zip(shares, pool.map(_look_into, shares), strict=True):
                for (place, path, digest), answer in zip(share, answers, strict=True):
                    found[place] = answer
                    cache.keep(path, digest, answer)
        cache.save()
    return [answer for answer in found if answer is not None]


def _look_into(share: list[tuple[int, Path, str]]) -> list[MediaInfo | MediaError]:
    """The answers for some files, from as many processes as it takes: one that breaks is replaced for the next file."""
    answers: list[MediaInfo | MediaError] = []
    checker: _Checker | None = None
    try:
        for _, path, digest in share:
            try:
                if checker is None:
                    checker = _Checker()
                answer = checker.ask(path)
            except CheckerUnavailableError as error:
                logger.warning("%s is looked into by the program itself: %s", path, error)
                answers += probe_all([(path, digest)])
                checker = None
                continue
            if isinstance(answer, _BrokenFileError):
                checker.close()
                checker = None
            answers.append(answer)
    finally:
        if checker is not None:
            checker.close()
    return answers


class _BrokenFileError(MediaError):
    """A file that crashed or exhausted the process; its like is remembered."""


class _Checker:
    """A process that looks into one file after the other.

    Raises:
        CheckerUnavailableError: It cannot be started.
    """

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parents[2])
        # The child imports the same packages, also when they are not installed but lie in the
        # working folder.
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        environment = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ads.media.check", str(CPU_LIMIT_S)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                bufsize=0,
            )
        except OSError as error:
            raise CheckerUnavailableError(f"no further process can be started ({error})") from error
        if self._line(START_LIMIT_S) != b"ready":
            self.close()
            raise CheckerUnavailableError(
                f"the process {self._ending(START_LIMIT_S)} before it began"
            )

    def ask(self, path: Path) -> MediaInfo | MediaError:
        """What a file holds; a `_BrokenFileError` if the process cannot be used any more."""
        assert self._process.stdin is not None  # noqa: S101 (made with a pipe)
        with suppress(OSError):  # gone already: the missing answer tells
            self._process.stdin.write(json.dumps(str(path)).encode() + b"\n")
        line = self._line(ANSWER_LIMIT_S)
        if line is None:
            self.close()
            return _BrokenFileError(
                f"{path} {_BROKE}, which {self._ending(ANSWER_LIMIT_S)}; replace the file."
            )
        try:
            answer = json.loads(line)
            return (
                MediaError(answer["refused"])
                if "refused" in answer
                else _INFO.validate_python(answer)
            )
        except (ValueError, KeyError, TypeError):
            return _BrokenFileError(
                f"{path} {_BROKE}, which answered with nonsense; replace the file."
            )

    def close(self) -> None:
        """End the process; harmless when repeated."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _line(self, limit_s: float) -> bytes | None:
        """The next line; None if the process ends, or says nothing in time."""
        assert self._process.stdout is not None  # noqa: S101 (made with a pipe)
        number = self._process.stdout.fileno()
        deadline = time.monotonic() + limit_s
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([number], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(number, 1 << 16) if readable else b""
            if not part:
                if readable:
                    # Its end is at hand; how it ended is part of the reason.
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(1.0)
                return None
            line += part
        return line.strip()

    def _ending(self, limit_s: float) -> str:
        status = self._process.returncode
        if status is None or status == -9:
            return f"did not answer within {limit_s:.0f} s"
        if status == -24:
            return f"needed more than {CPU_LIMIT_S} s of computing time"
        return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"


class _Cache:
    """What was found before, in a file of the user's cache; one that cannot be read or written costs time and no more."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, dict[str, Any]] = {}
        self._changed = False
        try:
            document = json.loads(file.read_bytes())
            if document["by"] == _decoders():
                self._known = dict(document["files"])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.info("What is known of media files cannot be read from %s: %s", file, error)

    def known(self, path: Path, digest: str) -> MediaInfo | MediaError | None:
        """What is known of a file."""
        entry = self._known.get(_key(path, digest))
        if isinstance(entry, dict) and "broke" in entry:
            return _BrokenFileError(f"{path} {entry['broke']}")
        try:
            return _INFO.validate_python(entry)
        except ValidationError:
            return None

    def keep(self, path: Path, digest: str, found: MediaInfo | MediaError) -> None:
        """Remember what was found; a mere refusal is quickly found again, and may have passing causes."""
        if isinstance(found, MediaInfo):
            entry = asdict(found)
        elif isinstance(found, _BrokenFileError) and "did not answer" not in str(found):
            entry = {"broke": str(found).removeprefix(f"{path} ")}
        else:
            return
        self._known[_key(path, digest)] = entry
        self._changed = True

    def save(self) -> None:
        """Write what is known, if there is something new."""
        if not self._changed:
            return
        kept = dict(list(self._known.items())[-MOST_KEPT:])
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=self._file.parent, delete=False, encoding="utf-8"
            ) as file:
                json.dump({"by": _decoders(), "files": kept}, file)
            Path(file.name).replace(self._file)
        except OSError as error:
            logger.info("What was found in media files cannot be kept in %s: %s", self._file, error)


def _key(path: Path, digest: str) -> str:
    # One content may be read in two ways, by the ending of its name.
    return f"{digest}{path.suffix.lower()}"


def _decoders() -> list[str]:
    """What decodes; with another version every file is new."""
    import av  # noqa: PLC0415 (the versions only)
    import PIL  # noqa: PLC0415

    return ["1", av.__version__, str(av.ffmpeg_version_info), PIL.__version__]


# --- in the other process -------------------------------------------------------------------------


def _limit_this_process() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # It has nothing to write but its answers, which go through a pipe.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _allow_computing(limit_s: int) -> None:
    """A further stretch of computing time, for the next file."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(
        resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime) + limit_s, hard)
    )


def _tried(path: Path) -> MediaInfo:
    """What a file holds, once it was decoded for a while; damage after the first picture is the player's to handle."""
    info = probe(path)
    with suppress(MediaError):
        _run_for(frames(path, info.kind, lambda: TRIED_SIZE), TRIED_S)
    if info.has_sound:
        with suppress(MediaError):
            _run_for(sound_blocks(path), TRIED_S / 3)
    return info


def _run_for(decoded: Iterator[MediaFrame] | Iterator[tuple[float, Any]], limit_s: float) -> None:
    end_s = time.process_time() + limit_s
    with closing(decoded):  # type: ignore[type-var]
        for _ in decoded:
            if time.process_time() > end_s:
                return


def main() -> int:
    """Look into the files that are named on standard input, one JSON text a line; answer in the same way.

    The one argument is the computing time for a file, in seconds.
    """
    # Answers keep the real standard output; whatever a library prints goes nowhere.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        logging.disable()
        _limit_this_process()
        out.write("ready\n")
        out.flush()
        for line in sys.stdin:
            _allow_computing(int(sys.argv[1]))
            try:
                answer = asdict(_tried(Path(json.loads(line))))
            except MediaError as error:
                answer = {"refused": str(error)}
            out.write(json.dumps(answer) + "\n")
            out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
