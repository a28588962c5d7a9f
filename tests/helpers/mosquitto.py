"""A Mosquitto broker of the test's own, and a client that hears what is published there."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.helpers.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

USER, PASSWORD = "kiosk", "S3@cr/et"


def _program(name: str) -> str | None:
    # Debian keeps the broker where only root looks.
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """A broker that a test may stop and start; it forgets everything when it stops.

    Attributes:
        port: Of 127.0.0.1; free before the first start.
        certificate: Of an encrypted broker.
    """

    def __init__(self, folder: Path, program: str) -> None:
        self.folder = folder
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.certificate: Path | None = None
        # Bound as long as it lives, so that no other test is given the port meanwhile.
        self._reserved = reserved_port()
        self.port: int = self._reserved.getsockname()[1]
        passwords = folder / "passwords"
        tool = _program("mosquitto_passwd")
        assert tool is not None
        subprocess.run([tool, "-b", "-c", str(passwords), USER, PASSWORD], check=True)
        # Started by root, it would change to a user who may not read the folder.
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\npassword_file {passwords}\n"
            "allow_anonymous false\nuser root\n"
        )

    @property
    def address(self) -> str:
        """The broker for `--mqtt`, with the right password."""
        scheme = "mqtt" if self.certificate is None else "mqtts"
        return f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    def encrypt(self) -> Path:
        """Make it speak TLS only, from the next start on; return its certificate."""
        tool = shutil.which("openssl")
        if tool is None:
            pytest.skip("needs openssl, to make a certificate")
        key, made = self.folder / "key.pem", self.folder / "certificate.pem"
        request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
        names = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
        files = ("-keyout", str(key), "-out", str(made))
        subprocess.run([tool, *request, *names, *files], check=True, capture_output=True)
        with (self.folder / "mosquitto.conf").open("a") as config:
            config.write(f"certfile {made}\nkeyfile {key}\n")
        self.certificate = made
        return made

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            [self._program, "-c", str(self.folder / "mosquitto.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline_s = time.monotonic() + 300
        while time.monotonic() < deadline_s:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert self._process.poll() is None, "mosquitto ended"
                time.sleep(0.05)
            else:
                return
        raise AssertionError("mosquitto did not listen within 20 s")

    def stop(self) -> None:
        """Stop it; harmless when repeated."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def free(self) -> None:
        """Give its port back."""
        self._reserved.close()


class Listener:
    """Hears what is published; use it as a context manager.

    Attributes:
        messages: All that came, as topic, text and whether the broker had kept it.
    """

    def __init__(self, broker: Mosquitto, topics: str = "#") -> None:
        self.messages: list[tuple[str, str, bool]] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(USER, PASSWORD)
        if broker.certificate is not None:
            self._client.tls_set(str(broker.certificate))
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe(topics, qos=1)
        self._client.connect("127.0.0.1", broker.port)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.messages.append((message.topic, message.payload.decode(), bool(message.retain)))

    def wait_for(
        self,
        topic_end: str,
        wanted: Callable[[Any], bool] = lambda _text: True,
        *,
        since: int = 0,
        limit_s: float = 60.0,
    ) -> Any:
        """Return the first wanted message of a topic with this end, waiting until it comes.

        It may have come before, but not among the first `since` messages. A text that is JSON is
        parsed.
        """
        deadline_s, seen = time.monotonic() + limit_s, since
        while time.monotonic() < deadline_s:
            for topic, text, _retained in self.messages[seen:]:
                seen += 1
                content = json.loads(text) if text.startswith("{") else text
                if topic.endswith(topic_end) and wanted(content):
                    return content
            self._client.loop(timeout=0.1)
        raise AssertionError(f"no such message of {topic_end} within {limit_s} s: {self.messages}")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that does not run yet."""
    program = _program("mosquitto")
    if program is None or _program("mosquitto_passwd") is None:
        pytest.skip("needs the MQTT broker mosquitto: install Debian's package of that name")
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    made = Mosquitto(folder, program)
    yield made
    made.stop()
    made.free()
