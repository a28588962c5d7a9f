"""Several processes of a hub on one PostgreSQL, and one of them killed while kiosks send."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from contextlib import ExitStack
from itertools import cycle

import pytest
from sqlalchemy import func, select

from db.engine import open_database
from db.hub.tables.intake import SetAside
from db.schema import Exposure, ExposureSecond, Play
from db.transfer.envelope import pack
from tests.helpers import postgres_server
from tests.helpers.hub_process import hub_process
from tests.helpers.simulated_kiosks import AD_S, Line, SimulatedKiosk

KIOSKS, VIEWERS = 6, 2


class Sender(threading.Thread):
    """Sends a kiosk's plays to several processes in turn; each envelope twice now and then."""

    def __init__(self, kiosk: SimulatedKiosk, urls: list[str], plays: int) -> None:
        super().__init__(daemon=True)
        self.kiosk = kiosk
        self.failures = 0
        self._open = [Line(url, timeout_s=10) for url in urls]
        self._lines = cycle(self._open)
        self._plays = plays

    def run(self) -> None:
        deadline = time.monotonic() + 120
        for number in range(self._plays):
            self.kiosk.play()
            if number % 5:
                self._try()
        while self.kiosk.watermark < self.kiosk.made and time.monotonic() < deadline:
            self._try()
        for line in self._open:
            line.close()

    def _try(self) -> None:
        packed = pack(self.kiosk.envelope(3))
        try:
            status, document = next(self._lines).send(self.kiosk, packed)
            if self.kiosk.made % 4 == 0:
                # As if the answer had been lost; the other process gets it.
                status, document = next(self._lines).send(self.kiosk, packed)
            if status == 200:
                self.kiosk.confirm(document["watermark"])
        except (OSError, http.client.HTTPException):
            status = 0
        if status != 200:
            self.failures += 1
            time.sleep(0.05)


@pytest.mark.slow
def test_a_process_that_is_killed_loses_nothing_and_stores_nothing_twice(tmp_path):
    pytest.importorskip("psycopg", reason="needs psycopg: install the extra postgresql")
    programs = postgres_server.binaries()
    if programs is None:
        pytest.skip("needs the programs of a PostgreSQL server")
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server.running(programs))
        url = server.url(server.new_database())
        engine = open_database(url)
        stack.callback(engine.dispose)
        kiosks = [SimulatedKiosk(index, viewers=VIEWERS) for index in range(KIOSKS)]
        for kiosk in kiosks:
            kiosk.join(engine, f"Screen {kiosk.index}")
        hubs = [
            stack.enter_context(hub_process(url, tmp_path / f"hub-{number}.log"))
            for number in range(2)
        ]
        senders = [Sender(kiosk, [address for address, _ in hubs], 40) for kiosk in kiosks]
        for sender in senders:
            sender.start()
        while sum(kiosk.watermark for kiosk in kiosks) < KIOSKS * 10:
            time.sleep(0.01)
        hubs[0][1].send_signal(signal.SIGKILL)
        for sender in senders:
            sender.join(180)
        assert all(kiosk.watermark == kiosk.made for kiosk in kiosks)
        assert sum(sender.failures for sender in senders) > 0
        plays = sum(kiosk.made - 1 for kiosk in kiosks)
        with engine.connect() as connection:
            stored = [
                connection.scalar(select(func.count()).select_from(table))
                for table in (Play, Exposure, ExposureSecond, SetAside)
            ]
            named = connection.scalar(
                select(func.count()).select_from(
                    select(Play.session_id, Play.number).distinct().subquery()
                )
            )
        assert stored == [plays, plays * VIEWERS, plays * VIEWERS * AD_S, 0]
        assert named == plays
