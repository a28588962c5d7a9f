"""Many kiosks that send to one hub: how long an answer takes, and how much memory the hub needs.

    python -m benchmarks.hub_intake --kiosks 200 --seconds 600 --postgresql --processes 2

starts a database and `ad-monitor hub serve` in a temporary folder. Each kiosk sends an envelope a
second with the sums of one play before three viewers; with --backlog it begins with the sums of so
many plays, a hundred in an envelope. At the end every sum must be there, once.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zstandard
from sqlalchemy import func, select

from db.engine import open_database
from db.schema import Exposure, ExposureSecond, Play
from db.transfer.envelope import pack
from monitor.backoff import Backoff
from tests.helpers.hub_process import hub_process
from tests.helpers.postgres_server import binaries, running
from tests.helpers.simulated_kiosks import Line, SimulatedKiosk

if TYPE_CHECKING:
    import subprocess

VIEWERS, AD_SECONDS = 3, 10


@dataclass
class Measured:
    """What the kiosks saw; times in seconds, of an answer from the first byte sent to its last.

    `behind` is how many kiosks have a backlog, `drained_s` when the last of these had none.
    """

    live: list[float] = field(default_factory=list)
    backlog: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    late: int = 0
    behind: int = 0
    drained_s: float | None = None
    guard: threading.Lock = field(default_factory=threading.Lock)
    began: float = field(default_factory=time.monotonic)

    def refuse(self, why: str) -> None:
        """Count an answer that was no success."""
        with self.guard:
            self.refused[why] = self.refused.get(why, 0) + 1

    def caught_up(self) -> None:
        """Count a kiosk whose backlog the hub has."""
        with self.guard:
            self.behind -= 1
            self.drained_s = round(time.monotonic() - self.began, 1)


def resident_mb(process: subprocess.Popen[str]) -> float:
    """Return the memory of a process, in MB."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def cpu_s(process: subprocess.Popen[str]) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Texts:
    """What one kiosk sends, to be sent by any in its own name: making it is slower than storing it.

    Attributes:
        model: Whose names are in the texts.
        texts: Of envelopes, in the order in which they are sent.
        old: How many of these are of the backlog.
        backlog: Plays in them.
    """

    model: SimulatedKiosk
    texts: list[bytes]
    old: int
    backlog: int

    @classmethod
    def make(cls, backlog: int, live: int) -> Texts:
        """Make the envelopes of so many plays, a hundred together, and of so many more, one each."""
        model = SimulatedKiosk(0, viewers=VIEWERS)
        texts: list[bytes] = []

        def add() -> None:
            envelope = model.envelope(100)
            texts.append(zstandard.decompress(pack(envelope)))
            model.confirm(envelope.last)

        model.play(backlog)
        while model.watermark < model.made:
            add()
        old = len(texts)
        for _ in range(live):
            model.play()
            add()
        return cls(model, texts, old, backlog)

    def of(self, kiosk: SimulatedKiosk) -> list[bytes]:
        """Return the envelopes of a kiosk, packed."""
        packer = zstandard.ZstdCompressor()
        kiosks = self.model.kiosk.encode(), kiosk.kiosk.encode()
        epochs = self.model.epoch.encode(), kiosk.epoch.encode()
        return [packer.compress(text.replace(*kiosks).replace(*epochs)) for text in self.texts]


class Sender(threading.Thread):
    """One kiosk: its backlog as fast as it may, then an envelope a second.

    Args:
        kiosk: Which one.
        texts: Of its envelopes.
        urls: Of the hub's processes; it takes one after the other.
        measured: Gets what it sees.
        ends_early: Whether to end as soon as no kiosk has a backlog.

    Attributes:
        plays: How many of them the hub has confirmed.
    """

    def __init__(
        self,
        kiosk: SimulatedKiosk,
        texts: Texts,
        urls: list[str],
        measured: Measured,
        *,
        ends_early: bool,
    ) -> None:
        super().__init__(daemon=True)
        self._kiosk = kiosk
        self._envelopes, self._texts = texts.of(kiosk), texts
        # A hub limits how many connections come from one address.
        source = f"127.0.0.{2 + kiosk.index % 250}"
        self._lines = [Line(url, source=source) for url in urls]
        self._measured = measured
        self._ends_early = ends_early
        self._random = np.random.default_rng(kiosk.index)
        self._backoff = Backoff(5.0, 300.0, jitter=0.5)  # As a kiosk has it.
        self.plays = 0

    def run(self) -> None:
        """Send all envelopes, each until it is stored."""
        began = time.monotonic() + self._random.random()
        for number, packed in enumerate(self._envelopes[: self._texts.old]):
            self._deliver(packed, number, self._measured.backlog)
        self.plays = self._texts.backlog
        self._measured.caught_up()
        for number, packed in enumerate(self._envelopes[self._texts.old :]):
            time.sleep(max(0.0, began + number - time.monotonic()))
            if self._ends_early and not self._measured.behind:
                break
            self._measured.late += time.monotonic() > began + number + 1
            self._deliver(packed, number, self._measured.live)
            self.plays += 1
        for line in self._lines:
            line.close()

    def _deliver(self, packed: bytes, number: int, times: list[float]) -> None:
        while True:
            line = self._lines[(number + self._kiosk.index) % len(self._lines)]
            began = time.monotonic()
            try:
                status, _ = line.send(self._kiosk, packed)
            except (OSError, http.client.HTTPException) as error:
                self._measured.refuse(type(error).__name__)
            else:
                if status == 200:
                    times.append(time.monotonic() - began)
                    self._backoff.reset()
                    return
                self._measured.refuse(str(status))
            line.close()
            time.sleep(self._backoff.pause_s())


