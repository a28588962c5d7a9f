"""The interface of every video source, and how a user names one.

A live source stamps each frame when it is captured, a recording with its presentation time, so no
result depends on the speed of the machine.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from detector.errors import SourceOpenError
from detector.sources.passwords import hide_passwords
from detector.texts import lazy

if TYPE_CHECKING:
    from detector.types import Frame

DEMO_VIDEO = Path(__file__).parent / "demo" / "viewer.mp4"


_SHOWN = (lazy("camera %(camera)s", camera=0), lazy("stream %(stream)s", stream=""), lazy("demo"))
"""What `str` of a `SourceSpec` returns besides a file's path, for the catalogue."""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Which source to open; `target` is a camera index or device, a file or a stream address."""

    kind: Literal["camera", "file", "stream", "demo"]
    target: str = ""

    @classmethod
    def parse(cls, text: str) -> SourceSpec:
        """Parse what a user typed, or raise `SourceOpenError` if it cannot name a source."""
        if text.isdecimal() or text.startswith(("/dev/video", "/dev/v4l/")):
            return cls("camera", text)
        if text == "demo":
            return cls("demo")
        scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", text)
        if scheme is None:
            return cls("file", text)
        if scheme[1].lower() in {"http", "https", "rtsp", "rtsps", "rtmp", "udp", "tcp"}:
            _check_host(text, scheme[1].lower())
            return cls("stream", text)
        raise SourceOpenError(
            lazy(
                "Unknown kind of source %(value)s: expected a camera index or device, a "
                "video file, an http or rtsp address, or 'demo'.",
                value=repr(text),
            )
        )

    @property
    def is_live(self) -> bool:
        """Whether its people are here now: neither a file nor the demo viewer."""
        return self.kind not in {"file", "demo"}

    @property
    def shown(self) -> str:
        """The target without passwords, and without the user name of an address."""
        return hide_passwords(self.target, keep_user=False)

    @property
    def stored(self) -> str:
        """The source as a session records it: without a file's folder or an address's user."""
        return Path(self.shown).name if self.kind == "file" else str(self)

    def __str__(self) -> str:
        return self.shown if self.kind == "file" else f"{self.kind} {self.shown}".strip()


def _check_host(address: str, scheme: str) -> None:
    """Refuse an address without a host, or with an invalid port."""
    authority = re.split(r"[/?#]", address.split("://", 1)[1], maxsplit=1)[0]
    found = re.fullmatch(r"(\[[^\[\]]+\]|[^:\[\]\s]*)(?::(\d*))?", authority.rpartition("@")[2])
    # A UDP address without a host listens on this machine.
    if (
        found is not None
        and (found[1] or scheme == "udp")
        and int(found[2] or 1) in range(1, 65536)
    ):
        return
    raise SourceOpenError(
        lazy(
            "Invalid address %(address)s: expected %(scheme)s://HOST/PATH or "
            "%(scheme)s://HOST:PORT/PATH, with a port from 1 to 65535; in a password "
            "write / as %%2F, ? as %%3F and # as %%23.",
            address=repr(hide_passwords(address, keep_user=False)),
            scheme=scheme,
        )
    )


class VideoSource(ABC):
    """A source of frames, open from construction until `close`, used by one thread.

    `live` frames arrive at their own pace, so a slow reader misses some. `frame_rate` is 30 if
    unknown; `frame_count` is a recording's, by its header, or 0.
    """

    live: bool
    frame_rate: float
    frame_count: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def read(self) -> Frame | None:
        """Return the next frame; `None` at the end of a recording and after `interrupt`.

        Raises `SourceLostError` if the source failed before its end.
        """

    def interrupt(self) -> None:  # noqa: B027 (most sources never wait for long)
        """Make a waiting `read` return soon; the only method that another thread may call."""

    @abstractmethod
    def close(self) -> None:
        """Release the source; harmless when repeated."""


def plausible_rate(frames_per_second: float) -> float:
    """Return a stated frame rate, or 30 if it cannot be right."""
    return frames_per_second if 1.0 <= frames_per_second <= 1000.0 else 30.0
