"""What a building hears from the real kiosk over a real broker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from monitor.health import KioskHealth
from monitor.version import VERSION
from tests.helpers.mosquitto import PASSWORD, Listener, mosquitto  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.helpers.mosquitto import Mosquitto

ARGUMENTS = ("run", "--source", "demo", "--duration", "200", "--site", "Shop 12")


@pytest.mark.parametrize(
    "mode", [("--headless",), pytest.param((), id="window", marks=pytest.mark.slow)]
)
def test_a_kiosk_is_found_followed_and_missed(
    program: Any,
    make_playlist: Callable[[list[float]], Path],
    mosquitto: Mosquitto,  # noqa: F811 (the fixture)
    mode: tuple[str, ...],
) -> None:
    mosquitto.start()
    playlist = str(make_playlist([1.5, 1.5]))
    arguments = (*ARGUMENTS, *mode, "--playlist", playlist, "--mqtt", f"{mosquitto.address}/floor")
    with Listener(mosquitto) as heard:
        kiosk = program.start(*arguments, "--mqtt-min-viewers", "1", "--log", "run.log")
        described = heard.wait_for("/config")
        assert described["device"]["name"] == "Ad screen Shop 12"
        assert described["device"]["sw_version"] == VERSION
        assert described["state_topic"].startswith("floor/")
        heard.wait_for("/availability", lambda text: text == "online")
        state = heard.wait_for("/state", lambda state: state["viewers"] == 1 and state["shares"])
        health = KioskHealth.model_validate(state)
        assert (health.session, health.session_kind, health.state) == (1, "demo", "running")
        assert (health.measuring, health.camera.state) == (True, "ok")
        assert health.memory_rss_bytes is not None
        # Both ads come on air, and the plays of the day are counted.
        for ad in ("ad1", "ad2"):
            heard.wait_for("/state", lambda state, ad=ad: (state["ad"] or {}).get("id") == ad)
        heard.wait_for("/state", lambda state: state["plays_today"] >= 3)
        kiosk.kill()
        kiosk.communicate()
        # The last will of a kiosk that died.
        heard.wait_for("/availability", lambda text: text == "offline")
        # The next one takes its place as the same device, and takes its leave.
        come = len(heard.messages)
        kiosk = program.start(*arguments, "--log", "run.log")
        heard.wait_for("/state", lambda state: state["session"] == 2)
        again = [topic for topic, _, _ in heard.messages[come:] if topic.endswith("/config")]
        assert again == [f"homeassistant/device/{described['device']['identifiers'][0]}/config"]
        few = heard.wait_for("/state", lambda state: state["session"] == 2 and state["viewers"])
        assert (few["viewers"], few["attentive"], few["shares"], few["valence"]) == (
            *(1, None),
            *(None, None),
        )
        kiosk.send_signal(signal.SIGTERM)
        kiosk.communicate(timeout=300)
        assert kiosk.returncode == 0
        heard.wait_for("/availability", lambda text: text == "offline", since=come)
    assert PASSWORD not in (program.folder / "run.log").read_text()


@pytest.mark.slow
def test_ads_and_measuring_go_on_without_a_broker(
    program: Any,
    make_playlist: Callable[[list[float]], Path],
    mosquitto: Mosquitto,  # noqa: F811 (the fixture)
) -> None:
    # Wrong password: nothing changes but one line of the log.
    mosquitto.start()
    address = f"mqtt://kiosk:wr0ng-pw@127.0.0.1:{mosquitto.port}"
    began_s = time.monotonic()
    done = program.run(
        *("run", "--headless", "--source", "demo", "--loops", "1"),
        *("--playlist", str(make_playlist([2.0, 2.0])), "--mqtt", address, "--log", "run.log"),
    )
    assert time.monotonic() - began_s < 200
    log = (program.folder / "run.log").read_text()
    [line] = [line for line in log.splitlines() if "MQTT broker" in line]
    assert "refused the connection (Not authorized)" in line
    assert "wr0ng-pw" not in log + done.stderr + done.stdout
    assert program.rows("SELECT outcome FROM plays ORDER BY number") == [("finished",)] * 2
    assert program.rows("SELECT count(*) FROM readings")[0][0] > 0
    assert not [
        text
        for (text,) in program.rows("SELECT settings FROM sessions")
        if "wr0ng-pw" in text or "mqtt" in text
    ]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs xvfb-run")
def test_whether_the_notice_is_on_the_screen_is_published(
    program: Any,
    mosquitto: Mosquitto,  # noqa: F811 (the fixture)
) -> None:
    mosquitto.start()
    command = ["xvfb-run", "-a", sys.executable, "-m", "monitor", *ARGUMENTS]
    environment = dict(program.environment)
    environment.pop("QT_QPA_PLATFORM")
    with Listener(mosquitto) as heard:
        kiosk = subprocess.Popen(
            [*command, "--mqtt", mosquitto.address],
            env=environment,
            cwd=program.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            described = heard.wait_for("/config")
            assert "notice_shown" in described["components"]
            heard.wait_for("/state", lambda state: state["notice_shown"] is True)
        finally:
            os.killpg(kiosk.pid, signal.SIGTERM)
            kiosk.wait(300)


@pytest.mark.slow
def test_a_supervised_kiosk_has_the_password_and_shows_it_to_nobody(
    program: Any,
    wait_for: Callable[..., Any],
    mosquitto: Mosquitto,  # noqa: F811 (the fixture)
) -> None:
    mosquitto.start()
    kiosk = program.start(*(*ARGUMENTS, "--headless", "--supervised", "--mqtt", mosquitto.address))
    with Listener(mosquitto) as heard:
        heard.wait_for("/state")
        lines = [
            line
            for line in map(_text, Path("/proc").glob("[0-9]*/cmdline"))
            if "mqtt://" in line and str(mosquitto.port) in line
        ]
        # The supervisor itself was given it by the test.
        assert [PASSWORD in line for line in lines].count(True) == 1
        assert len(lines) == 2
        kiosk.send_signal(signal.SIGTERM)
        kiosk.communicate(timeout=300)
        heard.wait_for("/availability", lambda text: text == "offline")


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""  # the process has ended meanwhile
