"""A child process that reads visitors' pictures, and is killed if one costs too much.

The decoders and the face detector are native libraries. A picture that crashes them, fills the
memory or never finishes takes down this process, not the web page. Pictures come through standard
input, answers go to standard output, and nothing is written to a file.
"""

from __future__ import annotations

import json
import logging
import math
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
from dataclasses import astuple
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from detector.errors import DetectorError, PictureDecodeError
from detector.image_analysis import PictureFace
from monitor.languages import lazy
from monitor.sensor.child_process import child_environment, disable_core_dumps
from monitor.web.pictures.reader import PictureReader, SeenPicture, load_picture_classifier

if TYPE_CHECKING:
    from detector.settings import Device

logger = logging.getLogger(__name__)

CPU_LIMIT_S = 20
"""For one picture; the largest that is allowed needs three on a desktop computer."""

MEMORY_LIMIT = 3 << 30
"""Address space beyond what the loaded models take; 50 million pixels need a fifth of it."""

_HEADER = struct.Struct(">QQQ")
"""Of an answer: the sizes of its JSON, of the copy and of the crops."""


class PictureProcess:
    """Reads pictures in another process, which is started at once and replaced when it dies.

    Args:
        model: Name or path; `None` for the default.
        device: Which runtime classifies.
        limit_s: For one picture, on the wall clock: a busy machine takes longer.

    Raises:
        DetectorError: The model cannot be loaded.
    """

    def __init__(self, model: str | None, device: Device, *, limit_s: float = 40.0) -> None:
        self._settings = json.dumps({"model": model, "device": device}).encode() + b"\n"
        self._limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ending = False
        self._start()

    def read(self, content: bytes) -> SeenPicture:
        """Decode a picture and classify its faces.

        Raises:
            PictureDecodeError: It is no picture, damaged, larger than allowed, or took too much
                time or memory (`too_costly`).
        """
        if self._process is None:
            self._start()
        answer = self._exchange(struct.pack(">Q", len(content)), content)
        if answer is None:
            raise PictureDecodeError(
                lazy(
                    "The picture takes too much time or memory to read: use a smaller or "
                    "simpler one."
                ),
                "too_costly",
            )
        head, copy, crops = answer
        if "refused" in head:
            raise PictureDecodeError(*head["refused"])
        if "failed" in head:
            raise RuntimeError(head["failed"])
        width, height = head["size"]
        return SeenPicture(
            width,
            height,
            copy,
            tuple(PictureFace(tuple(box), *more) for box, *more in head["faces"]),
            np.frombuffer(crops, np.uint8).reshape(head["crops"]),
        )

    def interrupt(self) -> None:
        """Kill the process in the middle of a picture; any thread may call this."""
        process, self._is_ending = self._process, True
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process; harmless when repeated."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                cast("IO[bytes]", pipe).close()
            self._process = None

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "monitor.web.pictures.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
        )
        answer = self._exchange(self._settings)
        if answer is None:
            raise DetectorError("The process that reads pictures ended before it began.")
        if "failed" in answer[0]:
            self.close()
            raise DetectorError(answer[0]["failed"])

    def _exchange(self, *parts: bytes) -> tuple[dict[str, Any], bytes, bytes] | None:
        """Send, and return the answer; `None` if the process died or was killed meanwhile."""
        process = cast("subprocess.Popen[bytes]", self._process)
        timer = threading.Timer(self._limit_s, process.kill)
        timer.daemon = True
        timer.start()
        try:
            for part in parts:
                cast("IO[bytes]", process.stdin).write(part)
            cast("IO[bytes]", process.stdin).flush()
            answer = _read_answer(cast("IO[bytes]", process.stdout))
        except OSError:
            answer = None
        finally:
            timer.cancel()
        if answer is None:
            if not self._is_ending:
                logger.warning(
                    "The process that reads pictures was lost; the next picture restarts it"
                )
            self.close()
        return answer


def _read_answer(stream: IO[bytes]) -> tuple[dict[str, Any], bytes, bytes] | None:
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    sizes = _HEADER.unpack(header)
    head, copy, crops = parts = [stream.read(size) for size in sizes]
    if tuple(map(len, parts)) != sizes:
        return None
    return json.loads(head), copy, crops


# --- in the other process ---


def _write_answer(
    stream: IO[bytes], head: dict[str, Any], copy: bytes = b"", crops: bytes = b""
) -> None:
    text = json.dumps(head).encode()
    stream.write(_HEADER.pack(len(text), len(copy), len(crops)))
    for part in (text, copy, crops):
        stream.write(part)
    stream.flush()


def _answer(reader: PictureReader, content: bytes, stream: IO[bytes]) -> None:
    try:
        seen = reader.read(content)
    except PictureDecodeError as error:
        _write_answer(stream, {"refused": [str(error), error.code]})
    except Exception as error:  # noqa: BLE001 (the other side logs it)
        _write_answer(stream, {"failed": f"{type(error).__name__}: {error}"})
    else:
        head = {
            "size": [seen.width, seen.height],
            "faces": [astuple(face) for face in seen.faces],
            "crops": seen.crops.shape,
        }
        _write_answer(stream, head, seen.copy, seen.crops.tobytes())


def _limit_memory() -> None:
    """Bound the address space, of which the models have reserved far more than they touch."""
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return
    limit = used + MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> int:
    """Load the model, then read pictures until standard input ends."""
    from detector.emotion.pacing import limit_threads  # noqa: PLC0415 (slow to import)

    # Ctrl+C is for the page, which closes the input. The kiosk goes first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    disable_core_dumps()
    limit_threads()
    # Answers keep the real standard output; whatever a library prints goes nowhere.
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        source = sys.stdin.buffer
        settings = json.loads(source.readline())
        try:
            reader = PictureReader(load_picture_classifier(settings["model"], settings["device"]))
        except Exception as error:  # noqa: BLE001 (every visitor is told)
            _write_answer(out, {"failed": str(error)})
            return 1
        # It writes nothing but its answers, which go through a pipe.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        _limit_memory()
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        _write_answer(out, {"ready": True})
        while len(size := source.read(8)) == 8:
            content = source.read(struct.unpack(">Q", size)[0])
            used = resource.getrusage(resource.RUSAGE_SELF)
            limit_s = math.ceil(used.ru_utime + used.ru_stime) + CPU_LIMIT_S
            resource.setrlimit(resource.RLIMIT_CPU, (limit_s, hard))
            _answer(reader, content, out)
            del content
    return 0


if __name__ == "__main__":
    sys.exit(main())
