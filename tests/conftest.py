"""What every test has to keep: no unexpected warning, no logged error, no thread left behind."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

# On a machine that is busy with other work, an example takes long for no fault of the program.
# `make test-slow` tries all examples of hypothesis' default, `make test` fewer.
for profile, max_examples in (("full", 100), ("quick", 40)):
    hypothesis.settings.register_profile(
        profile,
        deadline=None,
        max_examples=max_examples,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("quick")

# What the shell of the person who runs the tests sets must not decide what they measure. Tests of
# such settings set them themselves, most of them in a child process.
for name in list(os.environ):
    if name.startswith(("AD_MONITOR_", "QT_", "QML", "LC_")) and name not in (
        "AD_MONITOR_TEST_DATA",
        "AD_MONITOR_TEST_DIST",
        "AD_MONITOR_TEST_MEDIA",
    ):
        del os.environ[name]
for name in (
    *("CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR"),
    *("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "PYTHONOPTIMIZE", "PYTHONWARNINGS"),
    *("KERAS_BACKEND", "MPLBACKEND", "NOTIFY_SOCKET", "TTY_COMPATIBLE", "PGHOST", "PGPORT"),
):
    os.environ.pop(name, None)
os.environ |= {
    "LANG": "C.UTF-8",
    "LANGUAGE": "",
    "QT_QPA_PLATFORM": "offscreen",  # windows are drawn into memory
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "GLOG_minloglevel": "2",
    "TERM": "xterm",
    # Threads of linear algebra spin while they wait: where other tests have the cores, inverting
    # a matrix of twenty rows took a hundred times as long.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

# Nor may a proxy stand between a test and the servers of this machine.
unproxied = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
os.environ |= dict.fromkeys(
    ("no_proxy", "NO_PROXY"), ",".join(filter(None, [unproxied, "127.0.0.1", "localhost"]))
)

# What this user has promoted must not decide what the tests measure.
os.environ["AD_MONITOR_MODELS"] = str(Path(__file__).parent / "no-promoted-models")

LEAK_WAIT_S = 120.0
LONG_LIVED_THREADS = (
    "pymp",
    "ThreadPoolExecutor",
    "asyncio",
    "pytest_timeout",
    "QThread",
    "Dummy",
    "tqdm_monitor",
)
"""Threads of libraries that live as long as the process."""

DATA_VARIABLE = "AD_MONITOR_TEST_DATA"
MEDIA_VARIABLE = "AD_MONITOR_TEST_MEDIA"


def _own_threads() -> set[threading.Thread]:
    return {
        thread for thread in threading.enumerate() if not thread.name.startswith(LONG_LIVED_THREADS)
    }


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import tests without searches for garbage, then set aside what was imported, which no test
    changes: each search in it takes half a second.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Fail a test that leaves one of our threads running."""
    before = _own_threads()
    yield
    deadline = time.monotonic() + LEAK_WAIT_S
    while (left := _own_threads() - before) and time.monotonic() < deadline:
        for thread in left:
            thread.join(0.05)
        if any(thread.is_alive() for thread in left):
            gc.collect()
    assert not left, f"threads left running: {sorted(thread.name for thread in left)}"


@pytest.fixture(autouse=True)
def no_logged_errors(
    caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Fail a test in which something logged an error, unless it is marked `logs_errors`."""
    yield
    if request.node.get_closest_marker("logs_errors"):
        return
    errors = [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.levelno >= logging.ERROR
    ]
    assert not errors, f"errors were logged: {errors}"


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the user's data, cache and settings."""
    home = tmp_path_factory.mktemp("home")
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.delenv("AD_MONITOR_DB", raising=False)


def _folder_from(variable: str, what: str) -> Path:
    named = os.environ.get(variable)
    if not named:
        pytest.skip(f"needs {what}: name its folder in {variable}")
    return Path(named)


@pytest.fixture(scope="session", autouse=True)
def quick_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Save the time that creating databases and flushing them to the disk takes; see
    `real_databases`.
    """
    from tests.helpers.quick_databases import replace

    with pytest.MonkeyPatch.context() as patch:
        yield replace(patch, tmp_path_factory.mktemp("databases"))


@pytest.fixture
def real_databases(quick_databases: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Create and flush databases as the program does."""
    for name, function in quick_databases.items():
        monkeypatch.setattr(name, function)


@pytest.fixture(scope="session")
def dataset_folder() -> Path:
    """Folder with `fer2013.csv` (plain or packed) and `fer2013new.csv`."""
    return _folder_from(DATA_VARIABLE, "the FER2013 data")


@pytest.fixture(scope="session")
def media_folder() -> Path:
    """Folder with the videos of known truth."""
    return _folder_from(MEDIA_VARIABLE, "videos with known truth")


@pytest.fixture(scope="session")
def demo_video() -> Path:
    """The bundled demo viewer: one face throughout, 25 frames a second."""
    from detector.sources.video_source import DEMO_VIDEO

    return DEMO_VIDEO
