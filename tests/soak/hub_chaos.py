"""Kiosks and a hub that are killed at random, over a network that damages what it carries.

    python -m tests.soak.hub_chaos --minutes 20 --folder /var/tmp/chaos

Eight kiosks write sessions as the real ones do, with the real writer and uplink; two hub processes
share one PostgreSQL. All of them, the server included, are killed at random. Between kiosks and hub
is a proxy that drops, repeats, delays and damages envelopes, and loses answers. The clock of one
kiosk is set by a day again and again, and one kiosk gets a new database. At the end every sum on the
hub must be on a kiosk and the other way round. It prints its figures as one JSON document, and ends
with status 1 where something was wrong.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from db.engine import open_database, writing
from db.hub.screens import pairing
from db.hub.tables.alerts import Alert
from db.hub.tables.intake import SetAside
from db.hub.tables.screens import Screen
from db.schema import (
    Ad,
    Exposure,
    ExposureSecond,
    Gap,
    Origin,
    Play,
    ReadingCount,
    Session,
    Viewer,
)
from db.transfer.records import columns
from db.transfer.uplink import UplinkStore
from db.write.records import ClockSet, GapEnded, GapStarted, SessionEnded
from db.write.recovery import open_to_record
from db.write.session_writer import SessionWriter
from monitor.uplink import sender
from monitor.uplink.pace import Pace
from monitor.uplink.service import UplinkService, Wishes
from tests.helpers.making import Make
from tests.helpers.postgres_server import binaries, running

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

DRAWS = random.Random()  # noqa: S311 (no secret)

KIOSKS = 8
HUBS = 2
DAY = timedelta(days=1)


# A kiosk without camera or window, in a separate process.


class Kiosk:
    """Writes a play of a second with three viewers after another, and sends what it sums up."""

    def __init__(self, database: Path, *, sets_clock: bool) -> None:
        self._database = database
        self._sets_clock = sets_clock
        self._make = Make()
        self._step = timedelta(0)
        self._stopping = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: self._stopping.set())

    def run(self) -> bool:
        """Write sessions until SIGTERM, send the rest; return whether the hub has it all."""
        sender.Pace = lambda: Pace(every_s=3.0)  # type: ignore[misc,assignment,return-value]
        opened = open_to_record(str(self._database), self._database.parent)
        service = UplinkService(opened.engine, self._database, Wishes(), lambda _least: None)
        service.prepare()
        service.start()
        while not self._stopping.is_set():
            self._write_session(opened, DRAWS.randint(5, 40))
        has_it_all = _drain(UplinkStore(opened.engine))
        service.stop()
        opened.engine.dispose()
        return has_it_all

    def _now(self) -> datetime:
        return datetime.now(UTC) + self._step

    def _write_session(self, opened: Any, plays: int) -> None:
        make = self._make
        session = make.session(started_at=self._now(), settings={"readings_per_second": 10})
        writer = SessionWriter(opened.engine, session, spool=opened.place, recovery=opened.recovery)
        for number in range(1, plays + 1):
            if self._stopping.wait(0.1):
                break
            ad = make.ad(DRAWS.choice(("summer", "winter", "autumn")))
            begin = self._now()
            shift = begin - make.start
            writer.submit(ad)
            start = make.play(number, shift.total_seconds(), ad.ad_id)
            writer.submit(start)
            if number % 5 == 0:
                writer.submit(GapStarted(begin, "camera lost", "unplugged"))
            for place in range(15):
                viewer = 3 * (number // 4) + place % 3 + 1
                seconds = shift.total_seconds() + place / 15
                writer.submit(
                    make.reading(
                        seconds, viewer, number, position_ms=place * 66.0, valence=DRAWS.random()
                    )
                )
            time.sleep(0.9)
            if number % 5 == 0:
                writer.submit(GapEnded(self._now(), "camera lost"))
            writer.submit(make.play_end(number, (self._now() - make.start).total_seconds()))
            if self._sets_clock and number % 10 == 0:
                step = DAY if self._step == timedelta(0) else -DAY
                writer.submit(ClockSet(step.total_seconds()))
                self._step += step
        writer.close(SessionEnded(self._now(), "finished", frames=10))


def _drain(store: UplinkStore, limit_s: float = 240.0) -> bool:
    """Wait until the hub has everything, and everything is rolled up."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        with suppress(Exception):
            if store.state().waiting == 0:
                return True
        time.sleep(1.0)
    return False


# The network.


