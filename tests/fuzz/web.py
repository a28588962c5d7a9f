"""The web page as a fuzz target: any method, path, head and body against the real application."""

from __future__ import annotations

import io
import json
import logging
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np
from PIL import Image
from werkzeug.test import EnvironBuilder, run_wsgi_app

from db.engine import open_database
from db.write.records import AdRecord, PlayEnded, PlayStarted, SessionEnded, SessionRecord
from db.write.session_writer import SessionWriter
from monitor.logs import only_errors
from monitor.settings.models import WebSettings
from monitor.web.app import close_app, create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

METHODS = ("GET", "GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW")
KINDS = (
    "application/json",
    "multipart/form-data",
    "application/x-www-form-urlencoded",
    "text/plain",
    "image/png",
    "",
)
HEADERS = (
    "Host",
    "Cookie",
    "Authorization",
    "Accept",
    "Range",
    "If-None-Match",
    "Origin",
    "Sec-Fetch-Site",
    "Referer",
)
HEADERS += (
    "X-CSRF-Token",
    "Accept-Encoding",
    "Accept-Language",
    "If-Modified-Since",
    "Last-Event-ID",
    "Forwarded",
)
FIELDS = (
    "url",
    "image",
    "file",
    "token",
    "ad",
    "measure",
    "page",
    "seconds",
    "format",
    "csrf_token",
    "next",
)
VALUES = (
    "1",
    "summer",
    "winter",
    "valence",
    "html",
    "pdf",
    "-1",
    "1e9",
    "\u0661",
    "http://127.0.0.1/x.png",
    "",
    "null",
)
LIMIT = "1000000 per second"
REPORTS_AT_MOST = 20
"""Report files are drawn for each request and take as long as a hundred others; skipped then."""

KNOWN_FAILURES = {503, 501, 504, 502}
"""Documented answers above 499: no database, no model, too many listeners, no picture fetched."""


class _NoFaces:
    """Looks at pictures and finds nobody."""

    def faces_and_crops(self, image: Any) -> tuple[list[Any], Any]:
        return [], np.zeros((0, 48, 48), dtype=np.uint8)

    def close(self) -> None:
        """Nothing to free."""


class Bytes:
    """Takes decisions from an input, and zeros from where it ends."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)

    def number(self) -> int:
        """A number from 0 to 255."""
        return (self._stream.read(1) or b"\0")[0]

    def one_of(self, choices: Any) -> Any:
        """One of a sequence."""
        return choices[self.number() % len(choices)]

    def raw(self) -> bytes:
        """Up to 63 bytes as they are."""
        return self._stream.read(self.number() % 64)

    def text(self) -> str:
        """Up to 63 characters, without those that no client's library would send."""
        return self.raw().decode("latin-1").replace("\r", "").replace("\n", "").replace("\0", "")

    def rest(self) -> bytes:
        """What is left."""
        return self._stream.read()


