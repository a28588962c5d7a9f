"""A web server that answers with any bytes at all, and passwords that cost little."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.hub.people import passwords
from tests.helpers.raw_server import RawServer


@pytest.fixture
def server() -> Iterator[RawServer]:
    made = RawServer()
    yield made
    made.close()


@pytest.fixture
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    argon2 = pytest.importorskip("argon2", reason="the extra `hub` is not installed")
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "hasher", lambda: cheap)