def stored(url: str) -> dict[str, int]:
    """Return how many rows the hub has."""
    engine = open_database(url, read_only=True)
    with engine.connect() as connection:
        counts = {
            table.__tablename__: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (Play, Exposure, ExposureSecond)
        }
    engine.dispose()
    return counts


def measure(url: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Let kiosks send to a hub with this database."""
    engine = open_database(url)
    kiosks = [SimulatedKiosk(number, viewers=VIEWERS) for number in range(options.kiosks)]
    for number, kiosk in enumerate(kiosks):
        kiosk.join(engine, f"Screen {number}")
    engine.dispose()
    seconds, behind = round(options.seconds), options.behind
    if behind is None:
        texts = [Texts.make(options.backlog, seconds)] * len(kiosks)
    else:
        texts = [Texts.make(options.backlog, 0)] * behind
        texts += [Texts.make(0, seconds)] * (len(kiosks) - behind)
    with ExitStack() as stack:
        hubs = [
            stack.enter_context(hub_process(url, folder / f"hub-{number}.log"))
            for number in range(options.processes)
        ]
        addresses = [address for address, _ in hubs]
        used = sum(cpu_s(process) for _, process in hubs)
        measured = Measured(behind=len(kiosks))
        senders = [
            Sender(kiosk, own, addresses, measured, ends_early=behind is not None)
            for kiosk, own in zip(kiosks, texts, strict=True)
        ]
        began = measured.began = time.monotonic()
        for sender in senders:
            sender.start()
        memory, seen = [], 0
        while any(sender.is_alive() for sender in senders):
            time.sleep(min(10.0, options.seconds / 10))
            memory.append([round(resident_mb(process)) for _, process in hubs])
            took = time.monotonic() - began
            lately, seen = measured.live[seen:], len(measured.live)
            print(
                f"{took:.0f} s: {len(measured.live)} live (lately {figures(lately, took)}), "
                f"{len(measured.backlog)} of the backlog, refused {measured.refused}, "
                f"memory {memory[-1]} MB",
                file=sys.stderr,
            )
        took = time.monotonic() - began
        used = sum(cpu_s(process) for _, process in hubs) - used
    made = sum(sender.plays for sender in senders)
    expected = {
        "plays": made,
        "exposures": made * VIEWERS,
        "exposure_seconds": made * VIEWERS * AD_SECONDS,
    }
    found = stored(url)
    return {
        "database": url.partition(":")[0] if "://" in url else "sqlite",
        "processes": options.processes,
        "kiosks": options.kiosks,
        "seconds": round(took, 1),
        "live": figures(measured.live, took),
        "backlog": figures(measured.backlog, took) | {"drained_s": measured.drained_s},
        "refused": measured.refused,
        "late": measured.late,
        "hub_cpu_ms_per_envelope": round(
            1000 * used / max(1, len(measured.live) + len(measured.backlog)), 2
        ),
        "memory_mb": {"first": memory[:2], "last": memory[-2:]},
        "stored": found,
        "all_stored_once": found == expected,
        "load_average": os.getloadavg(),
    }


def figures(times: list[float], took: float) -> dict[str, float | None]:
    """Return rate and quantiles of answers, in milliseconds."""
    if not times:
        return {"envelopes": 0}
    p50, p95, p99 = np.quantile(times, [0.5, 0.95, 0.99]) * 1000
    return {
        "envelopes": len(times),
        "per_s": round(len(times) / took, 1),
        "p50_ms": round(p50, 1),
        "p95_ms": round(p95, 1),
        "p99_ms": round(p99, 1),
        "max_ms": round(1000 * max(times), 1),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kiosks", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--backlog", type=int, default=0, help="plays that wait at the start")
    parser.add_argument(
        "--behind",
        type=int,
        help="only so many kiosks have a backlog, and send nothing else; the others go on for "
        "--seconds, or until it is stored",
    )
    parser.add_argument("--postgresql", action="store_true", help="by default SQLite")
    options = parser.parse_args()
    sys.setswitchinterval(0.0005)  # The kiosks are threads, and should not wait for each other.
    with tempfile.TemporaryDirectory(prefix="ad-monitor-intake-") as name, ExitStack() as stack:
        folder = Path(name)
        url = str(folder / "hub.db")
        if options.postgresql:
            programs = binaries()
            if programs is None:
                parser.error("no PostgreSQL server is installed")
            server = stack.enter_context(running(programs))
            server.execute(
                "ALTER SYSTEM SET fsync = on"
            )  # As a hub's database has it, unlike a test's.
            server.execute("SELECT pg_reload_conf()")
            url = server.url(server.new_database())
        print(json.dumps(measure(url, options, folder), indent=2))


if __name__ == "__main__":
    main()
