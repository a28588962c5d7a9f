"""What a kiosk sends: everything exactly once, whatever happens on the way."""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
from collections import deque
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update

from db.engine import open_database, writing
from db.read.rollups import store_roll_ups
from db.read.scope import Scope
from db.schema import Origin, Outgoing, Play, Session, Uplink
from db.transfer.envelope import digest
from db.transfer.uplink import Joining, UplinkStore
from monitor.backoff import Backoff
from monitor.reports.document import make_report
from monitor.uplink import sender as sender_module
from monitor.uplink.address import HubUnreachableError
from monitor.uplink.client import Answer
from monitor.uplink.messages import Receipt
from monitor.uplink.pace import Pace
from monitor.uplink.sender import Sender
from tests.helpers.fake_hub import FakeHub, receipt
from tests.helpers.making import START, Make

JOINING = Joining("https://hub", "5" * 32, "sums", 5)
SOON = START + timedelta(hours=1)


class Way:
    """A client whose way to the hub does what it is told, envelope by envelope.

    Attributes:
        hub: `None` for one that is away.
        plan: What happens to the next envelopes; then all arrive.
    """

    hub = "https://hub"

    def __init__(self, at_hub: FakeHub | None, *plan: str) -> None:
        self.at_hub = at_hub
        self.plan = deque(plan)
        self.late: list[bytes] = []
        self.attempts = 0
        self.replies: deque[Answer] = deque()

    def send(self, packed: bytes, key: str, _timeout_s: float | None = None) -> Answer:
        self.attempts += 1
        what = self.plan.popleft() if self.plan else "arrives"
        if self.replies:
            return self.replies.popleft()
        if what == "lost":
            raise HubUnreachableError("The hub did not answer.")
        if what == "late":
            self.late.append(packed)
            raise HubUnreachableError("The hub did not answer.")
        if what == "damaged":
            return Answer(400, detail="The envelope was damaged on the way.")
        if what == "twice":
            self._deliver(packed, key)
        answer = self._deliver(packed, key)
        if what == "overtaken":
            while self.late:
                self._deliver(self.late.pop(), key)
        if what == "unanswered":
            raise HubUnreachableError("The hub did not answer.")
        return answer

    def _deliver(self, packed: bytes, key: str) -> Answer:
        status, document, _ = self.at_hub.receive(packed, digest(packed), key)
        if status not in {200, 409}:
            return Answer(status, detail=document["detail"])
        return Answer(status, Receipt.model_validate(document))


class Kiosk:
    """A sender with a clock that the test turns."""

    def __init__(self, engine, way: Way, key: str) -> None:
        self.now_s = 1000.0
        self.way = way
        self.store = UplinkStore(engine)
        self.noted: list[int] = []
        self.health = None
        self.sender = Sender(
            self.store,
            way,
            key,
            self.noted.append,
            pace=Pace(draws=random.Random(1)),  # noqa: S311 (no secret)
            backoff=Backoff(5.0, 300.0, jitter=0.0),
        )

    def run(self, seconds: float, *, changed: bool = False) -> int:
        """Let time pass; return how many envelopes the hub took."""
        taken = 0
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            taken += self.sender.poll(self.now_s, lambda: self.health, changed=changed)
            self.now_s += 2.0
        return taken

    def waiting(self) -> int:
        return self.store.state().waiting


def report(engine):
    document, _ = make_report(engine, Scope(replays=True, demos=True))
    # Only a hub has screens.
    return {key: value for key, value in document.items() if key != "screens"}


@pytest.fixture
def kiosk(engine, hub):
    UplinkStore(engine).join(JOINING, SOON)
    return Kiosk(engine, Way(hub), hub.key)


def test_what_was_recorded_arrives_and_is_forgotten(kiosk, engine, hub):
    assert kiosk.waiting() > 0
    assert kiosk.run(3) == 1
    assert kiosk.waiting() == 0
    assert report(hub.engine) == report(engine)
    [envelope] = hub.envelopes
    assert kiosk.noted == [envelope.last]
    assert envelope.first == envelope.base + 1
    assert kiosk.sender.last_contact is not None


