"""The database of a hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

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


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a folder in an empty bucket of a server that speaks S3."""
    server = pytest.importorskip("moto.server", reason="needs moto: install the extra dev")
    import boto3

    running = server.ThreadedMotoServer(port=0)
    running.start()
    try:
        host, port = running.get_host_and_port()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        # Servers of one process share their buckets.
        requests.post(f"http://{host}:{port}/moto-api/reset", timeout=60).raise_for_status()
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        place = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket="ads", CreateBucketConfiguration=place)
        yield "s3://ads/lake"
    finally:
        running.stop()
