"""The publisher against a real broker: away, restarted, refusing, silent."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from monitor.backoff import Backoff
from monitor.mqtt import publisher as publisher_module
from monitor.mqtt.discovery import Device
from monitor.mqtt.publisher import MqttPublisher
from monitor.settings.broker import Broker
from tests.helpers.kiosk_health import make_health
from tests.helpers.mosquitto import Listener
from tests.helpers.waiting import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from monitor.health import KioskHealth
    from tests.helpers.mosquitto import Mosquitto

DEVICE = Device("0123456789abcdef", "Ad screen Shop 12", "ad-monitor")


@pytest.fixture
def publish() -> Iterator[Callable[..., MqttPublisher]]:
    """Start a publisher, with short pauses; it is stopped after the test."""
    made: list[MqttPublisher] = []

    def start(
        address: str, read: Callable[[], KioskHealth] = make_health, **more: Any
    ) -> MqttPublisher:
        backoff = Backoff(0.1, 0.3)
        names = {"name": DEVICE.device_id, "availability_topic": DEVICE.availability_topic}
        one = MqttPublisher(
            Broker.parse(address), lambda: {DEVICE: read()}, backoff=backoff, **names | more
        )
        made.append(one)
        one.start()
        return one

    yield start
    for one in made:
        one.stop(10.0)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


def wait_for_warning(caplog: pytest.LogCaptureFixture) -> None:
    deadline_s = time.monotonic() + 300
    while not warnings(caplog) and time.monotonic() < deadline_s:
        time.sleep(0.05)


def test_everything_is_kept_by_the_broker_and_the_end_is_announced(
    mosquitto: Mosquitto, publish: Callable[..., MqttPublisher]
) -> None:
    mosquitto.start()
    publisher = publish(mosquitto.address)
    with Listener(mosquitto) as early:
        early.wait_for("/availability", lambda text: text == "online")
    # Who comes later hears the same, because the broker has kept it.
    with Listener(mosquitto) as late:
        described = late.wait_for("/config")
        state = late.wait_for("/state")
        assert late.wait_for("/availability") == "online"
        assert all(retained for _topic, _text, retained in late.messages)
        publisher.stop(10.0)
        assert late.wait_for("/availability", lambda text: text == "offline")
    assert described["state_topic"] == "ad-monitor/0123456789abcdef/state"
    assert (state["ad"], state["viewers"]) == ({"id": "cola", "name": "Cola"}, 6)


def test_without_discovery_only_the_state_is_published(
    mosquitto: Mosquitto, publish: Callable[..., MqttPublisher]
) -> None:
    mosquitto.start()
    publish(mosquitto.address, discovery_prefix=None)
    with Listener(mosquitto) as heard:
        heard.wait_for("/availability", lambda text: text == "online")
        heard.wait_for("/state")
    assert {topic.split("/")[0] for topic, _, _ in heard.messages} == {"ad-monitor"}


def test_a_change_is_published_within_seconds_and_noise_is_not(
    mosquitto: Mosquitto,
    publish: Callable[..., MqttPublisher],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher_module, "LOOK_EVERY_S", 0.1)
    mosquitto.start()
    now = first = make_health()
    publish(mosquitto.address, lambda: now)
    with Listener(mosquitto, "ad-monitor/+/state") as heard:
        heard.wait_for("/state")
        for degrees in (52.0, 53.0, 54.0):
            now = first.model_copy(update={"temperature_c": degrees, "uptime_s": degrees})
            time.sleep(0.4)
        now = first.model_copy(update={"viewers": 9})
        heard.wait_for("/state", lambda state: state["viewers"] == 9)
        assert len(heard.messages) == 2


def test_the_broker_may_be_down_at_the_start_and_restart(
    mosquitto: Mosquitto,
    publish: Callable[..., MqttPublisher],
    caplog: pytest.LogCaptureFixture,
) -> None:
    publish(mosquitto.address)
    wait_for_warning(caplog)
    time.sleep(1.0)
    # Several attempts, one line.
    [line] = warnings(caplog)
    assert f"127.0.0.1:{mosquitto.port} cannot be used" in line
    assert "refused" in line
    for _ in range(2):
        mosquitto.start()
        with Listener(mosquitto) as heard:
            heard.wait_for("/config")
            heard.wait_for("/state")
            heard.wait_for("/availability", lambda text: text == "online")
        mosquitto.stop()
    assert len(warnings(caplog)) <= 3


def test_a_wrong_password_is_one_line_that_does_not_show_it(
    mosquitto: Mosquitto,
    publish: Callable[..., MqttPublisher],
    caplog: pytest.LogCaptureFixture,
) -> None:
    mosquitto.start()
    publish(f"mqtt://kiosk:wr0ng-pw@127.0.0.1:{mosquitto.port}")
    wait_for_warning(caplog)
    time.sleep(1.0)
    # Several attempts, one line.
    [line] = warnings(caplog)
    assert "refused the connection (Not authorized)" in line
    assert "--mqtt" in line
    assert "wr0ng-pw" not in caplog.text


def test_a_broker_that_never_answers_does_not_hold_up_the_end(
    publish: Callable[..., MqttPublisher],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publisher = publish(f"mqtt://127.0.0.1:{silent.getsockname()[1]}")
        time.sleep(0.5)
        watch = Stopwatch()
        publisher.stop(60.0)
        assert watch.seconds < 30


def test_a_network_that_swallows_everything_does_not_hold_up_the_end(
    publish: Callable[..., MqttPublisher],
) -> None:
    with ExitStack() as full:
        # With its queue full, the system answers no further connection.
        server = full.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(3):
            filler = full.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        publisher = publish(f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        time.sleep(0.3)
        watch = Stopwatch()
        publisher.stop(60.0)
        assert watch.seconds < 30


@pytest.mark.logs_errors
def test_a_state_that_cannot_be_read_ends_nothing(
    mosquitto: Mosquitto, publish: Callable[..., MqttPublisher]
) -> None:
    mosquitto.start()
    answers = iter([ValueError("once"), make_health()])
    last = make_health()

    def read() -> KioskHealth:
        answer = next(answers, last)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    publish(mosquitto.address, read)
    with Listener(mosquitto) as heard:
        heard.wait_for("/state")


# A handshake that fails leaves a socket of paho-mqtt's to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_encrypted_connection_needs_a_certificate_that_is_trusted(
    mosquitto: Mosquitto,
    publish: Callable[..., MqttPublisher],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    certificate = mosquitto.encrypt()
    mosquitto.start()
    stranger = publish(mosquitto.address)
    wait_for_warning(caplog)
    stranger.stop(10.0)
    [line] = warnings(caplog)
    assert "certificate" in line.lower()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    publish(mosquitto.address)
    with Listener(mosquitto) as heard:
        heard.wait_for("/state")
