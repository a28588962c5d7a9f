"""The blocks of a hub's experiments on the kiosk's disk; the rest is tested in `test_follower.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from monitor.uplink.documents import DocumentError
from monitor.uplink.key_file import key_path, write_key
from monitor.uplink.stored_show import ShowFolder, StoredBlocks
from tests.helpers.show_hub import ShowHub, a_key

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENT = {
    "name": "tea",
    "treatment": ["tea"],
    "block_s": 600,
    "starts": [1_777_888_800, 1_777_889_400],
    "arms": "ct",
}


def test_blocks_follow_the_document_and_go_with_the_hub(tmp_path: Path) -> None:
    database, hub = tmp_path / "kiosk.db", ShowHub()
    folder, stored = ShowFolder(database), StoredBlocks(database)
    assert stored.read() == ()
    write_key(key_path(database), a_key("http://hub"))
    document = hub.publish(None, experiments=[EXPERIMENT])
    assert hub.signed is not None
    folder.store(hub.signed, document)
    assert [block.arm for block in stored.read()] == ["control", "treatment"]
    # The same files are not read again.
    assert stored.read() is stored.read()
    document = hub.publish(None)
    folder.store(hub.signed, document)
    assert stored.read() == ()
    document = hub.publish(None, experiments=[EXPERIMENT])
    folder.store(hub.signed, document)
    assert len(stored.read()) == 2
    key_path(database).unlink()
    assert stored.read() == ()


def test_a_document_that_was_changed_is_refused_each_time(tmp_path: Path) -> None:
    database, hub = tmp_path / "kiosk.db", ShowHub()
    write_key(key_path(database), a_key("http://hub"))
    document = hub.publish(None, experiments=[EXPERIMENT])
    assert hub.signed is not None
    folder, stored = ShowFolder(database), StoredBlocks(database)
    folder.store(hub.signed, document)
    folder.document.write_text(folder.document.read_text().replace("tea", "pie"))
    for _ in range(2):
        with pytest.raises(DocumentError, match="signature"):
            stored.read()
