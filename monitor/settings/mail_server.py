"""The address of a mail server, as the settings name it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from monitor.languages import _


@dataclass(frozen=True, slots=True)
class MailServer:
    """A mail server that takes messages from this program.

    Attributes:
        host, port: Where it is reached.
        user, password: Empty for a server that asks for none.
        sender: The mail address that messages come from.
        encryption: `tls` from the first byte on, `starttls`, or `none`.
    """

    host: str
    port: int
    sender: str
    encryption: str
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, address: str) -> MailServer:
        """Read `smtps://user:password@host:465?from=ads@example.com`.

        `smtp://` encrypts by STARTTLS, unless `tls=no` is set, for a server on this machine. The
        sender is the user where that is a mail address.

        Raises:
            ValueError: It is none.
        """
        parts = urlsplit(address)
        port = _port(parts)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        user = unquote(parts.username or "")
        sender = options.pop("from", user)
        tls = options.pop("tls", "yes")
        known = parts.scheme in {"smtp", "smtps"} and parts.hostname and tls in {"yes", "no"}
        if not known or options or "@" not in sender:
            raise ValueError(
                _(
                    "expected smtps://HOST?from=SENDER, with USER:PASSWORD@ before HOST if the "
                    "server asks for them, or smtp:// for STARTTLS; SENDER is a mail address"
                )
            )
        is_encrypted = parts.scheme == "smtps"
        return cls(
            host=str(parts.hostname),
            port=port or (465 if is_encrypted else 587),
            sender=sender,
            encryption="tls" if is_encrypted else "starttls" if tls == "yes" else "none",
            user=user,
            password=unquote(parts.password or ""),
        )


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:  # in Python's words
        port = 0
    if port == 0:
        raise ValueError(_("expected a port from 1 to 65535 after HOST, or none for the usual one"))
    return port
