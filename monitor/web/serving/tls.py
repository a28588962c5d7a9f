"""TLS in front of the server: one thread decrypts, and the server sees plain connections.

waitress has no TLS, and its threads write to a connection while another one reads it, which a TLS
socket does not allow. So each connection gets a pair of local sockets: one end is the server's,
with the visitor's address, and what passes the other end is encrypted here by asyncio.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from monitor.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
CHECKED_EVERY_S = 60.0
"""How often a renewed certificate is looked for."""

CHUNK = 64 << 10


class Certificate:
    """A certificate and its key, read again when their files change.

    Args:
        certificate: PEM file with the certificate and those that lead to its authority.
        private_key: PEM file with the key; `None` if it is in the same file.

    Raises:
        SetupError: They cannot be read, or do not belong together.
    """

    def __init__(self, certificate: Path, private_key: Path | None) -> None:
        self._files = certificate, private_key or certificate
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.set_alpn_protocols(["http/1.1"])
        try:
            self._changed = self._times()
            self.context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            names = " and ".join(dict.fromkeys(map(str, self._files)))
            why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
            raise SetupError(
                f"The certificate cannot be used ({why}): expected PEM files with a certificate "
                f"and its key without a password, received {names}."
            ) from error

    def refresh(self) -> None:
        """Read the files again if they have changed; a mistake in them is logged."""
        try:
            times = self._times()
            if times == self._changed:
                return
            # The running context stays as it is unless certificate and key belong together.
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*self._files)
            self.context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            logger.warning("The renewed certificate cannot be used, the old one stays: %s", error)
        else:
            self._changed = times
            logger.info("The renewed certificate is in use")

    def _times(self) -> list[int]:
        return [path.stat().st_mtime_ns for path in self._files]


class TlsFront:
    """The thread that decrypts; ends with `close`.

    Args:
        listening: A listening socket; it stays the caller's.
        certificate: Of this machine.
        hand_over: Takes the server's end of a connection, and the visitor's address.
    """

    def __init__(
        self,
        listening: socket.socket,
        certificate: Certificate,
        hand_over: Callable[[socket.socket, Any], None],
    ) -> None:
        _allow_many_files()
        self._listening = listening.dup()
        self._listening.setblocking(False)
        self._certificate = certificate
        self._hand_over = hand_over
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_log)
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="web-tls", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and all connections; harmless when repeated."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(
            self._relay,
            sock=self._listening,
            ssl=self._certificate.context,
            ssl_handshake_timeout=HANDSHAKE_S,
            ssl_shutdown_timeout=1.0,
            limit=CHUNK,
        )
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), CHECKED_EVERY_S)
            self._certificate.refresh()
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _relay(self, visitor: asyncio.StreamReader, to_visitor: asyncio.StreamWriter) -> None:
        address = to_visitor.get_extra_info("peername")
        ours, theirs = socket.socketpair()
        server, to_server = await asyncio.open_connection(sock=ours, limit=CHUNK)
        self._hand_over(theirs, address)
        sending = asyncio.ensure_future(_copy(visitor, to_server))
        try:
            # The server ends a connection when its answer is sent, or when it has waited enough.
            await _copy(server, to_visitor)
        finally:
            sending.cancel()
            to_server.close()
            to_visitor.close()
            with suppress(OSError, asyncio.CancelledError):
                await sending


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until the end, as fast as the target takes it."""
    with suppress(OSError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()


def _log(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # Strangers who speak no TLS, or leave in the middle, are of no interest.
    logger.debug("TLS: %s", context.get("exception") or context.get("message"))


def _allow_many_files() -> None:
    """Raise the limit of open files as far as allowed: a connection takes three."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