def test_a_quiet_kiosk_speaks_once_a_minute(kiosk, hub):
    assert 9 <= kiosk.run(600) <= 12
    assert [len(one.records) > 0 for one in hub.envelopes[:2]] == [True, False]
    # Nothing was noted for envelopes that hold only health.
    assert len(kiosk.noted) == 1


def test_changed_health_is_told_at_once_but_not_without_end(kiosk, hub):
    kiosk.run(2)
    kiosk.health = {"state": "paused"}
    assert kiosk.run(2, changed=True) == 1
    assert hub.envelopes[-1].health == {"state": "paused"}
    # A camera that flickers for a minute.
    assert 10 <= kiosk.run(60, changed=True) <= 15


def backlog(engine, plays):
    """Plays in one session, as many as a kiosk shows in hours."""
    with writing(engine) as connection:
        columns = [column for column in Play.__table__.columns if column.name != "id"]
        row = connection.execute(select(*columns).order_by(Play.id).limit(1)).one()._asdict()
        rows = [row | {"number": 100 + number, "rolled_up": True} for number in range(plays)]
        connection.execute(insert(Play), rows)


def test_a_backlog_drains_at_a_bounded_rate(kiosk, engine, hub, monkeypatch):
    monkeypatch.setattr(sender_module, "MAX_RECORDS", 10)
    backlog(engine, 140)
    kiosk.store.join(JOINING, SOON)
    began_s = kiosk.now_s
    while kiosk.waiting():
        assert kiosk.now_s < began_s + 300
        kiosk.run(2)
    # Three at once, and one every 5 s.
    assert len(hub.envelopes) == 15
    assert (15 - 3) * 5 <= kiosk.now_s - began_s <= 15 * 6
    assert report(hub.engine) == report(engine)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """An empty database."""
    path = tmp_path_factory.mktemp("empty") / "empty.db"
    open_database(str(path)).dispose()
    return path


ACTIONS = ("arrives", "lost", "late", "damaged", "twice", "overtaken", "unanswered")


@pytest.mark.slow
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    plan=st.lists(st.sampled_from(ACTIONS), max_size=12),
    pauses=st.lists(st.sampled_from((1, 6, 40)), min_size=2, max_size=4),
    each=st.integers(2, 9),
)
def test_every_row_arrives_once_over_any_way(tmp_path_factory, empty, plan, pauses, each):
    folder = tmp_path_factory.mktemp("way")
    for name in ("kiosk.db", "hub.db"):
        shutil.copy(empty, folder / name)  # faster than a new one
    hub = FakeHub(folder / "hub.db")
    own = open_database(str(folder / "kiosk.db"))
    before, sender_module.MAX_RECORDS = sender_module.MAX_RECORDS, each
    try:
        store = UplinkStore(own)
        store.join(JOINING, SOON)
        kiosk = Kiosk(own, Way(hub, *plan), hub.key)
        for pause_s in pauses:
            Make().write(own)
            store_roll_ups(own)
            kiosk.run(pause_s)
        while kiosk.waiting():
            assert kiosk.now_s < 20_000
            kiosk.run(30)
        assert report(hub.engine) == report(own)
        with own.connect() as here, hub.engine.connect() as there:
            for table in (Session, Play):
                count = select(func.count()).select_from(table)
                assert here.scalar(count) == there.scalar(count)
            reached = there.scalar(select(func.max(Origin.watermark)))
            assert reached == here.scalar(select(Origin.watermark).where(Origin.is_here))
    finally:
        sender_module.MAX_RECORDS = before
        own.dispose()
        hub.close()


def test_a_hub_that_is_away_is_asked_less_and_less_often(kiosk, caplog):
    kiosk.way.plan.extend(["lost"] * 1000)
    with caplog.at_level(logging.INFO):
        assert kiosk.run(3600) == 0
        assert 10 <= kiosk.way.attempts <= 20
        assert kiosk.sender.problem == "The hub did not answer."
        kiosk.way.plan.clear()
        assert kiosk.run(400) > 0
    assert kiosk.sender.problem is None
    said = [record.levelname for record in caplog.records if record.name.endswith("sender")]
    assert said == ["WARNING", "INFO"]


def test_a_hub_that_says_when_to_come_back_is_left_alone_until_then(kiosk):
    kiosk.way.replies.append(Answer(503, detail="The hub is busy.", retry_after_s=120.0))
    assert kiosk.run(118) == 0
    assert kiosk.run(8) == 1


