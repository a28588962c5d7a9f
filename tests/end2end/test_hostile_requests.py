"""Hundreds of requests that no browser sends, to the real server over the network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from monitor.web.request.security import SECURITY_HEADERS
from tests.helpers.hostile_requests import SCRIPT, hostile_requests

if TYPE_CHECKING:
    from .strangers import Target

REQUESTS = hostile_requests()
BETRAYALS = (
    "Traceback",
    "site-packages",
    "/monitor/",
    "File &#34;",
    "werkzeug",
    "waitress",
    "sqlalchemy",
)
MEMORY_GROWTH = 80 << 20


def fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def check_answer(answer: bytes, target: Target) -> int:
    """Check what every answer owes; returns its status."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    assert separator, answer[:200]
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", head)
    assert found, head[:100]
    status = int(found[1])
    assert status < 500 or status == 503, answer[:2000]
    sent = fields(head)
    for name in SECURITY_HEADERS:
        assert name.lower() in sent, f"{name} is missing: {head!r}"
    assert "server" not in sent
    assert "x-injected" not in sent
    assert "evil.example" not in sent.get("location", ""), head
    assert re.match(r"/(?![/\\])|$", sent.get("location", "")), head
    text = body.decode("utf-8", "replace")
    for betrayal in (*BETRAYALS, str(target.folder)):
        assert betrayal not in text, text[:2000]
    if sent.get("content-type", "").startswith("text/html"):
        assert SCRIPT not in text
        assert "onerror=" not in text
    return status


@pytest.fixture(scope="module")
def memory_before(target) -> int:
    """What the server holds once every kind of page was asked for."""
    for hostile in REQUESTS[::7]:
        target.exchange(hostile.sent, answers=hostile.answers)
    return target.memory()


@pytest.mark.parametrize("hostile", REQUESTS, ids=[hostile.name for hostile in REQUESTS])
def test_a_hostile_request(target, memory_before, hostile):
    answer = target.exchange(hostile.sent, answers=hostile.answers)
    if not answer:
        assert not hostile.answers
        return
    status = check_answer(answer, target)
    assert not hostile.statuses or status in hostile.statuses, answer[:2000]
    assert b"/smuggled" not in answer
    assert target.memory() < memory_before + MEMORY_GROWTH


def test_the_server_is_as_well_as_before(target, memory_before):
    assert target.health()
    assert target.memory() < memory_before + MEMORY_GROWTH
    assert "Traceback" not in target.served.text


def test_there_are_hundreds():
    assert len(REQUESTS) >= 300
    assert len({hostile.name for hostile in REQUESTS}) == len(REQUESTS)
