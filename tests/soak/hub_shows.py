"""Screens that are told what to show while hub and screens are killed, and the network errs.

    python -m tests.soak.hub_shows --folder /var/tmp/shows

Twenty screens follow a hub, in four processes, with the real client, loader and store. Ads are
published to all of them. The hub and some screens are killed in the middle, downloads are corrupted
and cut off on the way, the disks of some screens are full, and one file always arrives damaged. Each
screen plays all the time and checks each file that it plays, so that nothing half-applied goes
unseen. It prints its figures as one JSON document, and ends with status 1 where something was wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from sqlalchemy import insert, select

from db.engine import open_database, writing
from db.hub.digests import key_digest
from db.hub.screens.registry import Place, create_screen
from db.hub.shows.bookings import BookingPlan, add_booking
from db.hub.tables.screens import KioskKey
from db.hub.tables.shows import DesiredState
from monitor.hub.library.media_store import MediaStore
from monitor.hub.shows.publishing import ShowError, refresh, trying
from monitor.uplink.key_file import HubKey, key_path, write_key
from tests.helpers.hub_process import hub_process
from tests.helpers.hub_shows import add_creative, add_playlist, publish_revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Engine

DRAWS = random.Random()  # noqa: S311 (no secret)


class Proxy(ThreadingHTTPServer):
    """Passes calls of kiosks on to the hub; damages and cuts off media on the way.

    Attributes:
        hub: The port of the hub.
        damage: Share of the pieces that get another byte, and share that are cut off.
        poison: SHA-256 of a file of which every piece is damaged.
        done: How many pieces came through, were damaged, or cut off.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        self.hub = 0
        self.damage = 0.0
        self.poison = ""
        self.done = {"passed": 0, "damaged": 0, "cut off": 0}
        super().__init__(("127.0.0.1", 0), _Carrier)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Carrier(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_GET(self) -> None:
        self._pass_on("GET")

    def do_POST(self) -> None:
        self._pass_on("POST")

    def _pass_on(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        hub = http.client.HTTPConnection("127.0.0.1", self.server.hub, timeout=20)
        try:
            hub.request(method, self.path, body, headers)
            answer = hub.getresponse()
            content = answer.read()
        except OSError:
            self.close_connection = True
            return
        finally:
            hub.close()
        is_cut = False
        if "/media/" in self.path and answer.status == 206 and content:
            content, is_cut = self._spoil(content)
        self.send_response(answer.status)
        for name in ("Content-Type", "ETag", "Content-Range", "Retry-After", "Date"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        if answer.status not in {204, 304}:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if is_cut else content)
        self.close_connection = is_cut

    def _spoil(self, content: bytes) -> tuple[bytes, bool]:
        proxy, draw = self.server, DRAWS.random()
        if (proxy.poison and proxy.poison in self.path) or draw < proxy.damage:
            proxy.done["damaged"] += 1
            place = DRAWS.randrange(len(content))
            return content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :], False
        if draw < 2 * proxy.damage:
            proxy.done["cut off"] += 1
            return content, True
        proxy.done["passed"] += 1
        return content, False

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass


class Fleet:
    """A hub, its library, and screens that follow it.

    Args:
        folder: For everything.
        count: Of the screens.
        processes: In which they run.
        ask_s: How often they ask.
    """

    def __init__(self, folder: Path, count: int, processes: int, ask_s: float) -> None:
        self.folder = folder
        self.url = str(folder / "hub.db")
        self.engine: Engine = open_database(self.url, private=True)
        self.store = MediaStore(str(folder / "media"))
        self.proxy = Proxy()
        self.screens = [folder / f"screen-{number}" for number in range(count)]
        self.groups = [self.screens[number::processes] for number in range(processes)]
        self.wrong: list[str] = []
        self.figures: dict[str, Any] = {}
        self.ask_s = ask_s
        # A screen asks within 1.2 times its pause, then fetches.
        self.limit_s = max(90.0, 3 * ask_s)
        self._screen_ids = [self._join(screen) for screen in self.screens]
        with writing(self.engine) as connection:
            self.playlist = add_playlist(connection, [])
            add_booking(connection, BookingPlan(self.playlist), "eva", datetime.now(UTC))

    def _join(self, folder: Path) -> int:
        folder.mkdir()
        (folder / "local.png").write_bytes(picture(16))
        (folder / "local.yaml").write_text("ads:\n  - file: local.png\n    duration_s: 2\n")
        key, kiosk = secrets.token_urlsafe(32), secrets.token_hex(16)
        with writing(self.engine) as connection:
            screen = create_screen(connection, Place(folder.name), datetime.now(UTC))
            values = {"kiosk": kiosk, "screen_id": screen.id, "created_at": datetime.now(UTC)}
            values |= {"key_sha256": key_digest(key), "created_by": "test"}
            connection.execute(insert(KioskKey).values(**values))
        hub = f"http://127.0.0.1:{self.proxy.server_address[1]}"
        made = HubKey(hub=hub, kiosk=kiosk, key=key, screen=screen.uid, name=folder.name)
        write_key(key_path(folder / "kiosk.db"), made)
        return screen.id

    @contextmanager
    def hub(self) -> Iterator[subprocess.Popen[str]]:
        """Run the hub."""
        log = self.folder / f"hub-{time.monotonic_ns()}.log"
        with hub_process(self.url, log, "--media", str(self.folder / "media")) as (url, process):
            self.proxy.hub = int(url.rpartition(":")[2])
            yield process

    def start(self, group: int) -> subprocess.Popen[bytes]:
        """Start the screens of a group, in one process."""
        command = [sys.executable, "-m", "tests.helpers.showing_screens"]
        with (self.folder / f"screens-{group}.log").open("ab") as log:
            return subprocess.Popen(
                [*command, *map(str, self.groups[group])],
                stderr=log,
                env={**os.environ, "ASK_S": str(self.ask_s)},
            )

    def publish(self, name: str, sizes: list[int]) -> tuple[list[str], float]:
        """Publish new ads to all screens; return the digests of their files, and the seconds."""
        ads, digests = [], []
        with writing(self.engine) as connection:
            for number, side in enumerate(sizes):
                content = picture(side)
                digests.append(hashlib.sha256(content).hexdigest())
                file = self.folder / "new.png"
                file.write_bytes(content)
                self.store.put(file, digests[-1])
                uid = add_creative(connection, f"{name}{number}", content=content)
                ads.append({"creative": uid, "duration_s": 2})
            began = time.perf_counter()
            publish_revision(connection, self.playlist, ads)
            refresh(connection, "eva", datetime.now(UTC))
        return digests, time.perf_counter() - began

    def states(self) -> dict[str, tuple[bool, str, str]]:
        """Return of each screen whether it is up to date, what its kiosk said last, and why."""
        state = DesiredState
        columns = (state.screen_id, state.version, state.reported_version, state.reported_state)
        query = select(*columns, state.reason)
        with self.engine.connect() as connection:
            found = {row.screen_id: row for row in connection.execute(query)}
        return {
            screen.name: (
                row.reported_version == row.version and row.reported_state == "applied",
                row.reported_state if row.reported_version == row.version else "",
                row.reason,
            )
            for screen, screen_id in zip(self.screens, self._screen_ids, strict=True)
            if (row := found.get(screen_id)) is not None
        }

    def shown(self, screen: Path) -> list[str]:
        """Return what a screen has shown, one show after another."""
        lines = (screen / "shown.log").read_text().splitlines()
        return [line.partition(" ")[2] for line in lines]

    def wait(self, what: str, is_so: Callable[[], bool], limit_s: float) -> float:
        """Wait for something; return the seconds, and note it as wrong if it did not happen."""
        began = time.monotonic()
        while not is_so():
            if time.monotonic() - began > limit_s:
                self.wrong.append(f"{what}: not within {limit_s:g} s: {self.states()}")
                break
            time.sleep(0.2)
        return time.monotonic() - began

    def all_applied(self, *, but: Sequence[Path] = ()) -> bool:
        """Return whether all screens, but some, show what they are to show."""
        states, names = self.states(), {screen.name for screen in but}
        return len(states) == len(self.screens) and all(
            state[0] for name, state in states.items() if name not in names
        )

    def are_refused(self, screens: Sequence[Path], why: str) -> bool:
        """Return whether some screens say that they cannot show what they are to, for a reason."""
        states = self.states()
        found = [states[screen.name] for screen in screens]
        return all(state == "refused" and why in reason for _, state, reason in found)

    def expect(self, what: str, is_so: bool) -> None:
        """Note something as wrong that is not as it should be."""
        if not is_so:
            self.wrong.append(what)


def picture(side: int) -> bytes:
    """Return a picture of noise, which takes about three bytes a pixel."""
    target = BytesIO()
    noise = np.random.default_rng().integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(target, "PNG", compress_level=1)
    return target.getvalue()


def run(folder: Path, count: int = 20, processes: int = 4, ask_s: float = 30.0) -> dict[str, Any]:
    """Play the whole story; return the figures, and under `wrong` what was not as it should be."""
    fleet = Fleet(folder, count, processes, ask_s)
    with ExitStack() as undo:
        hub = undo.enter_context(ExitStack())
        process = hub.enter_context(fleet.hub())
        running = [fleet.start(group) for group in range(processes)]
        undo.callback(lambda: [one.kill() for one in running])
        _publish_to_all(fleet)
        _kill_in_the_middle(fleet, hub, process, running)
        _fill_disks(fleet)
        _poison_a_file(fleet)
        _publish_nothing(fleet)
    _look_back(fleet)
    fleet.engine.dispose()
    fleet.proxy.shutdown()
    return {"screens": count, **fleet.figures, "wrong": fleet.wrong}


def _publish_to_all(fleet: Fleet) -> None:
    _, fleet.figures["publish_s"] = fleet.publish("a", [600, 300, 300])
    begun = [screen / "shown.log" for screen in fleet.screens]
    fleet.wait("screens start", lambda: all(log.exists() for log in begun), 240)
    fleet.figures["applied_at_start_s"] = fleet.wait("start", fleet.all_applied, fleet.limit_s)
    fleet.publish("b", [500, 400])
    fleet.figures["applied_s"] = fleet.wait("publish to all", fleet.all_applied, fleet.limit_s)


def _kill_in_the_middle(
    fleet: Fleet,
    hub: ExitStack,
    process: subprocess.Popen[str],
    running: list[subprocess.Popen[bytes]],
) -> None:
    """Kill the hub and some screens while pieces are damaged and cut off."""
    fleet.proxy.damage = 0.15
    fleet.publish("c", [900, 600])
    time.sleep(0.4 * fleet.ask_s)
    process.kill()
    running[0].kill()
    time.sleep(0.2 * fleet.ask_s)
    with suppress(Exception):
        hub.close()
    running[0] = fleet.start(0)
    began = time.monotonic()
    hub.enter_context(fleet.hub())
    fleet.figures["hub_restart_s"] = time.monotonic() - began
    # A kiosk that found no hub asks again after minutes at most.
    fleet.figures["applied_after_kills_s"] = fleet.wait("kills", fleet.all_applied, 390)
    fleet.proxy.damage = 0.0
    fleet.figures["pieces"] = dict(fleet.proxy.done)


def _fill_disks(fleet: Fleet) -> None:
    full = fleet.screens[:: max(1, len(fleet.screens) // 3)]
    for screen in full:
        (screen / "full").touch()
    fleet.publish("d", [500])
    fleet.wait("others than full disks", lambda: fleet.all_applied(but=full), fleet.limit_s)
    fleet.wait("full disks are told", lambda: fleet.are_refused(full, "too full"), fleet.limit_s)
    for screen in full:
        fleet.expect(f"{screen.name} keeps its show", fleet.shown(screen)[-1] == "c0 c1")
        (screen / "full").unlink()
    # What was refused is tried again after a minute.
    limit_s = 70 + fleet.limit_s
    fleet.figures["applied_after_full_s"] = fleet.wait("freed", fleet.all_applied, limit_s)


def _poison_a_file(fleet: Fleet) -> None:
    """Let one file always arrive damaged."""
    [_, fleet.proxy.poison], _ = fleet.publish("e", [64, 128])
    limit_s = fleet.limit_s + 60
    are_told = lambda: fleet.are_refused(fleet.screens, "damaged")  # noqa: E731
    fleet.figures["damage_told_s"] = fleet.wait("damage is told", are_told, limit_s)
    for screen in fleet.screens:
        fleet.expect(f"{screen.name} keeps its show", fleet.shown(screen)[-1] == "d0")
    fleet.proxy.poison = ""
    limit_s = 130 + fleet.limit_s
    fleet.figures["applied_after_damage_s"] = fleet.wait("mended", fleet.all_applied, limit_s)


def _publish_nothing(fleet: Fleet) -> None:
    """Publish a playlist that would be empty, which no screen hears of."""
    with trying(fleet.engine) as connection:
        waits = add_creative(connection, "waits", approval="pending")
        publish_revision(connection, fleet.playlist, [{"creative": waits}])
        try:
            refresh(connection, "eva", datetime.now(UTC))
            fleet.wrong.append("an empty playlist was published")
        except ShowError as error:
            fleet.figures["refusal"] = str(error)
    time.sleep(1.5 * fleet.ask_s)
    fleet.expect("all still show the last playlist", fleet.all_applied())


def _look_back(fleet: Fleet) -> None:
    """See that every screen showed whole shows only, and ended with the last one."""
    whole = {"local", "a0 a1 a2", "b0 b1", "c0 c1", "d0", "e0 e1"}
    for screen in fleet.screens:
        shown = fleet.shown(screen)
        fleet.expect(f"{screen.name} showed {shown}", set(shown) <= whole)
        fleet.expect(f"{screen.name} ended with {shown[-1]}", shown[-1] == "e0 e1")
        if (screen / "wrong.log").exists():
            fleet.wrong.append(f"{screen.name}: {(screen / 'wrong.log').read_text()[:500]}")


def main() -> int:
    """Run it, print the figures; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="new, for everything")
    parser.add_argument("--screens", type=int, default=20)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--ask-s", type=float, default=30.0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    figures = run(options.folder, options.screens, options.processes, options.ask_s)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
