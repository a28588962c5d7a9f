"""What the system says about the machine, from folders like the system's."""

from __future__ import annotations

import os

import pytest

from monitor.session import machine
from monitor.session.machine import disk_of, resident_bytes, system_name, temperature_c


def thermometer(folder, name_file, name, value_file, value):
    folder.mkdir(parents=True)
    (folder / name_file).write_text(f"{name}\n")
    (folder / value_file).write_text(f"{value}\n")


@pytest.mark.parametrize(
    ("zones", "chips", "expected"),
    [
        ({}, {}, None),
        ({"acpitz": 27800, "x86_pkg_temp": 61000}, {}, 61.0),
        ({"iwlwifi_1": 80000, "cpu-thermal": 55500}, {"nvme": 70000}, 55.5),
        ({}, {"nvme": 41850, "k10temp": 38250}, 38.25),
        ({"acpitz": 27800}, {"nvme": 41850}, 41.85),
        ({"cpu-thermal": -273000, "gpu": 44000}, {}, 44.0),
        ({"cpu-thermal": "broken"}, {}, None),
    ],
)
def test_the_temperature_is_the_processors(tmp_path, zones, chips, expected):
    for number, (name, value) in enumerate(zones.items()):
        folder = tmp_path / "class" / "thermal" / f"thermal_zone{number}"
        thermometer(folder, "type", name, "temp", value)
    for number, (name, value) in enumerate(chips.items()):
        folder = tmp_path / "class" / "hwmon" / f"hwmon{number}"
        thermometer(folder, "name", name, "temp1_input", value)
    assert temperature_c(tmp_path) == expected


def test_memory_is_added_up_over_processes_that_live(tmp_path):
    for pid, kilobytes in ((10, 2048), (11, 1024)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "status").write_text(f"Name:\tx\nVmRSS:\t  {kilobytes} kB\n")
    assert resident_bytes(10, 11, 12, proc=tmp_path) == 3 * 1024 * 1024
    assert resident_bytes(12, proc=tmp_path) is None
    assert resident_bytes(os.getpid()) is None or resident_bytes(os.getpid()) > 1_000_000


def test_a_disk_is_found_before_its_folder_is_made(tmp_path, monkeypatch):
    disk = disk_of(tmp_path / "not" / "yet" / "monitor.db")
    assert 0 <= disk.free <= disk.total

    def away(_folder):
        raise OSError("away")

    monkeypatch.setattr(machine.shutil, "disk_usage", away)
    assert disk_of(tmp_path) is None


def test_the_system_has_a_name_without_release_notes(monkeypatch):
    assert system_name()

    def no_file():
        raise OSError("no such file")

    monkeypatch.setattr(machine.platform, "freedesktop_os_release", no_file)
    assert "(" in system_name.__wrapped__()
