"""The cameras of Linux: indices, lasting names and drivers' answers."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from detector.errors import SourceOpenError
from detector.sources import v4l2 as module
from detector.sources.v4l2 import camera_index, cameras, lasting_names, parse_capability


def test_cameras_are_listed_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("video10", "video2", "video", "videoX", "audio0"):
        (tmp_path / name).touch()
    monkeypatch.setattr(module, "DEVICES", tmp_path)
    assert cameras() == [2, 10]


def test_a_camera_has_lasting_names(devices: Path) -> None:
    assert [Path(name).name for name in lasting_names(2)] == [
        "usb-Maker_C920_17-index0",
        "pci-usb-3-index0",
    ]
    assert [Path(name).name for name in lasting_names(0)] == ["pci-usb-4-index0"]
    assert lasting_names(7) == []


def test_a_name_leads_to_the_index_of_now(devices: Path) -> None:
    link = devices / "v4l/by-id/usb-Maker_C920_17-index0"
    assert camera_index(str(link)) == 2
    assert (camera_index("5"), camera_index(str(devices / "video2"))) == (5, 2)
    link.unlink()
    link.symlink_to("../../video0")
    assert camera_index(str(link)) == 0
    link.unlink()
    with pytest.raises(
        SourceOpenError, match=r"17-index0 is not there: .*known: .*pci-usb-3-index0"
    ) as caught:
        camera_index(str(link))
    assert caught.value.cause == "camera_lost"


CAPTURE, PLANAR, OUTPUT, METADATA, DEVICE_CAPS = 0x1, 0x1000, 0x2, 0x00800000, 0x80000000


def capability(of_all, of_this=0, card=b"HD Pro Webcam C920", bus=b"usb-0000:00:14.0-3"):
    """What a driver answers, as in Linux's videodev2.h."""
    return struct.pack(
        "<16s32s32sIII3I", b"uvcvideo", card, bus, 0x060500, of_all, of_this, 0, 0, 0
    )


def test_a_driver_tells_name_and_place():
    answer = capability(CAPTURE | METADATA | DEVICE_CAPS, CAPTURE)
    assert parse_capability(answer) == ("HD Pro Webcam C920", "usb-0000:00:14.0-3")
    assert parse_capability(capability(PLANAR)) == parse_capability(answer)


@pytest.mark.parametrize(
    ("of_all", "of_this"),
    [
        (CAPTURE | METADATA | DEVICE_CAPS, METADATA),
        (OUTPUT, 0),
        (CAPTURE | DEVICE_CAPS, OUTPUT),
        (0, CAPTURE),
    ],
)
def test_what_gives_no_pictures_is_no_camera(of_all, of_this):
    assert parse_capability(capability(of_all, of_this)) is None


def test_a_name_of_the_full_length_and_one_in_another_encoding():
    assert parse_capability(capability(CAPTURE, card=b"x" * 32))[0] == "x" * 32
    assert (
        parse_capability(capability(CAPTURE, card=b"cam\xff\0rest"))[0]
        == "cam\N{REPLACEMENT CHARACTER}"
    )