class _Alarm(logging.Handler):
    """Keep logged errors: the application answers its own defects with 500 and a log line."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(self.format(record))


def write_session(database: Path) -> None:
    """Write a session that is over, with two ads, to a new database."""
    engine = open_database(str(database))
    start = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    with SessionWriter(engine, SessionRecord("run", "Hall <1>", "0", start, "0.1.0")) as writer:
        for number, ad in enumerate(("summer", "winter"), start=1):
            began = start + timedelta(seconds=5 * number)
            writer.submit(AdRecord(ad, f"The {ad} ad", f"{ad}.mp4", "ab" * 32, "video", 4000))
            writer.submit(PlayStarted(number, ad, began, "next", 1.0))
            writer.submit(PlayEnded(number, began + timedelta(seconds=4), "finished", 4000.0))
        writer.close(
            SessionEnded(start + timedelta(seconds=20), "finished", frames=600, dropped=0, fps=30.0)
        )
    engine.dispose()


def _paths(rules: list[str], choose: Bytes) -> str:
    """A known route with its places filled in, or any text."""
    rule = choose.one_of([*rules, None])
    if rule is None:
        return "/" + quote(choose.text(), safe="/%")
    parts = []
    for part in rule.split("/"):
        if not part.startswith("<") and "<" not in part:
            parts.append(part)
            continue
        filled = choose.one_of([*VALUES, None])
        text = choose.text() if filled is None else filled
        before, _, rest = part.partition("<")
        parts.append(quote(f"{before}{text}{rest.partition('>')[2]}", safe="./%"))
    return "/".join(parts)


def _picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 12), (9, 99, 199)).save(stream, "PNG")
    return stream.getvalue()


def _body(choose: Bytes, kind: str, picture: bytes) -> dict[str, Any]:
    shape = choose.number() % 4
    name, value = choose.one_of(FIELDS), choose.one_of([*VALUES, None])
    value = choose.text() if value is None else value
    if shape == 0:
        return {"data": choose.rest(), "content_type": kind}
    if shape == 1:
        return {
            "data": json.dumps({name: value, choose.text(): [value, choose.number()]}),
            "content_type": kind,
        }
    if shape == 2:
        content = picture if choose.number() % 2 else choose.rest()
        return {"data": {name: (io.BytesIO(content), value or "a.png"), "token": value}}
    return {"data": {name: value, choose.one_of(FIELDS): choose.text()}}


@contextmanager
def web() -> Iterator[Callable[[bytes], None]]:
    """Every route of the web page, with a classifier that finds nobody and no network."""
    alarm = _Alarm()
    # Warnings about rubbish are no news here.
    with only_errors("monitor"), tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        database = Path(name) / "monitor.db"
        write_session(database)
        plain, locked = (
            create_app(
                WebSettings(
                    database=str(database), token=token, rate_limit=LIMIT, read_limit=LIMIT
                ),
                _NoFaces,
            )
            for token in (None, "let-me-in")
        )
        rules = sorted({rule.rule for rule in plain.url_map.iter_rules()})
        picture = _picture()
        reports = [0]
        logging.getLogger().addHandler(alarm)

        def run(content: bytes) -> None:
            choose = Bytes(content)
            app = plain if choose.number() % 4 else locked
            method, path = choose.one_of(METHODS), _paths(rules, choose)
            if "report." in path or path.endswith((".pdf", ".html", ".csv", ".parquet")):
                reports[0] += 1
                if reports[0] > REPORTS_AT_MOST:
                    return
            query = "&".join(
                f"{choose.one_of(FIELDS)}={quote(choose.text())}"
                for _ in range(choose.number() % 3)
            )
            kind = choose.one_of(KINDS)
            heads = {choose.one_of(HEADERS): choose.text() for _ in range(choose.number() % 4)}
            if choose.number() % 2:
                heads |= {
                    "Host": "localhost",
                    "Origin": "http://localhost",
                    "Sec-Fetch-Site": "same-origin",
                }
            if choose.number() % 2:
                heads["Authorization"] = "Bearer let-me-in"
            body = _body(choose, kind, picture) if method not in {"GET", "HEAD"} else {}
            environ = EnvironBuilder(method=method, **body).get_environ()
            # Put in as a server would, not by a client's library, which would refuse what is odd.
            path, _, more = path.partition("?")
            environ |= {"PATH_INFO": unquote(path, "latin-1"), "QUERY_STRING": f"{more}{query}"}
            environ |= {
                f"HTTP_{head.upper().replace('-', '_')}": value for head, value in heads.items()
            }
            ended = "events" not in path
            answer, status, _ = run_wsgi_app(app, environ, buffered=ended)
            try:
                code = int(status.split()[0])
                assert code < 500 or code in KNOWN_FAILURES, (
                    f"{method} {path!r} was answered with {status}"
                )
                assert not alarm.heard, alarm.heard
            finally:
                alarm.heard.clear()
                if not ended:
                    close = getattr(answer, "close", lambda: None)
                    close()

        try:
            yield run
        finally:
            logging.getLogger().removeHandler(alarm)
            close_app(plain)
            close_app(locked)