@pytest.mark.logs_errors
def test_a_revoked_kiosk_says_so_once_keeps_its_records_and_looks_each_hour(kiosk, hub, caplog):
    hub.key = "another" * 5
    with caplog.at_level(logging.INFO):
        kiosk.run(2 * 3600)
    assert kiosk.way.attempts == 2
    assert kiosk.sender.revoked
    assert kiosk.waiting() > 0
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    hub.key = "k" * 43
    assert kiosk.run(3600) > 0
    assert not kiosk.sender.revoked
    assert kiosk.waiting() == 0


def test_a_hub_restored_from_an_older_backup_gets_everything_again(kiosk, engine, hub):
    kiosk.store.join(JOINING, datetime.now(UTC))  # for a hub that has nothing
    with writing(engine) as connection:
        # Recorded within the last 30 days.
        connection.execute(update(Session).values(ended_at=datetime.now(UTC)))
    kiosk.store.join(JOINING, datetime.now(UTC))
    kiosk.run(3)
    at_backup = report(hub.engine)
    with engine.connect() as connection:
        epoch = connection.scalar(select(Origin.epoch).where(Origin.is_here))
    with writing(hub.engine) as connection:
        connection.execute(update(Origin).where(Origin.epoch == epoch).values(watermark=0, base=0))
    assert kiosk.run(70) == 1
    assert kiosk.waiting() == 0
    with engine.connect() as connection:
        assert connection.scalar(select(Origin.epoch).where(Origin.is_here)) != epoch
    assert report(hub.engine) == at_backup == report(engine)


def test_a_database_restored_from_a_backup_begins_an_epoch_when_the_hub_knows_more(
    kiosk, engine, hub, database, tmp_path
):
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    kiosk.run(3)
    Make().write(engine)
    store_roll_ups(engine)
    kiosk.run(70)
    counted = report(engine)
    engine.dispose()
    for name in ("kiosk.db-wal", "kiosk.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(backup, database)
    again = open_database(str(database))
    try:
        late = Kiosk(again, kiosk.way, hub.key)
        assert late.run(3) == 1
        # It has the sessions of the backup under their names, and new ones get others.
        assert report(hub.engine) == counted
        Make().write(again)
        store_roll_ups(again)
        late.run(130)
        assert late.waiting() == 0
        with hub.engine.connect() as there:
            assert there.scalar(select(func.count()).select_from(Session)) == 3
    finally:
        again.dispose()


def test_a_hub_that_expects_what_was_just_sent_is_not_asked_at_once_again(kiosk):
    kiosk.way.replies.extend(
        Answer(409, Receipt.model_validate(receipt(10_000))) for _ in range(1000)
    )
    kiosk.run(600)
    assert kiosk.way.attempts < 10


def test_a_record_that_no_hub_would_take_is_given_up(kiosk, engine, hub, monkeypatch, caplog):
    monkeypatch.setattr(sender_module, "MAX_RECORDS", 1)
    monkeypatch.setattr(sender_module, "is_acceptable", lambda packed: len(packed) <= 10)
    waiting = kiosk.waiting()
    kiosk.run(60 * waiting)
    assert kiosk.waiting() == 0
    assert kiosk.store.state().lost == waiting
    assert all(envelope.records == () for envelope in hub.envelopes)
    assert "too large" in caplog.text


def test_an_answer_that_nobody_waits_for_changes_nothing(kiosk):
    kiosk.sender.abandoned = True
    waiting = kiosk.waiting()
    assert kiosk.run(3) == 0
    assert kiosk.waiting() == waiting


def test_what_waited_for_30_days_is_given_up_and_counted(kiosk, engine):
    with writing(engine) as connection:
        old = datetime.now(UTC) - timedelta(days=31)
        connection.execute(update(Outgoing).values(queued_at=old))
        plays = connection.scalar(
            select(func.count()).select_from(Outgoing).where(Outgoing.kind == "play")
        )
    assert kiosk.store.tidy(datetime.now(UTC)) == plays == 3
    assert kiosk.store.state().lost == 3
    # Sessions and gaps are few, and stay.
    assert kiosk.waiting() > 0
    with engine.connect() as connection:
        assert connection.scalar(select(Uplink.lost)) == 3
