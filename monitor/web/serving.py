"""Listening: the socket, the threads, and a clean end."""

from __future__ import annotations

import errno
import logging
import socket
from typing import TYPE_CHECKING, Any

from waitress import create_server, wasyncore  # type: ignore[import-untyped]

from monitor.errors import SetupError
from monitor.web.security import LARGEST_UPLOAD
from monitor.web.services import EXTENSION
from monitor.web.settings import PAGE_THREADS

if TYPE_CHECKING:
    from flask import Flask

    from monitor.web.services import Services

POLL_S = 0.5
"""How soon the end is noticed."""

IN_MEMORY = 1 << 30
"""Bytes from which on waitress would put what it receives and sends into files; more than it ever lets in."""

IDLE_S = 30
CONNECTIONS = 100
TRUSTED_HEADERS = "x-forwarded-for x-forwarded-proto x-forwarded-host"


def listen(host: str, port: int) -> socket.socket:
    """A socket that nobody else listens on.

    Args:
        host: An IP address or a name of this machine.
        port: 0 for any free one.

    Raises:
        SetupError: The port is taken, or the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SetupError(
            f"Invalid --host: {host!r} is not a name or address of this machine ({error})."
        ) from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise SetupError(
                f"Port {port} of {host} is taken by another program: end that one, or choose another with --port."
            ) from error
        if error.errno == errno.EACCES:
            raise SetupError(
                f"Port {port} is reserved for the system: choose one from 1024 on with --port."
            ) from error
        raise SetupError(
            f"The page cannot be offered at {host}, port {port}: {error.strerror}."
        ) from error
    return listening


def serve(app: Flask, listening: socket.socket, *, trusted_proxy: str | None = None) -> None:
    """Answer requests until the application's services are told to stop, then end all threads.

    There is a thread for each live page besides those for everything else, so that no number of
    listeners keeps a page waiting. Nothing that is received or sent is put into a file.

    Args:
        app: From `create_app`; stays the caller's to close.
        listening: From `listen`; closed here.
        trusted_proxy: IP address of the proxy in front whose word on the visitor's address, host
            and scheme is taken.
    """
    # It warns whenever a request waits for a moment.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    here: Services = app.extensions[EXTENSION]
    channels: dict[int, Any] = {}
    proxy: dict[str, Any] = {}
    if trusted_proxy is not None:
        proxy = {"trusted_proxy": trusted_proxy, "trusted_proxy_headers": TRUSTED_HEADERS}
    server = create_server(
        app,
        map=channels,
        sockets=[listening],
        threads=PAGE_THREADS + here.settings.listeners,
        ident=None,
        connection_limit=CONNECTIONS,
        channel_timeout=IDLE_S,
        # So that a visitor who has left is noticed while events are still sent to him.
        channel_request_lookahead=1,
        # The application itself says what is too large, in words; this is for whoever sends even
        # more.
        max_request_body_size=2 * LARGEST_UPLOAD,
        inbuf_overflow=IN_MEMORY,
        outbuf_overflow=IN_MEMORY,
        clear_untrusted_proxy_headers=True,
        **proxy,
    )
    try:
        while not here.stopping.is_set():
            wasyncore.loop(timeout=POLL_S, use_poll=True, map=channels, count=1)
    finally:
        here.stopping.set()
        server.task_dispatcher.shutdown()
        server.close()
        wasyncore.close_all(channels)
