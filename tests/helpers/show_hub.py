"""A hub for tests of how a kiosk follows it: documents, media, reports and commands over HTTP."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from PIL import Image

from db.hub.digests import key_digest
from monitor.uplink.documents import (
    PIECE_BYTES,
    CommandResult,
    DesiredDocument,
    DesiredReport,
    SignedDocument,
    sign,
)
from monitor.uplink.key_file import HubKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Trouble = Callable[["Request", bytes, int, int], bool]

KEY = "k" * 43
SCREEN = "b" * 32


def a_key(hub: str, **changes: Any) -> HubKey:
    """What a kiosk knows that has joined the hub."""
    values = {"hub": hub, "kiosk": "a" * 32, "key": KEY, "screen": SCREEN, "name": "Entrance"}
    return HubKey.model_validate(values | {"site": "Foyer", "entered": True} | changes)


def png(colour: tuple[int, int, int]) -> bytes:
    """A small picture."""
    packed = io.BytesIO()
    Image.new("RGB", (64, 36), colour).save(packed, "PNG")
    return packed.getvalue()


class Request(BaseHTTPRequestHandler):
    """A request of a kiosk."""

    hub: ShowHub

    def do_GET(self) -> None:
        path = self.path.removeprefix("/hub/v1/")
        self.hub.asked.append((path, dict(self.headers)))
        if self.headers.get("Authorization") != f"Bearer {self.hub.key}":
            self.answer(401, b'{"detail": "The key was revoked."}')
        elif path == "desired":
            self._desired()
        else:
            self._media(path.removeprefix("media/"))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.removeprefix("/hub/v1/")
        self.hub.asked.append((path, dict(self.headers)))
        if path == "envelopes":
            self.answer(503, b'{"detail": "Sums are not taken here."}')
            return
        if self.hub.refused_posts:
            self.answer(self.hub.refused_posts.pop(0), b'{"detail": "Not now."}')
            return
        if path == "desired/report":
            self.hub.reports.append(DesiredReport.model_validate_json(body))
        else:
            uid = path.removeprefix("commands/")
            self.hub.results.append((uid, CommandResult.model_validate_json(body)))
        self.answer(204)

    def _desired(self) -> None:
        if self.hub.signed is None:
            self.answer(404, b'{"detail": "There is no such page."}')
            return
        content = self.hub.signed.model_dump_json().encode()
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        if self.headers.get("If-None-Match") == etag:
            self.answer(304)
        else:
            self.answer(200, content, ETag=etag)

    def _media(self, sha256: str) -> None:
        content = self.hub.media.get(sha256)
        if content is None:
            self.answer(404, b'{"detail": "There is no such file."}')
            return
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        begin, end = int(first), min(int(last), int(first) + PIECE_BYTES - 1, len(content) - 1)
        if self.hub.trouble is not None and self.hub.trouble(self, content, begin, end):
            return
        if begin >= len(content):
            self.answer(416, b'{"detail": "There is no such part."}')
            return
        spread = f"bytes {begin}-{end}/{len(content)}"
        self.answer(206, content[begin : end + 1], **{"Content-Range": spread})

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        """Send an answer whole."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in {204, 304}:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class ShowHub:
    """A hub with one screen.

    Attributes:
        key: The key that it takes.
        document: What it published last.
        signed: What it answers with; `None` for a hub that is too old.
        media: Files by their SHA-256.
        trouble: Called with a request, the file, first and last byte; returns whether it answered.
        refused_posts: Status of the next answers to reports and results.
        asked: Path and headers of all requests.
        reports, results: What kiosks said, in order; results with the uid of their command.
    """

    def __init__(self) -> None:
        self.key = KEY
        self.document: DesiredDocument | None = None
        self.signed: SignedDocument | None = None
        self.media: dict[str, bytes] = {}
        self.trouble: Trouble | None = None
        self.refused_posts: list[int] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.reports: list[DesiredReport] = []
        self.results: list[tuple[str, CommandResult]] = []

    def add(self, content: bytes) -> str:
        """Store a file; return its SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.media[sha256] = content
        return sha256

    def publish(self, ads: dict[str, bytes] | None, **changes: Any) -> DesiredDocument:
        """Publish a show of pictures by the ids of their ads; `None` for no booking."""
        before = self.document
        version = 1 if before is None else before.version + 1
        entries = [] if ads is None else [(ad, content) for ad, content in ads.items()]
        files = {self.add(content): len(content) for _, content in entries}
        listed = [
            {"id": ad, "file": f"{self.add(content)}.png", "duration_s": 2.0}
            for ad, content in entries
        ]
        values: dict[str, Any] = {
            "version": version,
            "serial": 1 if before is None else before.serial + 1,
            "made_at": datetime(2026, 5, 4, 12, tzinfo=UTC) + timedelta(minutes=version),
            "screen": SCREEN,
            "name": "Entrance",
            "playlist": None if ads is None else {"ads": listed},
            "media": [
                {"sha256": one, "size": size, "ending": ".png"} for one, size in files.items()
            ],
        }
        self.document = DesiredDocument.model_validate(values | changes)
        self.signed = sign(self.document, key_digest(KEY))
        return self.document

    def order(self, kind: str, uid: str, *, expires_s: float = 60.0) -> None:
        """Add a command to the document."""
        assert self.document is not None
        order = {"uid": uid, "kind": kind, "author": "anna"}
        order["expires_at"] = (datetime.now(UTC) + timedelta(seconds=expires_s)).isoformat()
        body = json.loads(self.document.model_dump_json())
        body["commands"].append(order)
        body["serial"] += 1
        self.document = DesiredDocument.model_validate(body)
        self.signed = sign(self.document, key_digest(KEY))

    def states(self) -> list[str]:
        """Return what was reported: state and version, repetitions left out."""
        found: list[str] = []
        for report in self.reports:
            words = f"{report.state} {report.version}"
            if not found or found[-1] != words:
                found.append(words)
        return found

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Answer requests; yields the address."""
        handler = type("Handler", (Request,), {"hub": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="show-hub")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
