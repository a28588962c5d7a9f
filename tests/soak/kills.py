"""Kills the window, the sensor or both of a supervised kiosk at random, and checks that nothing is
lost.

    python tests/soak/kills.py --kills 100 --folder /var/tmp/kills

The kiosk watches an endless stream of the demo viewer over HTTP, which the program ffmpeg makes of
the bundled recording. After every kill the show has to come back and readings have to be written
again; sometimes the next kill does not wait for that. At the end every reading that was committed
before a kill must still be there, every session be closed, and the database be whole. It prints its
figures as one JSON document and ends with status 1 where something was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

from detector.sources.video_source import DEMO_VIDEO

RETURN_LIMIT_S = 150.0
"""Until readings are written again; most of it is the pause after the sensor has died too often
within a minute.
"""
IMPATIENT = 0.2
"""Share of kills after which the next one does not wait for readings."""
NO_RESTART_LIMIT = 1_000_000


@dataclass(frozen=True)
class Snapshot:
    """What was committed just before a kill.

    Attributes:
        newest: Highest id of a reading.
        count: Readings up to it.
        checksum: Sum over their contents.
    """

    newest: int
    count: int
    checksum: float


@dataclass
class Figures:
    """What a run of kills came to."""

    kills: int = 0
    by_victim: dict[str, int] = field(default_factory=dict)
    sessions: int = 0
    interrupted: int = 0
    readings: int = 0
    return_s_median: float = 0.0
    return_s_longest: float = 0.0
    supervisor_rss_mb: float = 0.0
    problems: list[str] = field(default_factory=list)


class StreamHandler(BaseHTTPRequestHandler):
    """Gives every client an endless transport stream in real time."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        command = [
            "ffmpeg",
            "-loglevel",
            "error",
            "-re",
            "-stream_loop",
            "-1",
            "-i",
            str(DEMO_VIDEO),
        ]
        coder = subprocess.Popen(
            [*command, "-c", "copy", "-f", "mpegts", "-"], stdout=subprocess.PIPE
        )
        try:
            while content := coder.stdout.read1(1 << 16):
                self.wfile.write(content)
        except OSError:
            # The viewer hung up, or was killed.
            return
        finally:
            coder.kill()
            coder.wait()
            coder.stdout.close()

    def log_message(self, *_: object) -> None:
        """Nothing: every kill is a broken connection."""


