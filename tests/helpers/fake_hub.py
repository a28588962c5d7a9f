"""A hub for tests of a kiosk: takes envelopes in as a real one does, and fails as it is told."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from db.engine import open_database, writing
from db.hub.screens import pairing
from db.hub.screens.registry import Place, create_screen
from db.transfer.envelope import unpack
from db.transfer.intake import MissingRecordsError, take_in

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from db.transfer.envelope import Envelope

Reply = tuple[int, dict[str, Any] | None, dict[str, str]]


class FakeHub:
    """A hub with one screen.

    Attributes:
        engine: Of its database.
        key: The key that it takes.
        screen: The screen.
        envelopes: All that arrived whole, in order.
        replies: Given instead of its own to the next requests of the kind, by path.
        asked: Path and headers of all requests.
    """

    def __init__(self, path: Path) -> None:
        self.engine = open_database(str(path))
        self.key = "k" * 43
        with writing(self.engine) as connection:
            self.screen = create_screen(connection, Place("Lobby", site="Foyer"), datetime.now(UTC))
        self.envelopes: list[Envelope] = []
        self.replies: dict[str, deque[Reply]] = {}
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    def close(self) -> None:
        self.engine.dispose()

    def receive(self, packed: bytes, stated_digest: str, key: str) -> Reply:
        """Take an envelope in."""
        if key != self.key:
            return 401, {"detail": "The key was revoked."}, {}
        envelope = unpack(packed, stated_digest)
        self.envelopes.append(envelope)
        try:
            with writing(self.engine) as connection:
                watermark = take_in(connection, envelope, self.screen.id, datetime.now(UTC))
        except MissingRecordsError as error:
            return 409, receipt(error.expected - 1), {}
        return 200, receipt(watermark), {}

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer a request as a hub does."""
        self.asked.append((path, headers))
        if planned := self.replies.get(path):
            return planned.popleft()
        key = headers.get("Authorization", "").removeprefix("Bearer ")
        if path == "envelopes":
            return self.receive(body, headers["Content-Digest"], key)
        with writing(self.engine) as connection:
            if path == "leave":
                known = pairing.leave(connection, key, datetime.now(UTC))
                return (204, None, {}) if known else (401, {}, {})
            try:
                return self._pair(connection, path, json.loads(body), key or None)
            except pairing.KnownKioskError as error:
                return 409, {"detail": str(error)}, {}

    def _pair(
        self, connection: Connection, path: str, asked: dict[str, Any], key: str | None
    ) -> Reply:
        now = datetime.now(UTC)
        if path == "pairings/claim":
            found = pairing.collect(connection, asked["claim"], now)
            if isinstance(found, str):
                return (202 if found == "waiting" else 410), {"detail": "expired"}, {}
            return self._joined(found)
        applicant = pairing.Applicant(asked["kiosk"], asked["facts"], "127.0.0.1", key)
        if path == "pairings":
            offer = pairing.ask(connection, applicant, now)
            until = offer.expires_at.isoformat()
            return 201, {"code": offer.code, "claim": offer.claim, "expires_at": until}, {}
        joined = pairing.join(connection, asked["code"], applicant, now)
        return (
            (403, {"detail": "The code is wrong."}, {}) if joined is None else self._joined(joined)
        )

    def _joined(self, joined: pairing.Joined) -> Reply:
        self.key = joined.key
        names = {"screen": joined.screen, "name": joined.name, "site": joined.site}
        return 200, names | {"key": joined.key}, {}

    def code(self) -> str:
        """Make a code for the screen."""
        with writing(self.engine) as connection:
            return pairing.code_for_screen(connection, self.screen.id, "ada", datetime.now(UTC))[0]

    def add_screen(self, name: str) -> None:
        """Add a screen, for which codes are made from now on."""
        with writing(self.engine) as connection:
            self.screen = create_screen(connection, Place(name, site="Foyer"), datetime.now(UTC))

    def waiting(self) -> list[str]:
        """Return the codes that kiosks show."""
        with self.engine.connect() as connection:
            return [one.code for one in pairing.waiting_kiosks(connection, datetime.now(UTC))]

    def accept(self, code: str) -> None:
        """Let the kiosk in that shows a code."""
        with writing(self.engine) as connection:
            pairing.accept(connection, code, self.screen.id, "ada", datetime.now(UTC))


def receipt(watermark: int) -> dict[str, Any]:
    """What a hub says that has stored records up to a number."""
    now = datetime.now(UTC).isoformat()
    return {"watermark": watermark, "expected": watermark + 1, "time": now, "desired": None}


@contextmanager
def serving(hub: FakeHub, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Answer requests of kiosks with a hub; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.removeprefix("/hub/v1/")
            status, document, headers = hub.answer(path, dict(self.headers), body)
            content = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="fake-hub")
    thread.start()
    try:
        yield f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
