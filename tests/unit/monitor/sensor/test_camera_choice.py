from __future__ import annotations

import json

import pytest

from monitor.sensor import camera_choice
from monitor.sensor.camera_choice import (
    Camera,
    choice_file,
    lasting_source,
    list_cameras,
    save_choice,
    saved_choice,
)

FRONT = Camera(0, "Integrated Camera", "usb-0000:00:14.0-6")
SHOP = Camera(2, "HD Pro Webcam C920", "usb-0000:00:14.0-3")
TWIN = Camera(4, "HD Pro Webcam C920", "usb-0000:00:14.0-4")


def test_a_device_that_cannot_be_asked_counts_as_a_camera(monkeypatch):
    monkeypatch.setattr(camera_choice, "cameras", lambda: [987])
    assert list_cameras() == (Camera(987),)
    assert lasting_source("987") == "987"


@pytest.fixture
def plugged(monkeypatch):
    """Plugs cameras in: index -> name of the maker, and names that the system offers for it."""

    def plug(found):
        monkeypatch.setattr(camera_choice, "cameras", lambda: sorted(found))
        monkeypatch.setattr(camera_choice, "camera_name", lambda index: (found[index][0], ""))
        monkeypatch.setattr(camera_choice, "lasting_names", lambda index: found[index][1])

    return plug


def test_a_camera_has_the_name_that_stays(plugged):
    plugged(
        {0: ("Front", ["by-id/front", "by-path/6"]), 2: ("Shop", []), 4: ("Card", ["by-path/pci"])}
    )
    assert [camera.path for camera in list_cameras()] == ["by-id/front", "", "by-path/pci"]
    assert [camera.source for camera in list_cameras()] == ["by-id/front", "2", "by-path/pci"]


def test_two_of_a_kind_are_named_by_their_sockets(plugged):
    plugged({0: ("C920", ["by-id/c920", "by-path/3"]), 2: ("C920", ["by-path/4"])})
    assert [camera.path for camera in list_cameras()] == ["by-path/3", "by-path/4"]


def test_an_index_becomes_the_name_that_stays(plugged):
    plugged({0: ("Front", ["by-id/front"]), 2: ("Shop", [])})
    assert lasting_source("0") == "by-id/front"
    assert lasting_source("2") == "2"
    for other in ("7", "demo", "/dev/video0", "http://host/x", "clip.mp4"):
        assert lasting_source(other) == other


def test_what_was_chosen_is_known_again_by_its_lasting_name_first():
    first, second = Camera(0, "C920", "usb-3", "by-path/3"), Camera(2, "C920", "usb-4", "by-path/4")
    save_choice(second)
    # After a restart the indices have changed places, and the driver says less than before.
    now = [Camera(0, "C920", "", "by-path/4"), Camera(2, "C920", "", "by-path/3")]
    assert saved_choice(now) == now[0]
    save_choice(first)
    assert saved_choice(now) == now[1]
    assert saved_choice([Camera(0, "Capture card", "pci", "by-path/3")]) is None


def test_a_choice_of_before_there_were_lasting_names_is_still_known(tmp_path):
    file = tmp_path / "camera.json"
    file.write_text('{"index": 2, "name": "HD Pro Webcam C920", "place": "usb-0000:00:14.0-3"}')
    assert saved_choice([FRONT, Camera(5, SHOP.name, SHOP.place, "by-id/c920")], file).index == 5


def test_what_was_chosen_is_known_again():
    assert saved_choice([FRONT, SHOP]) is None
    assert save_choice(SHOP)
    assert saved_choice([FRONT, SHOP]) == SHOP
    assert json.loads(choice_file().read_text("utf-8"))["name"] == "HD Pro Webcam C920"
    assert [path.name for path in choice_file().parent.iterdir()] == ["camera.json"]


def test_it_is_known_again_with_another_index_and_in_another_place():
    save_choice(SHOP)
    moved = Camera(0, SHOP.name, SHOP.place)
    assert saved_choice([moved, Camera(1, FRONT.name, FRONT.place)]) == moved
    replugged = Camera(3, SHOP.name, "usb-0000:00:14.0-9")
    assert saved_choice([FRONT, replugged]) == replugged


def test_of_two_of_the_same_kind_the_place_decides():
    save_choice(TWIN)
    assert saved_choice([SHOP, TWIN]) == TWIN
    elsewhere = [Camera(0, SHOP.name, "usb-a"), Camera(1, SHOP.name, "usb-b")]
    assert saved_choice(elsewhere) is None


def test_of_two_devices_of_one_camera_the_index_decides():
    save_choice(SHOP)
    infrared = Camera(3, SHOP.name, SHOP.place)
    assert saved_choice([SHOP, infrared]) == SHOP


def test_a_camera_that_is_gone_is_not_replaced_by_the_one_at_its_index():
    save_choice(SHOP)
    assert saved_choice([FRONT, Camera(2, "Capture card", "pci-1")]) is None


def test_only_a_camera_without_a_name_is_known_by_its_index():
    save_choice(Camera(2))
    assert saved_choice([Camera(0), Camera(2)]) == Camera(2)
    assert saved_choice([Camera(0), SHOP]) is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"index": "x", "name": "", "place": ""}', '{"name": "a"}']
)
def test_a_file_that_cannot_be_read_is_ignored(tmp_path, caplog, content):
    file = tmp_path / "camera.json"
    file.write_text(content)
    assert saved_choice([FRONT, SHOP], file) is None
    assert "is ignored" in caplog.text


def test_where_nothing_can_be_written_the_choice_is_not_kept(tmp_path, caplog):
    file = tmp_path / "file" / "camera.json"
    (tmp_path / "file").write_text("a file, not a folder")
    assert not save_choice(SHOP, file)
    assert "choose again next time" in caplog.text
