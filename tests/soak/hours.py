"""Runs the kiosk for hours or days, and checks that it neither grows nor slows down.

    python tests/soak/hours.py --video ten_faces.mp4 --minutes 60 --folder /var/tmp/soak

The kiosk plays pictures and a video that change every five seconds, and watches the video as an
endless stream over HTTP. Every ten seconds memory, open files and threads of all its processes are
read, and how old the newest reading in the database is. The samples are kept in `samples.csv` in
the folder. At the end it prints one JSON document, and ends with status 1 where after the first ten
minutes (or the first sixth, if that is shorter) memory has grown by more than 5 %, open files or
threads have grown, or readings came later.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import yaml
from PIL import Image

from ads.sample import sample_playlist
from detector.sources.video_source import DEMO_VIDEO

FRAMES_PER_S = 25
SAMPLE_S = 10.0
AD_S = 5
WARM_UP_S = 600.0
MAX_GROWTH = 0.05
FIELDS = ("minute", "processes", "memory_mb", "files", "threads", "lag_s", "plays", "readings")


class Stream(ThreadingHTTPServer):
    """A camera on the network: a video over and over, as JPEG pictures."""

    daemon_threads = True

    def __init__(self, video: Path) -> None:
        self.pictures = list(_pictures(video))
        super().__init__(("127.0.0.1", 0), _Pictures)

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}/pictures"


class _Pictures(BaseHTTPRequestHandler):
    server: Stream

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        number, due = 0, time.monotonic()
        with suppress(OSError):
            while True:
                coded = self.server.pictures[number % len(self.server.pictures)]
                head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(coded)}\r\n\r\n"
                self.wfile.write(head.encode() + coded + b"\r\n")
                number, due = number + 1, max(due + 1 / FRAMES_PER_S, time.monotonic() - 0.2)
                time.sleep(max(0.0, due - time.monotonic()))

    def log_message(self, *_: object) -> None:
        pass


def _pictures(video: Path):
    capture = cv2.VideoCapture(str(video))
    while True:
        there, picture = capture.read()
        if not there:
            break
        yield cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    capture.release()


def make_playlist(folder: Path) -> Path:
    """Three pictures and two of the bundled videos, five seconds each."""
    ads = []
    for number, colour in enumerate(((200, 60, 40), (40, 140, 200), (60, 160, 80))):
        Image.new("RGB", (1920, 1080), colour).save(folder / f"picture-{number}.png")
        ads.append({"file": f"picture-{number}.png", "duration_s": AD_S})
    for video in ("solina.mp4", "nordlys.mp4"):
        shutil.copy(sample_playlist().parent / video, folder / video)
        ads.append({"file": video, "duration_s": AD_S})
    path = folder / "list.yaml"
    path.write_text(yaml.safe_dump({"ads": ads}), encoding="utf-8")
    return path


def family(root: int) -> list[int]:
    """A process and all that it has started, directly or not."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, IndexError):
                fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def sample(root: int, database: Path, began: float) -> dict[str, float]:
    """What the kiosk holds now."""
    memory_kb = files = threads = count = 0
    for process in family(root):
        with suppress(OSError):
            status = (Path("/proc") / str(process) / "status").read_text(encoding="utf-8")
            values = dict(line.split(":", 1) for line in status.splitlines())
            memory_kb += int(values["RssAnon"].split()[0])
            threads += int(values["Threads"])
            files += sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())
            count += 1
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        newest, readings = connection.execute("SELECT max(at), max(id) FROM readings").fetchone()
        (plays,) = connection.execute("SELECT count(*) FROM plays").fetchone()
    lag_s = float("nan")
    if newest is not None:
        lag_s = (
            datetime.now(UTC) - datetime.fromisoformat(newest).replace(tzinfo=UTC)
        ).total_seconds()
    return {
        "minute": round((time.monotonic() - began) / 60, 2),
        "processes": count,
        "memory_mb": round(memory_kb / 1024, 1),
        "files": files,
        "threads": threads,
        "lag_s": round(lag_s, 3),
        "plays": plays,
        "readings": readings or 0,
    }


def judge(samples: list[dict[str, float]], minutes: float) -> dict[str, object]:
    """Compares the end with the time after the warm-up, each as the median of a few minutes."""
    warm = min(WARM_UP_S / 60, minutes / 6)
    after = [row for row in samples if row["minute"] >= warm]
    part = max(3, len(after) // 10)
    first, last = after[:part], after[-part:]

    def medians(name: str) -> tuple[float, float]:
        return statistics.median(row[name] for row in first), statistics.median(
            row[name] for row in last
        )

    figures: dict[str, object] = {"minutes": samples[-1]["minute"], "samples": len(samples)}
    for name in ("memory_mb", "files", "threads", "lag_s", "processes"):
        figures[name] = dict(zip(("after_warm_up", "at_the_end"), medians(name), strict=True))
    before_mb, after_mb = medians("memory_mb")
    figures["memory_growth"] = round(after_mb / before_mb - 1, 4)
    figures["largest_lag_s"] = max(row["lag_s"] for row in after)
    figures["plays"], figures["readings"] = samples[-1]["plays"], samples[-1]["readings"]
    figures["kept"] = {
        "memory": after_mb / before_mb - 1 <= MAX_GROWTH,
        "files": medians("files")[1] <= medians("files")[0],
        "threads": medians("threads")[1]
        <= medians("threads")[0] + 1,  # a sound or a decoder may be between two ads
        "lag": medians("lag_s")[1] <= medians("lag_s")[0] + 0.5,
    }
    return figures


def main() -> None:
    """Run, sample, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--video", type=Path, default=DEMO_VIDEO)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    database = options.folder / "soak.db"
    stream = Stream(options.video)
    threading.Thread(target=stream.serve_forever, daemon=True).start()
    command = [
        sys.executable,
        "-m",
        "monitor",
        "run",
        "--source",
        stream.address,
        "--db",
        str(database),
    ]
    command += [
        "--playlist",
        str(make_playlist(options.folder)),
        "--duration",
        str(options.minutes * 60),
    ]
    environment = os.environ | {"QT_QPA_PLATFORM": os.environ.get("QT_QPA_PLATFORM", "offscreen")}
    samples: list[dict[str, float]] = []
    with (
        (options.folder / "kiosk.log").open("w", encoding="utf-8") as log,
        (options.folder / "samples.csv").open("w", newline="", encoding="utf-8") as table,
    ):
        rows = csv.DictWriter(table, FIELDS)
        rows.writeheader()
        kiosk = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        began = time.monotonic()
        try:
            while kiosk.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    kiosk.wait(SAMPLE_S)
                if kiosk.poll() is None and database.exists():
                    with suppress(sqlite3.OperationalError):
                        samples.append(sample(kiosk.pid, database, began))
                        rows.writerow(samples[-1])
                        table.flush()
        finally:
            if kiosk.poll() is None:
                kiosk.send_signal(signal.SIGTERM)
                kiosk.wait(30)
            stream.shutdown()
    if not samples:
        sys.exit(
            f"The kiosk ended at once with status {kiosk.returncode}; see {options.folder / 'kiosk.log'}."
        )
    figures = judge(samples, options.minutes) | {"status": kiosk.returncode}
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    sys.exit(0 if kiosk.returncode == 0 and all(figures["kept"].values()) else 1)


if __name__ == "__main__":
    main()
