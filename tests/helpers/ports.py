"""Ports of this machine that no other process is given."""

from __future__ import annotations

import socket


def reserved_port() -> socket.socket:
    """Return a socket with a port of 127.0.0.1 on which nothing listens until it is closed.

    The system gives the port to nobody who asks for any. A program that names it can listen there,
    if it sets `SO_REUSEADDR` as servers do.
    """
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", 0))
    return made