class Database:
    """Looks into the database of a kiosk that is writing it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, query: str, *values: object) -> list[tuple]:
        """The rows; none while the database is not there yet."""
        if not self._path.exists():
            return []
        with closing(
            sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=20)
        ) as connection:
            try:
                return connection.execute(query, values).fetchall()
            except sqlite3.OperationalError:
                return []

    def newest(self) -> int:
        found = self.rows("SELECT max(id) FROM readings")
        return (found[0][0] or 0) if found else 0

    def snapshot(self, newest: int | None = None) -> Snapshot:
        """What is committed, up to a reading or all of it."""
        newest = self.newest() if newest is None else newest
        query = "SELECT count(*), total(valence) + total(yaw) + total(julianday(at)) FROM readings WHERE id <= ?"
        count, checksum = (self.rows(query, newest) or [(0, 0.0)])[0]
        return Snapshot(newest, count, checksum)


def children(pid: int) -> list[int]:
    """Process ids of the children of a process."""
    with suppress(OSError):
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").glob("*/children")
            for child in task.read_text().split()
        ]
    return []


def is_sensor(pid: int) -> bool:
    with suppress(OSError):
        return b"sensor_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def wait_until(question, limit_s: float) -> float | None:
    """Seconds until a question had a true answer; `None` if it had none in time."""
    began = time.monotonic()
    while time.monotonic() - began < limit_s:
        if question():
            return time.monotonic() - began
        time.sleep(0.1)
    return None


def write_playlist(folder: Path) -> Path:
    for number in (1, 2, 3):
        Image.new("RGB", (640, 360), (70 * number, 90, 255 - 70 * number)).save(
            folder / f"ad{number}.png"
        )
    playlist = folder / "playlist.yaml"
    entries = [f"  - file: ad{number}.png\n    duration_s: {number + 1}\n" for number in (1, 2, 3)]
    playlist.write_text("ads:\n" + "".join(entries))
    return playlist


class Murderer:
    """Runs the kiosk and kills its parts."""

    def __init__(self, folder: Path, stream: str, seed: int) -> None:
        self._draws = random.Random(seed)  # noqa: S311 (no secret)
        self.database = Database(folder / "monitor.db")
        self.figures = Figures()
        self._snapshots: list[Snapshot] = []
        self._returns: list[float] = []
        options = [
            "--source",
            stream,
            "--playlist",
            str(write_playlist(folder)),
            "--db",
            str(folder / "monitor.db"),
        ]
        kept = [
            "--duration",
            "1000000",
            "--log",
            str(folder / "run.log"),
            "--restart-limit",
            str(NO_RESTART_LIMIT),
        ]
        self._said = (folder / "said.txt").open("w")
        self.supervisor = subprocess.Popen(
            [sys.executable, "-m", "monitor", "run", "--supervised", *options, *kept],
            env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
            cwd=folder,
            stdout=self._said,
            stderr=self._said,
        )

    def window(self) -> int | None:
        return next(iter(children(self.supervisor.pid)), None)

    def sensor(self) -> int | None:
        window = self.window()
        return (
            next((child for child in children(window) if is_sensor(child)), None)
            if window
            else None
        )

    def kill_once(self) -> None:
        """One kill, and the return of the show."""
        time.sleep(self._draws.uniform(0.2, 4.0))
        victim = self._draws.choice(("window", "sensor", "both"))
        window, sensor = self.window(), self.sensor()
        if window is None or (victim == "sensor" and sensor is None):
            # Between two starts there is nothing to kill; another time.
            return
        before = self.database.snapshot()
        for pid in {"window": (window,), "sensor": (sensor,), "both": (window, sensor)}[victim]:
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.figures.kills += 1
        self.figures.by_victim[victim] = self.figures.by_victim.get(victim, 0) + 1
        self._snapshots.append(before)
        newest = self.database.newest()
        if self._draws.random() < IMPATIENT:
            return
        # A window that was killed leaves what it had written; only readings after the restart
        # count.
        returned_s = wait_until(lambda: self.database.newest() > newest + 5, RETURN_LIMIT_S)
        if returned_s is None:
            self.figures.problems.append(
                f"no reading within {RETURN_LIMIT_S:.0f} s of kill {self.figures.kills} ({victim})"
            )
        else:
            self._returns.append(returned_s)

    def finish(self) -> Figures:
        """End the kiosk and look at what is left."""
        figures, database = self.figures, self.database
        # The end must find a session that has begun.
        newest = database.newest()
        if wait_until(lambda: database.newest() > newest, RETURN_LIMIT_S) is None:
            figures.problems.append("no reading at the end")
        for line in Path(f"/proc/{self.supervisor.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                figures.supervisor_rss_mb = round(int(line.split()[1]) / 1024, 1)
        left = [pid for pid in (self.window(), self.sensor()) if pid is not None]
        self.supervisor.terminate()
        if (status := self.supervisor.wait(90)) != 0:
            figures.problems.append(f"the supervisor ended with status {status}")
        self._said.close()
        figures.problems += [
            f"process {pid} is left" for pid in left if Path(f"/proc/{pid}").exists()
        ]
        lost = [one for one in self._snapshots if database.snapshot(one.newest) != one]
        if lost:
            figures.problems.append(
                f"readings committed before {len(lost)} kills are lost or changed"
            )
        figures.problems += [
            f"{what}: {found}"
            for what, query, expected in (
                (
                    "sessions that are open",
                    "SELECT count(*) FROM sessions WHERE ended_at IS NULL",
                    [(0,)],
                ),
                (
                    "plays that are open",
                    "SELECT count(*) FROM plays WHERE ended_at IS NULL",
                    [(0,)],
                ),
                ("gaps that are open", "SELECT count(*) FROM gaps WHERE ended_at IS NULL", [(0,)]),
                ("broken foreign keys", "PRAGMA foreign_key_check", []),
                ("the integrity check", "PRAGMA integrity_check", [("ok",)]),
            )
            if (found := database.rows(query)) != expected
        ]
        figures.sessions = database.rows("SELECT count(*) FROM sessions")[0][0]
        figures.interrupted = database.rows(
            "SELECT count(*) FROM sessions WHERE end_reason = 'interrupted'"
        )[0][0]
        figures.readings = database.rows("SELECT count(*) FROM readings")[0][0]
        if self._returns:
            figures.return_s_median = round(sorted(self._returns)[len(self._returns) // 2], 1)
            figures.return_s_longest = round(max(self._returns), 1)
        return figures

    def abandon(self) -> None:
        """Leave no process behind, whatever happened."""
        for pid in (self.sensor(), self.window()):
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.supervisor.kill()
        self.supervisor.wait()


def main() -> int:
    """Run the kills."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--folder", type=Path, help="Where to leave the database and the logs. Default: nowhere."
    )
    arguments = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        sys.stderr.write(
            "The program ffmpeg is needed as the source of a stream: expected it on the path; install it.\n"
        )
        return 2
    kept = arguments.folder
    folder = kept or Path(tempfile.mkdtemp(prefix="kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), StreamHandler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="stream", daemon=True).start()
    murderer = Murderer(folder, f"http://127.0.0.1:{server.server_port}/live.ts", arguments.seed)
    try:
        if wait_until(lambda: murderer.database.newest() > 0, RETURN_LIMIT_S) is None:
            sys.stderr.write("The kiosk wrote no reading; see said.txt and run.log.\n")
            return 1
        while murderer.figures.kills < arguments.kills:
            murderer.kill_once()
            if murderer.supervisor.poll() is not None:
                sys.stderr.write(
                    f"The supervisor ended with status {murderer.supervisor.returncode}.\n"
                )
                return 1
            sys.stderr.write(f"\r{murderer.figures.kills} kills")
        figures = murderer.finish()
    finally:
        murderer.abandon()
        server.shutdown()
        server.server_close()
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write("\n" + json.dumps(asdict(figures), indent=2) + "\n")
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
