"""Sends files to the library of a hub as the script of its page does."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from monitor.hub.library.uploads import PART_BYTES

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

PAGE = {"Origin": "http://localhost", "Accept": "application/json, application/problem+json"}


def begin(browser: FlaskClient, name: str, size: int, **form: Any) -> TestResponse:
    """Say that a file comes."""
    data = {"name": name, "size": size, **form}
    return browser.post("/library/uploads", data=data, headers=PAGE)


def part(
    browser: FlaskClient, address: str, offset: int, content: bytes, checksum: str | None = None
) -> TestResponse:
    """Send a part."""
    headers = {
        **PAGE,
        "Upload-Offset": str(offset),
        "Upload-Checksum": checksum or f"crc32 {zlib.crc32(content):08x}",
        "Content-Type": "application/octet-stream",
    }
    return browser.patch(address, data=content, headers=headers)


def send(browser: FlaskClient, name: str, content: bytes, **form: Any) -> TestResponse:
    """Send a whole file; return the answer that ended it."""
    answer = begin(browser, name, len(content), **form)
    if answer.status_code != 200:
        return answer
    address = answer.json["address"]
    for offset in range(0, len(content), PART_BYTES):
        answer = part(browser, address, offset, content[offset : offset + PART_BYTES])
        if answer.status_code != 204:
            return answer
    return browser.post(f"{address}/finish", headers=PAGE)
