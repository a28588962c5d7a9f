"""A web server on this machine that answers with any bytes at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers.raw_server import RawServer


@pytest.fixture
def server() -> Iterator[RawServer]:
    made = RawServer()
    yield made
    made.close()
