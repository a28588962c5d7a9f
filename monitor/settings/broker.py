"""The address of an MQTT broker."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from detector.sources.passwords import hide_passwords
from monitor.languages import _

PORTS = {"mqtt": 1883, "mqtts": 8883}
DEFAULT_PREFIX = "ad-monitor"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where and how an MQTT broker is reached.

    Attributes:
        prefix: How all topics begin, without a slash at either end.
        user, password: Empty for none.
    """

    host: str
    port: int
    encrypted: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    prefix: str = DEFAULT_PREFIX

    @property
    def shown(self) -> str:
        """Host and port, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, address: str) -> Broker:
        """Read `mqtt[s]://[user[:password]@]host[:port][/prefix]`.

        The host begins after the last `@`, so a password may contain `@` and `/`. Name and password
        may also be percent-encoded.

        Raises:
            ValueError: It is no such address; the message hides the password.
        """
        if any(mark.isspace() for mark in address):
            # Whoever hides passwords takes an address to end at a space.
            raise ValueError(
                _(
                    "expected mqtt://user:password@host:1883/prefix without spaces; write one as "
                    "%%20"
                )
            )
        scheme, mark, rest = address.partition("://")
        scheme = scheme.lower()
        if not mark or scheme not in PORTS:
            raise _wrong(address, "")
        login, _at, place = rest.rpartition("@")
        user, _colon, password = login.partition(":")
        try:
            parts = urlsplit(f"//{place}")
            host, port = parts.hostname, parts.port
        except ValueError:
            raise _wrong(address, _("the port must be a number up to 65535")) from None
        if not host or port == 0:
            raise _wrong(
                address,
                _("the host is missing") if not host else _("port 0 is no port"),
            )
        if parts.query or parts.fragment:
            raise _wrong(address, _("a topic cannot hold ? or #"))
        prefix = unquote(parts.path).strip("/")
        if any(mark in prefix for mark in "+#\0") or prefix.startswith("$"):
            raise _wrong(address, _("a topic cannot hold + or #, nor begin with $"))
        return cls(
            host=host,
            port=port or PORTS[scheme],
            encrypted=scheme == "mqtts",
            user=unquote(user),
            password=unquote(password),
            prefix=prefix or DEFAULT_PREFIX,
        )


def _wrong(address: str, why: str) -> ValueError:
    wrong = _(
        "expected mqtt://user:password@host:1883/prefix, or mqtts:// for an encrypted connection; "
        "received %(value)s",
        value=repr(hide_passwords(address)),
    )
    return ValueError(f"{wrong} ({why})" if why else wrong)
