"""The database of a hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from db.engine import open_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(str(tmp_path / "hub.db"))
    yield engine
    engine.dispose()
