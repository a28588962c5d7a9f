"""A camera on the network, as a program of its own, so that a test can stop, freeze and kill it.

    python stream_server.py FOLDER PORT

The folder holds `live.ts`, served in real time at `/transport`, and JPEG pictures in folders by
what they show, served 25 times a second at `/pictures`. `/show/NAME` changes to the pictures of
that folder, `/show/still` repeats the present one. It prints a line once it listens.
"""

from __future__ import annotations

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PER_S = 25
LENGTH_S = 28.0
"""Of the transport stream."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        if self.path.startswith("/show/"):
            self.server.shows = self.path.removeprefix("/show/")
            self.send_response(204)
            self.end_headers()
            return
        sends = {"/pictures": self.send_pictures, "/transport": self.send_transport}.get(self.path)
        if sends is None:
            self.send_error(404)
            return
        try:
            sends()
        except OSError:
            # The viewer hung up.
            return

    def send_pictures(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        due, number, coded = time.monotonic(), 0, b""
        while True:
            if self.server.shows != "still":
                pictures = self.server.pictures[self.server.shows]
                coded = pictures[number % len(pictures)]
                number += 1
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(coded)}\r\n\r\n"
            self.wfile.write(head.encode() + coded + b"\r\n")
            due = max(due + 1 / PER_S, time.monotonic() - 0.2)
            time.sleep(max(0.0, due - time.monotonic()))

    def send_transport(self):
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        content = self.server.transport
        size = max(1, round(len(content) / LENGTH_S / PER_S))
        while True:
            for start in range(0, len(content), size):
                self.wfile.write(content[start : start + size])
                time.sleep(1 / PER_S)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # A server that is frozen does not accept; the kernel keeps those who knock.
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, folder: Path, port: int) -> None:
        self.shows = "viewer"
        self.transport = (folder / "live.ts").read_bytes()
        self.pictures = {
            kind.name: [path.read_bytes() for path in sorted(kind.glob("*.jpg"))]
            for kind in folder.iterdir()
            if kind.is_dir()
        }
        super().__init__(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    server = Server(Path(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    server.serve_forever()
