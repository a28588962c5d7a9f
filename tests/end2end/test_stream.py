"""A camera on the network that comes and goes."""

from __future__ import annotations

import io
import signal
import socket
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import pytest

CHUNKS_PER_S = 20


@pytest.fixture(scope="module")
def transport_stream():
    """The demo viewer as an MPEG transport stream: its bytes and its length in seconds."""
    from detector.sources.video_source import DEMO_VIDEO

    out = io.BytesIO()
    with av.open(str(DEMO_VIDEO)) as source, av.open(out, "w", format="mpegts") as target:
        video = source.streams.video[0]
        copy = target.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
        length_s = float(video.duration * video.time_base)
    return out.getvalue(), length_s


@pytest.fixture
def camera(transport_stream):
    """Serves the stream in real time; `hang_up` ends the present connection, `away` refuses new
    ones.
    """
    content, length_s = transport_stream
    hang_up, away, stopped = threading.Event(), threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if away.is_set():
                self.send_error(503)
                return
            hang_up.clear()
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            size = max(1, round(len(content) / length_s / CHUNKS_PER_S))
            for start in range(0, len(content), size):
                if stopped.is_set() or hang_up.wait(1 / CHUNKS_PER_S):
                    return
                try:
                    self.wfile.write(content[start : start + size])
                except OSError:
                    return

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False

    server = Server(("127.0.0.1", 0), Handler)
    server.hang_up, server.away = hang_up, away
    serving = threading.Thread(target=server.serve_forever, name="test-camera")
    serving.start()
    yield server
    stopped.set()
    server.shutdown()
    server.server_close()
    serving.join(60)


@pytest.fixture
def black_hole():
    """An address that answers no connection: the queue of those who knock is full."""
    with ExitStack() as opened:
        hole = opened.enter_context(socket.socket())
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for _ in range(4):
            knocking = opened.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(hole.getsockname())
        yield f"127.0.0.1:{hole.getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_an_address_that_does_not_answer_holds_up_neither_the_ads_nor_the_end(
    program, make_playlist, black_hole, wait_for, scheme
):
    source = ["--source", f"{scheme}://{black_hole}/1", "--playlist", str(make_playlist([1.0]))]
    process = program.start("run", "--supervised", "--headless", *source)
    wait_for(lambda: program.rows("SELECT 1 FROM plays LIMIT 1"), what="an ad")
    began_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    # Two seconds, unless others want the machine.
    assert time.monotonic() - began_s < 5
    assert program.rows("SELECT DISTINCT cause FROM gaps") == [("sensor_starting",)]


def test_a_lost_stream_is_a_gap_and_comes_back(program, make_playlist, camera, wait_for):
    playlist = make_playlist([2.0, 2.0])
    address = f"http://127.0.0.1:{camera.server_port}/live.ts"
    process = program.start("run", "--headless", "--source", address, "--playlist", str(playlist))

    def one(query):
        return next(iter(program.rows(query)), None)

    wait_for(lambda: one("SELECT 1 FROM readings LIMIT 1"), what="a reading")
    camera.away.set()
    camera.hang_up.set()
    cause, detail = wait_for(lambda: one("SELECT cause, detail FROM gaps"), what="a gap")
    assert cause == "camera_lost"
    assert "no more pictures" in detail
    camera.away.clear()
    (ended,) = wait_for(
        lambda: one("SELECT ended_at FROM gaps WHERE ended_at IS NOT NULL"), what="the gap's end"
    )
    wait_for(
        lambda: one(f"SELECT 1 FROM readings WHERE at >= '{ended}' LIMIT 1"),
        what="readings after the gap",
    )
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    # The same sensor went on: the ads did not stop, and nothing was lost.
    assert one("SELECT count(*) FROM gaps") == (1,)
    assert one("SELECT count(*) FROM plays WHERE outcome = 'failed'") == (0,)
    assert one("SELECT lost FROM sessions") == (0,)
