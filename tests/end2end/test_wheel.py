"""Wheel and sdist: what is in them, and that the wheel alone works in an empty environment.

`make dist` names the folder that it filled in `AD_MONITOR_TEST_DIST`; otherwise both are built anew.
"""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import av
import pytest
import requests

from detector.sources.video_source import DEMO_VIDEO
from monitor.version import VERSION

from .conftest import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
LIMIT_S = 600


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The folder with one wheel and one sdist."""
    named = os.environ.get("AD_MONITOR_TEST_DIST")
    if named:
        return Path(named)
    pytest.importorskip("build", reason="make dist installs it")
    if not (ROOT / ".git").exists():
        pytest.skip("only files of the repository are built")
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode and "Could not find a version" in done.stdout + done.stderr:
        pytest.skip("the package index with setuptools is out of reach")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def wheel(dist):
    (found,) = dist.glob("*.whl")
    return found


def test_the_wheel_has_what_the_program_reads_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    about = f"ad_reaction_monitor-{VERSION}.dist-info"
    assert tops == {"ads", "db", "detector", "monitor", "training", about}
    assert not [name for name in names if re.search(r"\.pyc$|__pycache__|(^|/)tests?/", name)]
    for package in ("ads", "db", "detector", "monitor", "training"):
        kept = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / package).rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        assert kept - set(names) == set(), "a file that the wheel lacks"
    assert wheel.stat().st_size < 30e6


def test_the_metadata_name_licences_and_render(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
        folder = name.removesuffix("METADATA") + "licenses/"
        for text in metadata.get_all("License-File"):
            assert archive.read(folder + text)
    assert metadata["License-Expression"] == "GPL-3.0-or-later"
    assert metadata["Version"] == VERSION
    assert metadata["Description-Content-Type"] == "text/markdown"
    description = metadata.get_payload()
    assert description.startswith("# Ad-reaction monitor")
    # A package index shows it without the project's files beside it.
    assert not re.search(r"<img|srcset|\]\((?!https://)", description)
    assert "THIRD_PARTY.md" in metadata.get_all("License-File")


def test_the_sdist_has_what_building_and_testing_need(dist):
    (found,) = dist.glob("*.tar.gz")
    with tarfile.open(found) as archive:
        names = {member.name.split("/", 1)[-1] for member in archive}
    assert {"Makefile", "setup.cfg", "CHANGELOG.md", "THIRD_PARTY.md"} <= names
    for folder in ("benchmarks", "docs", "tests", "tools"):
        kept = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        assert kept - names == set(), "a file that the sdist lacks"
    assert not [name for name in names if re.search(r"\.pyc$|__pycache__|^\.venv|^reports/", name)]
    assert found.stat().st_size < 30e6


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Run a command of the wheel, in an empty folder.

    The environment has the wheel and nothing else of its own; the libraries, 1.3 GB, are those of
    this one.
    """
    folder = tmp_path_factory.mktemp("installed")
    place = folder / "environment"
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    # A pip of the environment itself would be a download; with --prefix, this one would remove the
    # program from its own environment.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    command = [*pip, "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run(command, check=True, timeout=LIMIT_S)
    # A path in such a file is not searched for further ones, such as that of an editable install.
    target = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    (target / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    script = place / "bin" / "ad-monitor"
    work = folder / "empty"
    work.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    } | {"HOME": str(work), "QT_QPA_PLATFORM": "offscreen"}
    where = subprocess.run(
        [python, "-c", "import monitor; print(monitor.__file__)"],
        capture_output=True,
        text=True,
        cwd=work,
        env=environment,
        check=True,
    )
    assert where.stdout.startswith(str(place)), "the wheel, and not the working tree"

    def start(*arguments):
        return subprocess.Popen(
            [script, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=work,
            env=environment,
        )

    return start, work


def run(installed, *arguments):
    process = installed[0](*arguments)
    output, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return output


def test_the_wheel_runs_kiosk_replay_and_report(installed):
    _, work = installed
    assert VERSION in run(installed, "--version")
    kiosk = ("run", "--headless", "--source", "demo", "--duration", "6", "--db", "kiosk.db")
    run(installed, *kiosk, "--report", "live.html", "--site", "Shop 12")
    assert "Shop 12" in (work / "live.html").read_text()
    shutil.copy(DEMO_VIDEO, work / "visitors.mp4")
    run(installed, "replay", "visitors.mp4", "--db", "kiosk.db")
    for form in ("html", "pdf", "xlsx", "pptx", "json"):
        run(installed, "report", "2", "--db", "kiosk.db", "--format", form, "-o", f"two.{form}")
        assert (work / f"two.{form}").stat().st_size > 1000
    assert json.loads((work / "two.json").read_text())["session"]["viewers"] == 1


def test_the_wheel_classifies(installed):
    _, work = installed
    with av.open(str(DEMO_VIDEO)) as container:
        next(container.decode(video=0)).to_image().save(work / "photo.png")
    (image,) = json.loads(run(installed, "classify", "photo.png", "--json"))["images"]
    assert len(image["faces"]) == 1


@pytest.mark.parametrize("command", ["serve", "hub serve"])
def test_the_wheel_serves(installed, command):
    start, _ = installed
    if command != "serve":
        assert "http" in run(installed, "hub", "init", "--db", "hub.db")
    database = "kiosk.db" if command == "serve" else "hub.db"
    process = start(*command.split(), "--port", "0", "--db", database)
    said: list[str] = []
    try:
        wait_until(
            lambda: said.append(process.stderr.readline()) or "(Ctrl+C" in said[-1],
            what="the address",
        )
        address = re.search(r"http://\S+:\d+/", said[-1])[0]
        assert "page.css" in requests.get(address, timeout=30).text
        assert requests.get(f"{address}static/page.css", timeout=30).ok
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
    assert process.returncode == 0
