"""Hide passwords in addresses before they are shown, logged or stored.

People type passwords as they are, with `@`, `/` and `?`, although addresses should hold them
percent-encoded. Where an address can be read in two ways, the longer password is hidden.
"""

import logging
import re

from detector.names import printable

HIDDEN = "***"

_PREFIXES = r"(?:(?:access|api|auth|client|login|secret|session|ssl|stream|user)[-_.]?)*"
_PASSWORD = rf"(?<![A-Za-z]){_PREFIXES}(?:passwd|password|passphrase|pwd)"
_SECRET = rf"(?:{_PASSWORD}|(?<![A-Za-z]){_PREFIXES}(?:pass|pas|pw|token|key|auth|secret))"
# A parameter ends where the next one begins; its first character never begins the next one.
_VALUE = r"=\S+?(?=&[\w.-]+=|\s|\Z)"

_IN_ANY_TEXT = re.compile(rf"({_PASSWORD}){_VALUE}", re.IGNORECASE)
_IN_ADDRESS = re.compile(rf"({_SECRET}){_VALUE}", re.IGNORECASE)
_ADDRESS = re.compile(
    # A URL handled as a path loses one of its slashes.
    r"(://|(?<![a-z])(?:https?|rtsps?|rtmp|tcp|udp|postgres(?:ql)?(?:\+\w+)?):/(?!/))(\S+)",
    re.IGNORECASE,
)
_NEXT_ADDRESS = re.compile(r"[,;|\"'<>()\[\]{}][A-Za-z][A-Za-z0-9+.-]*://")
_USER = re.compile(r"([^/@:?#]*):")
_NO_USER = re.compile(
    # A host and its port: an IP address is nobody's name.
    r"(?:(?:\d{1,3}\.){3}\d{1,3}|localhost)(?::\d{1,5})?(?=[/?#]|\Z)"
    r"|\[[0-9a-f:.%]*\](?=[:/?#]|\Z)"
    # The path of a person's page, such as http://host:8080/@me.
    r"|[^/@:?#]+:\d{1,5}/@[\w.-]*\Z",
    re.IGNORECASE,
)
_PORT = re.compile(r"\d{1,5}[/?#]")


def hide_passwords(text: str, *, keep_user: bool = True) -> str:
    """Replace the password of every address in a text by `***`, or user name and password.

    So are the values of `password=`, `pwd=`, `token=`, `key=` and the like in an address, and of
    `password=` and `pwd=` anywhere.
    """
    hidden = _ADDRESS.sub(lambda found: found[1] + _in_address(found[2], keep_user), text)
    return _IN_ANY_TEXT.sub(rf"\1={HIDDEN}", hidden)


def _in_address(rest: str, keep_user: bool) -> str:
    """Hide the secrets in what follows `://`, up to a space; it may hold more addresses."""
    hidden, mark = "", ":"
    while mark:
        end = _end_of_password(rest)
        if end:
            hidden += f"{rest.partition(':')[0]}:{HIDDEN}@" if keep_user else f"{HIDDEN}@"
        elif not keep_user and (alone := re.match(r"[^/@:?#]*@", rest)):
            end = alone.end()
            hidden += f"{HIDDEN}@"
        tail = _IN_ADDRESS.sub(rf"\1={HIDDEN}", rest[end:])
        before, mark, rest = tail.partition("://")
        hidden += before + mark
    return hidden


def _end_of_password(rest: str) -> int:
    """Return where the host begins behind `user:password@`; 0 without a password."""
    name = _USER.match(rest)
    first = rest.find("@")
    if name is None or first < name.end() or _NO_USER.match(rest):
        return 0
    secret = _IN_ADDRESS.search(rest)
    if secret is not None and secret.start() < first and _PORT.match(rest, name.end()):
        return 0  # A host, its port, and a password among the parameters.
    limits = (_NEXT_ADDRESS.search(rest, first), _IN_ADDRESS.search(rest, first))
    return rest.rfind("@", 0, min((m.start() for m in limits if m), default=len(rest))) + 1


class HidingFormatter(logging.Formatter):
    """Formats log messages and the errors they come with: no passwords, a message on one line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Return the line of a record; the errors follow it."""
        return printable(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return printable(hide_passwords(super().format(record)), keep="\n")