class Proxy(ThreadingHTTPServer):
    """Passes envelopes on to one hub or another, most of them unharmed."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self.done: Counter[str] = Counter()
        self.is_calm = False
        super().__init__(("127.0.0.1", 0), _Carrier)


class _Carrier(BaseHTTPRequestHandler):
    server: Proxy

    def do_POST(self) -> None:
        proxy = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fates = ("as it is", "twice", "late copy", "damaged", "lost", "answer lost")
        weights = (5, 1, 1, 1, 1, 1)
        fate = "as it is" if proxy.is_calm else DRAWS.choices(fates, weights)[0]
        proxy.done[fate] += 1
        if fate == "lost":
            self.close_connection = True
            return
        if fate == "late copy":
            # After envelopes that were sent later.
            threading.Timer(DRAWS.uniform(3, 20), self._pass_on, (body,)).start()
        if fate == "damaged":
            place = DRAWS.randrange(len(body))
            body = body[:place] + bytes([body[place] ^ 0x55]) + body[place + 1 :]
        answer = self._pass_on(body)
        if fate == "twice":
            answer = self._pass_on(body)
        if fate == "answer lost" or answer is None:
            self.close_connection = True
            return
        status, headers, content = answer
        self.send_response(status)
        for name in ("Content-Type", "Retry-After"):
            if name in headers:
                self.send_header(name, headers[name])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _pass_on(self, body: bytes) -> tuple[int, Any, bytes] | None:
        connection = http.client.HTTPConnection(
            "127.0.0.1", DRAWS.choice(self.server.ports), timeout=20
        )
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        try:
            connection.request("POST", self.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except OSError:
            return None
        except http.client.HTTPException:
            return None
        finally:
            connection.close()

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


# What is there in the end.


def sums(engine: Engine, kiosk: str) -> dict[str, set[Any]]:
    """Return all rows of a kiosk that travel, by names that hold in every database."""
    found: dict[str, set[Any]] = {}
    own = (Origin.epoch, Session.number)
    with engine.connect() as connection:
        for table in (Session, Play, Viewer, Gap, Exposure, ExposureSecond, ReadingCount):
            names: list[Any] = list(own)
            if table is Play:
                names += [Ad.ad_id, Ad.duration_ms]
            elif table in {Exposure, ExposureSecond}:
                names += [Play.number, Viewer.number]
            elif table is ReadingCount:
                names += [Viewer.number]
            query = select(*names, *(getattr(table, name) for name in columns(table)))
            query = query.select_from(table)
            if table is Play:
                query = query.join(Ad, Ad.id == Play.ad_version_id)
                query = query.where(Play.rolled_up)
            if table in {Exposure, ExposureSecond}:
                query = query.join(Play, Play.id == table.play_id)
                query = query.join(Viewer, Viewer.id == table.viewer_id)
            if table is ReadingCount:
                query = query.join(Viewer, Viewer.id == table.viewer_id)
            if table is not Session:
                holder = Viewer if table is ReadingCount else table
                holder = Play if table in {Exposure, ExposureSecond} else holder
                query = query.join(Session, Session.id == holder.session_id)
            query = query.join(Origin, Origin.id == Session.origin_id)
            rows = connection.execute(query.where(Origin.kiosk == kiosk)).all()
            found[table.__tablename__] = {json.dumps(list(row), default=str) for row in rows}
            if len(found[table.__tablename__]) != len(rows):
                raise AssertionError(f"{table.__tablename__}: rows that are there twice")
    return found


# The run.


@dataclass
class Run:
    """Everything that runs."""

    folder: Path
    hub_url: str
    hubs: list[subprocess.Popen[bytes] | None] = field(default_factory=list)
    kiosks: list[subprocess.Popen[str] | None] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)

    def start_hub(self, place: int, port: int) -> None:
        log = (self.folder / f"hub{place}.log").open("ab")
        self.hubs[place] = subprocess.Popen(
            [sys.executable, "-m", "monitor", "hub", "serve", "--db", self.hub_url]
            + ["--port", str(port)],
            stdout=log,
            stderr=log,
        )

    def start_kiosk(self, place: int) -> None:
        log = (self.folder / f"kiosk{place}.log").open("a")
        self.kiosks[place] = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.hub_chaos", "--kiosk", str(self.database(place))]
            + (["--sets-clock"] if place == 1 else []),
            stdout=log,
            stderr=log,
            text=True,
        )

    def database(self, place: int) -> Path:
        return self.folder / f"kiosk{place}" / "kiosk.db"


def join(run: Run, engine: Engine, place: int, address: str) -> str:
    """Make a screen, and join a kiosk to it through the real command."""
    now = datetime.now(UTC)
    with writing(engine) as connection:
        texts = dict.fromkeys(("group_name", "venue_type"), "")
        row = Screen(
            uid=f"{place:032x}",
            name=f"Screen {place}",
            site="Shop",
            time_zone="UTC",
            tags=[],
            opening=[],
            created_at=now,
            **texts,
        )
        values = {c.name: getattr(row, c.name) for c in Screen.__table__.columns if c.name != "id"}
        screen = connection.execute(Screen.__table__.insert().values(**values))
        code = pairing.code_for_screen(connection, screen.inserted_primary_key[0], "chaos", now)
    database = run.database(place)
    database.parent.mkdir(parents=True)
    open_database(str(database)).dispose()
    subprocess.run(
        [sys.executable, "-m", "monitor", "join", address, code[0]] + ["--db", str(database)],
        check=True,
    )
    with open_database(str(database)).connect() as connection:
        return str(connection.scalar(select(Origin.kiosk).where(Origin.is_here)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kiosk", type=Path)
    parser.add_argument("--sets-clock", action="store_true")
    options = parser.parse_args()
    if options.kiosk is not None:
        return 0 if Kiosk(options.kiosk, sets_clock=options.sets_clock).run() else 1
    DRAWS.seed(options.seed)
    programs = binaries()
    if programs is None:
        raise SystemExit("No PostgreSQL server is installed.")
    options.folder.mkdir(parents=True)
    with running(programs) as server:
        return _run(options, server)


def _run(options: argparse.Namespace, server: Any) -> int:
    url = server.url(server.new_database())
    engine = open_database(url)
    run = Run(options.folder, url, [None] * HUBS, [None] * KIOSKS)
    ports = [_free_port() for _ in range(HUBS)]
    subprocess.run([sys.executable, "-m", "monitor", "hub", "init", "--db", url], check=True)
    for place, port in enumerate(ports):
        run.start_hub(place, port)
    proxy = Proxy(ports)
    proxy.is_calm = True
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{proxy.server_address[1]}"
    time.sleep(10)
    names = [join(run, engine, place, address) for place in range(KIOSKS)]
    proxy.is_calm = False
    for place in range(KIOSKS):
        run.start_kiosk(place)
    begin = time.monotonic()
    replaced = False
    while time.monotonic() - begin < 60 * options.minutes:
        time.sleep(DRAWS.uniform(2, 12))
        victim = DRAWS.choices(("kiosk", "hub", "server"), (6, 3, 1))[0]
        run.kills[victim] += 1
        if victim == "kiosk":
            place = DRAWS.randrange(KIOSKS)
            _kill(run.kiosks[place])
            time.sleep(DRAWS.uniform(0, 3))
            run.start_kiosk(place)
        elif victim == "hub":
            place = DRAWS.randrange(HUBS)
            _kill(run.hubs[place])
            time.sleep(DRAWS.uniform(0, 5))
            run.start_hub(place, ports[place])
        else:
            server.stop("immediate")
            time.sleep(DRAWS.uniform(0, 5))
            server.start()
        if not replaced and time.monotonic() - begin > 30 * options.minutes:
            replaced = True
            _replace_database(run, proxy)
    proxy.is_calm = True
    drained = [_finish(process) for process in run.kiosks]
    return _compare(run, proxy, engine, names, drained)


def _replace_database(run: Run, proxy: Proxy) -> None:
    """Let the last kiosk send everything, and take its database away."""
    proxy.is_calm = True
    _finish(run.kiosks[-1])
    proxy.is_calm = False
    database = run.database(KIOSKS - 1)
    for end in ("", "-wal", "-shm"):
        file = database.with_name(database.name + end)
        if file.exists():
            file.rename(database.with_name("before.db" + end))
    run.start_kiosk(KIOSKS - 1)


def _compare(run: Run, proxy: Proxy, engine: Engine, names: list[str], drained: list[bool]) -> int:
    wrong: list[str] = []
    rows: Counter[str] = Counter()
    epochs = 0
    for place, name in enumerate(names):
        there = sums(engine, name)
        here: dict[str, set[Any]] = {}
        for file in (run.database(place), run.database(place).with_name("before.db")):
            if file.exists():
                local = open_database(str(file))
                for table, found in sums(local, name).items():
                    here.setdefault(table, set()).update(found)
                local.dispose()
        for table, expected in here.items():
            rows[table] += len(expected)
            missing, extra = expected - there[table], there[table] - expected
            if missing or extra:
                wrong.append(
                    f"kiosk {place}, {table}: {len(missing)} missing, {len(extra)} too many, such "
                    f"as {sorted(missing)[:1]} {sorted(extra)[:1]}"
                )
        if not drained[place]:
            wrong.append(f"kiosk {place} did not send everything")
    with engine.connect() as connection:
        epochs = len(connection.execute(select(Origin.id).where(Origin.kiosk.in_(names))).all())
        aside = connection.execute(select(SetAside.reason)).scalars().all()
        alerts = connection.execute(select(Alert.kind)).scalars().all()
    wrong += [f"set aside: {reason}" for reason in aside]
    for process in run.hubs:
        _kill(process)
    document = {
        "kills": dict(run.kills),
        "envelopes": dict(proxy.done),
        "rows": dict(rows),
        "epochs": epochs,
        "alerts": dict(Counter(alerts)),
        "wrong": wrong,
    }
    sys.stdout.write(f"{json.dumps(document, indent=2)}\n")
    return 1 if wrong else 0


def _finish(process: subprocess.Popen[str] | None) -> bool:
    if process is None:
        return False
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(300) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        return False


def _kill(process: subprocess.Popen[Any] | None) -> None:
    if process is not None:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    sys.exit(main())
