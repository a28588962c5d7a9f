"""The server: socket, threads, and a clean end."""

from __future__ import annotations

import ctypes
import errno
import logging
import socket
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from waitress import wasyncore  # type: ignore[import-untyped]

from monitor.errors import SetupError
from monitor.web.request.security import MAX_UPLOAD_BYTES, judge
from monitor.web.services import EXTENSION
from monitor.web.serving.server import Server
from monitor.web.serving.tls import TlsFront

if TYPE_CHECKING:
    from flask import Flask

    from monitor.web.services import Services
    from monitor.web.serving.tls import Certificate


MANY = 32
"""Connections from which on a turn of the loop is worth waiting for."""


def listen(host: str, port: int) -> socket.socket:
    """Listen on an IP address or a name of this machine; port 0 is any free one.

    Raises:
        SetupError: The port is taken, or the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SetupError(
            f"Invalid --host: {host!r} is not a name or address of this machine ({error.strerror})."
        ) from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            text = (
                f"Port {port} of {host} is taken by another program: end that one, or choose "
                "another with --port."
            )
        elif error.errno == errno.EACCES:
            text = f"Port {port} is reserved for the system: choose one from 1024 on with --port."
        else:
            text = f"The page cannot be offered at {host}, port {port}: {error.strerror}."
        raise SetupError(text) from error
    return listening


def serve(
    app: Flask,
    listening: socket.socket,
    *,
    trusted_proxy: str | None = None,
    certificate: Certificate | None = None,
) -> None:
    """Answer requests until the application's services stop, then end all threads.

    Each live page, picture and report has a thread besides those for everything else, so that no
    number of these keeps a page waiting. Nothing that is received or sent is written to a file. The
    socket is closed here, the application by the caller. Only a proxy with the IP address
    `trusted_proxy` is believed about the visitor's address, host and scheme. With a `certificate`
    there is TLS and nothing else.
    """
    _return_large_blocks()
    # It warns whenever a request waits for a moment.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    here: Services = app.extensions[EXTENSION]
    channels: dict[int, Any] = {}
    server = Server(
        app,
        partial(judge, app),
        listening,
        channels,
        threads=here.threads,
        max_body=MAX_UPLOAD_BYTES,
        trusted_proxy=trusted_proxy,
        behind_tls=certificate is not None,
    )
    front = None if certificate is None else TlsFront(listening, certificate, server.adopt)
    try:
        while not here.stopping.is_set():
            wasyncore.loop(timeout=0.5, use_poll=True, map=channels, count=1)
            server.tend()
            if len(channels) > MANY:
                # A turn asks every connection what it waits for, whether one or a hundred have
                # something to do. So let some more have something to do.
                time.sleep(min(0.02, 100e-6 * len(channels)))
    finally:
        here.stopping.set()
        if front is not None:
            front.close()
        server.task_dispatcher.shutdown()
        server.close()
        wasyncore.close_all(channels)


def _return_large_blocks() -> None:
    """Make glibc return freed blocks of a megabyte or more to the system.

    By default it raises that limit after the first pictures, and keeps up to 64 MB for each thread.
    """
    mmap_threshold = -3
    with suppress(OSError, AttributeError):  # Another C library has no such function.
        ctypes.CDLL(None).mallopt(mmap_threshold, 1 << 20)
