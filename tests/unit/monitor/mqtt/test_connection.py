"""Words for what is wrong with a broker; the connection itself is tested in test_publisher.py."""

from __future__ import annotations

import socket

import pytest

from monitor.mqtt.connection import BrokerConnection, BrokerError, reason
from monitor.settings.broker import Broker


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (TimeoutError("timed out"), "timed out"),
        (BrokerError("it refused the connection"), "it refused the connection"),
        (OSError(), "OSError"),
    ],
)
def test_reasons_are_words(error: Exception, words: str) -> None:
    assert reason(error) == words


def test_a_host_that_is_no_name_is_an_error_that_is_caught() -> None:
    broker = Broker.parse(f"mqtt://{'x' * 70}.example")
    with (
        BrokerConnection(broker, "test") as connection,
        pytest.raises((OSError, UnicodeError)),
    ):
        connection.connect()
    assert not connection.is_open
