"""Cameras by index and by lasting name, missing and busy ones."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detector.errors import SourceOpenError
from detector.sources import camera as module
from detector.sources.camera import CameraCapture
from detector.sources.opening import open_source
from detector.sources.video_source import SourceSpec
from tests.helpers.sources import until_lost


def test_a_camera_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SourceSpec("camera", "97")
    monkeypatch.setattr(module, "cameras", list)
    with pytest.raises(
        SourceOpenError, match=r"Camera 97 cannot be opened \(no camera was found.*--source demo\."
    ):
        CameraCapture(spec)
    monkeypatch.setattr(module, "cameras", lambda: [0, 2])
    with pytest.raises(SourceOpenError, match=r"\(cameras found: 0, 2\)") as caught:
        CameraCapture(spec)
    assert caught.value.cause == "camera_lost"


class ScriptedCamera:
    """An OpenCV capture that gives pictures while its script says so, and was asked for one index."""

    opens = True
    index: Any = None

    def __init__(self, target: Any, *_: Any) -> None:
        type(self).index = target
        self.left = 3
        self.released = False

    def isOpened(self) -> bool:
        return self.opens

    def set(self, *_: Any) -> bool:
        return True

    def get(self, name: int) -> float:
        return 12.5 if name == cv2.CAP_PROP_FPS else 0.0

    def grab(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((4, 6, 3), np.uint8)

    def release(self) -> None:
        self.released = True


def test_a_camera_is_opened_by_its_name_wherever_it_is_now(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "quiet_capture", ScriptedCamera)
    name = str(devices / "v4l/by-id/usb-Maker_C920_17-index0")
    with open_source(SourceSpec("camera", name)) as source:
        assert isinstance(source, CameraCapture)
        assert (ScriptedCamera.index, source.frame_rate) == (2, 12.5)
        frames = until_lost(source)
    assert [frame.sequence for frame in frames] == [0, 1]


def test_a_camera_that_another_program_uses_is_busy(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def answer(_number: int, request: int, buffers: bytearray) -> int:
        assert (request, len(buffers)) == (0xC0145608, 20)
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(module, "quiet_capture", ScriptedCamera)
    monkeypatch.setattr(ScriptedCamera, "opens", False)
    monkeypatch.setattr(fcntl, "ioctl", answer)
    with pytest.raises(SourceOpenError, match=r"Camera 2 is in use by another program") as caught:
        CameraCapture(SourceSpec("camera", "2"))
    assert caught.value.cause == "camera_busy"


def test_a_device_that_is_no_camera_is_not_busy(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "quiet_capture", ScriptedCamera)
    monkeypatch.setattr(ScriptedCamera, "opens", False)
    with pytest.raises(SourceOpenError, match=r"\(cameras found: 0, 2\)") as caught:
        CameraCapture(SourceSpec("camera", "2"))
    assert caught.value.cause == "camera_lost"
