"""What the sensor's process tells the kiosk, and how it crosses the pipe.

A message is a length-prefixed JSON document and the preview's bytes; nothing in it is executed.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from detector.emotion.labels import EMOTIONS
from detector.types import AnalysedFrame, FaceReading, ShadowCell, ShadowCounts
from monitor.sensor.live import SensorHealth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detector.emotion.labels import LabelSet
    from detector.errors import SourceFault

_HEADER = struct.Struct("<II")


class ProtocolError(Exception):
    """What came through the pipe is not a message, or only a part of one."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded and the source, which states rate and frames (0: unknown), is open.

    Readings have a probability for each of the `labels`.
    """

    source: str
    frame_rate: float
    frames: int
    live: bool
    runtime: str
    labels: LabelSet = EMOTIONS


@dataclass(frozen=True, slots=True, eq=False)
class FrameRead:
    """One analysed frame, with a small picture if one was asked for."""

    frame: AnalysedFrame
    preview: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """How the sensor is doing; also its heartbeat."""

    health: SensorHealth


@dataclass(frozen=True, slots=True)
class ShadowCounted:
    """What the shadow model and the model in use said of the same faces in the last seconds."""

    counts: ShadowCounts


@dataclass(frozen=True, slots=True)
class SourceLost:
    """The source stopped giving pictures that can be measured.

    That was noticed `at_ns`; `since_ns` says since when, if not since the last frame before.
    """

    at_ns: int
    detail: str
    cause: SourceFault = "camera_lost"
    since_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The recording is over, at the end of its last frame; `error` says why it ended early."""

    at_ns: int
    frames: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The sensor cannot work: the name of the error's class, and one sentence for a person."""

    kind: str
    message: str


Message = Ready | FrameRead | HealthReport | ShadowCounted | SourceLost | Ended | Failed

_PLAIN = {kind.__name__: kind for kind in (SourceLost, Ended, Failed)}


def write_message(stream: IO[bytes], message: Message) -> None:
    """Send a message, or raise `OSError` if the other side is gone."""
    preview = b""
    document: dict[str, Any] = {"type": type(message).__name__}
    if isinstance(message, FrameRead):
        frame = message.frame
        document |= {
            "sequence": frame.sequence,
            "captured_ns": frame.captured_ns,
            "size": (frame.width, frame.height),
            "readings": [reading.values() for reading in frame.readings],
        }
        if message.preview is not None:
            document["preview"] = message.preview.shape
            preview = message.preview.tobytes()
    elif isinstance(message, ShadowCounted):
        document |= asdict(message.counts)
    else:
        document |= asdict(message.health if isinstance(message, HealthReport) else message)
    text = json.dumps(document, separators=(",", ":")).encode()
    stream.write(_HEADER.pack(len(text), len(preview)) + text + preview)
    stream.flush()


def read_message(stream: IO[bytes], labels: LabelSet = EMOTIONS) -> Message | None:
    """Receive a message with readings of a label set; `None` if the pipe was closed.

    Raises `ProtocolError` if it broke within a message, or this cannot be understood.
    """
    header = stream.read(_HEADER.size)
    if not header:
        return None
    if len(header) < _HEADER.size:
        raise ProtocolError("The sensor's message is cut off in its header.")
    text_size, preview_size = _HEADER.unpack(header)
    if text_size > 16 << 20 or preview_size > 64 << 20:
        sizes = f"{text_size} and {preview_size} bytes"
        raise ProtocolError(f"The sensor's message claims {sizes}: expected fewer.")
    text, preview = stream.read(text_size), stream.read(preview_size)
    if len(text) < text_size or len(preview) < preview_size:
        raise ProtocolError("The sensor's message is cut off.")
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise TypeError(f"expected an object, received {type(document).__name__}")
        return _parsed(document, preview, labels)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProtocolError(f"The sensor's message cannot be read: {error}.") from error


def _parsed(document: dict[str, Any], preview: bytes, labels: LabelSet) -> Message:
    kind = document.pop("type")
    if kind == FrameRead.__name__:
        readings = tuple(map(FaceReading.from_values, document["readings"]))
        for reading in readings:
            if reading.probabilities is not None and len(reading.probabilities) != len(labels):
                raise ValueError(
                    f"expected {len(labels)} numbers, received {len(reading.probabilities)}"
                )
        picture = None
        if "preview" in document:
            picture = np.frombuffer(preview, dtype=np.uint8).reshape(document["preview"])
        sequence, captured_ns = document["sequence"], document["captured_ns"]
        width, height = document["size"]
        return FrameRead(AnalysedFrame(sequence, captured_ns, width, height, readings), picture)
    if kind == Ready.__name__:
        return Ready(**document | {"labels": tuple(document["labels"])})
    if kind == HealthReport.__name__:
        return HealthReport(SensorHealth(**document))
    if kind == ShadowCounted.__name__:
        cells = tuple(ShadowCell(*cell) for cell in document.pop("cells"))
        return ShadowCounted(ShadowCounts(**document, cells=cells))
    return _PLAIN[kind](**document)
