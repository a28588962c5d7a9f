"""Odd values of TZ, of which Babel makes an error as soon as it is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("zone", ["Shops", ":notes.txt"])
def test_a_file_or_folder_that_tz_happens_to_name_is_no_reason_to_fail(zone, tmp_path):
    (tmp_path / "Shops").mkdir()
    (tmp_path / "notes.txt").write_text("no zone")
    done = subprocess.run(
        [sys.executable, "-c", "from monitor.cli import main; main(['--version'])"],
        env={**os.environ, "TZ": zone},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
