from __future__ import annotations

from pathlib import Path

import pytest

from detector.sources import v4l2


@pytest.fixture
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /dev: two cameras of one kind, the second without a name by its maker's
    number.
    """
    for folder in ("by-id", "by-path"):
        (tmp_path / "v4l" / folder).mkdir(parents=True)
    for index in (0, 2):
        (tmp_path / f"video{index}").touch()
    (tmp_path / "v4l/by-id/usb-Maker_C920_17-index0").symlink_to("../../video2")
    (tmp_path / "v4l/by-path/pci-usb-3-index0").symlink_to("../../video2")
    (tmp_path / "v4l/by-path/pci-usb-4-index0").symlink_to("../../video0")
    monkeypatch.setattr(v4l2, "DEVICES", tmp_path)
    return tmp_path
