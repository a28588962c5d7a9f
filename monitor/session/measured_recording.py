"""A recording measured apart from its session: what the sensor said, kept until it is recorded.

Workers measure recordings in any order; their sessions are then recorded one after the other, as
one process would. Pictures never leave the worker.
"""

from __future__ import annotations

import gzip
import logging
import socket
import zlib
from dataclasses import dataclass, field
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from detector.emotion.model_card import sha256_of
from detector.emotion.model_store import find_model
from monitor.errors import SetupError
from monitor.sensor import messages
from monitor.sensor.client import SensorProcess

if TYPE_CHECKING:
    from monitor.sensor.process import SensorSettings

logger = logging.getLogger(__name__)

TRIES = 3
"""Sensors that may die over one recording."""


@dataclass(frozen=True, slots=True)
class RecordingTask:
    """What a worker, perhaps on another machine, needs to measure a recording.

    Attributes:
        settings: Of the sensor, with the absolute path of the recording.
        model: As the user named it, because another machine may keep it elsewhere.
        model_sha256: Of that model's file here.
        size_bytes: Of the recording here; None if it is not there, as the sensor will say.
        limit_ns: Moment of the recording, from its first frame, after which nothing is needed.
    """

    settings: SensorSettings
    model: str | None
    model_sha256: str
    size_bytes: int | None
    limit_ns: float


@dataclass(slots=True)
class MeasuredRecording:
    """The messages of a sensor, read as from a `SensorProcess`.

    Attributes:
        packed: As on the sensor's pipe, compressed with gzip.
        ending: How the sensor's process ended.
    """

    packed: bytes
    ending: str
    _stream: BufferedReader | None = field(default=None, init=False, repr=False)

    def read(self) -> messages.Message | None:
        """Return the next message; None at the end."""
        if self._stream is None:
            self._stream = BufferedReader(gzip.GzipFile(fileobj=BytesIO(self.packed)))
        return messages.read_message(self._stream)

    def close(self) -> str:
        """Return how the sensor's process ended."""
        return self.ending


def measure(task: RecordingTask) -> MeasuredRecording:
    """Measure a recording to its end; a sensor that dies is started again from the beginning.

    Raises:
        SetupError: This machine has not the same recording or model.
    """
    settings = task.settings.model_copy(update={"model": str(_same_model(task))})
    _require_recording(task)
    for attempt in range(TRIES):
        measured, whole = _measured(settings, task.limit_ns)
        if whole or attempt == TRIES - 1:
            break
        logger.warning("The sensor %s; measuring %s again", measured.ending, settings.source)
    return measured


def _measured(settings: SensorSettings, limit_ns: float) -> tuple[MeasuredRecording, bool]:
    """Return what one sensor said, and whether that is all that is needed."""
    compressor = zlib.compressobj(1, wbits=31)
    parts: list[bytes] = []
    whole = False
    sensor = SensorProcess(settings)
    try:
        while not whole and (message := sensor.read()) is not None:
            # Says when it was sent, and nothing about the recording.
            if isinstance(message, messages.HealthReport):
                continue
            text = BytesIO()
            messages.write_message(text, message)
            parts.append(compressor.compress(text.getvalue()))
            whole = isinstance(message, messages.Ended | messages.Failed) or (
                isinstance(message, messages.FrameRead) and message.frame.captured_ns >= limit_ns
            )
    except messages.ProtocolError as error:
        logger.debug("The sensor died within a message: %s", error)
    finally:
        ending = sensor.close()
    return MeasuredRecording(b"".join([*parts, compressor.flush()]), ending), whole


def _same_model(task: RecordingTask) -> Path:
    """Return the model of this machine, which must be the one of the task."""
    model = find_model(task.model)
    if sha256_of(model) != task.model_sha256:
        raise SetupError(
            f"{socket.gethostname()} has another emotion model ({model}) than this machine: "
            "promote or install the same model on all machines, or name one with --model."
        )
    return model


def _require_recording(task: RecordingTask) -> None:
    path = Path(task.settings.source)
    size = path.stat().st_size if path.is_file() else None
    if task.size_bytes is not None and size != task.size_bytes:
        found = "no such file" if size is None else f"a file of {size} bytes"
        raise SetupError(
            f"{socket.gethostname()} cannot read the recording {path}: expected a file of "
            f"{task.size_bytes} bytes, found {found}; put the recordings on storage that all "
            "machines see under the same path."
        )
