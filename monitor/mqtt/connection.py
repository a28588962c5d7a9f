"""One connection to an MQTT broker, used by one thread."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from paho.mqtt.client import ConnectFlags
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from monitor.settings.broker import Broker

ANSWER_LIMIT_S = 10.0
"""How long a broker may take to answer, from the first packet to its welcome."""

KEEP_ALIVE_S = 30
"""After one and a half times this without a word, the broker publishes the last will."""

LISTEN_S = 0.2
"""How long one look at the connection lasts, and so how soon its user can be stopped."""


class BrokerError(Exception):
    """The broker cannot be used now; the text says why, without a full stop."""


class BrokerConnection:
    """A connection; use it as a context manager, and call `connect` first.

    Args:
        client_id: Its name at the broker, which ends an older connection of the same name.
        last_will: Topic and text that the broker keeps and publishes if the connection breaks.
    """

    def __init__(
        self, broker: Broker, client_id: str, last_will: tuple[str, str] | None = None
    ) -> None:
        self._broker = broker
        self._answer: ReasonCode | None = None
        client = self._client = Client(CallbackAPIVersion.VERSION2, client_id)
        client.connect_timeout = 5.0
        if broker.user:
            client.username_pw_set(broker.user, broker.password or None)
        if broker.encrypted:
            client.tls_set_context(ssl.create_default_context())
        if last_will is not None:
            client.will_set(*last_will, qos=1, retain=True)
        client.on_connect = self._on_connect

    def __enter__(self) -> BrokerConnection:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()

    @property
    def is_open(self) -> bool:
        """Whether the broker has welcomed us and the connection holds."""
        return self._client.is_connected()

    def connect(self, should_continue: Callable[[], bool] = lambda: True) -> bool:
        """Connect; return whether the broker has welcomed us, or `False` if told not to continue.

        Raises:
            BrokerError: It refused, or did not answer in time.
            OSError, UnicodeError: It cannot be reached.
        """
        self._client.connect(self._broker.host, self._broker.port, keepalive=KEEP_ALIVE_S)
        deadline_s = time.monotonic() + ANSWER_LIMIT_S
        while self._answer is None and should_continue():
            if time.monotonic() > deadline_s:
                raise BrokerError(f"it did not answer within {ANSWER_LIMIT_S:.0f} s")
            self.listen()
        return self._answer is not None

    def publish(self, topic: str, text: str, qos: int = 0) -> None:
        """Publish a text that the broker is to keep; returns at once."""
        self._client.publish(topic, text, qos=qos, retain=True)

    def listen(self) -> None:
        """Handle what comes from the broker for a moment; `BrokerError` if the connection ends."""
        status = self._client.loop(timeout=LISTEN_S)
        if self._answer is not None and self._answer.is_failure:
            refusal = f"it refused the connection ({self._answer})"
            raise BrokerError(f"{refusal}; check user and password in --mqtt")
        if status != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise BrokerError("the connection was lost")

    def _on_connect(
        self,
        _client: Client,
        _data: object,
        _flags: ConnectFlags,
        answer: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._answer = answer


def reason(error: Exception) -> str:
    """Return in a few words why a broker cannot be used, without a full stop."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).rstrip(".")
