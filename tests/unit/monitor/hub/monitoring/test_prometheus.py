"""What Prometheus reads of the screens and of a process, and the Grafana dashboard that shows it."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from db.engine import writing
from db.hub.alerts.raised import raise_alert
from db.hub.screens import registry
from db.hub.tables.screens import KioskKey
from monitor.hub.intake.committer import Committer
from monitor.hub.monitoring import prometheus as module
from tests.helpers.hub_screens import PLACE, a_health, fill_wall
from tests.helpers.simulated_kiosks import SimulatedKiosk

pytest.importorskip("prometheus_client", reason="the extra `hub` is not installed")
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from db.hub.intake import Arrival, find_sender
from db.transfer.envelope import MAX_NUMBER, pack
from monitor.hub.monitoring.prometheus import KEPT_S, HubMetrics

SCREEN = "ad_monitor_screen_"


def samples(engine: Engine, min_viewers: int = 5) -> dict[str, list[tuple[dict[str, str], float]]]:
    return parsed(HubMetrics(engine, min_viewers))


def parsed(metrics: HubMetrics) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    text, _ = metrics.render("")
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), sample.value))
    return found


def add(engine: Engine, ago: timedelta = timedelta(0), **health: Any) -> int:
    """Add a screen whose kiosk said some time ago how it is; return its row."""
    at = datetime.now(UTC) - ago
    with writing(engine) as connection:
        screen = registry.create_screen(connection, PLACE, at - timedelta(days=3))
        sent = a_health(at=(at + timedelta(seconds=2)).isoformat()) | health
        registry.store_health(connection, screen.id, sent, at)
    return screen.id


def only(found: dict[str, list[tuple[dict[str, str], float]]], name: str) -> float | None:
    values = found.get(SCREEN + name, [])
    assert len(values) <= 1
    return values[0][1] if values else None


def test_a_screen_tells_what_its_kiosk_said(engine):
    add(engine, plays_today=41, temperature_c=51.5, lost_records=3, notice_shown=False)
    found = samples(engine)
    assert set(module.SCREEN_METRICS) == {
        name.removeprefix(SCREEN) for name in found if name.startswith(SCREEN)
    }
    labels, up = found[f"{SCREEN}up"][0]
    assert up == 1
    assert labels | {"screen": ""} == {
        "screen": "",
        "name": "Till 3",
        "site": "Main Street",
        "group": "North",
    }
    assert re.fullmatch("[0-9a-f]{32}", labels["screen"])
    assert only(found, "viewers") == 12
    assert only(found, "attentive_viewers") == 7
    assert only(found, "plays_today") == 41
    assert only(found, "temperature_celsius") == 51.5
    assert only(found, "lost_records") == 3
    assert only(found, "notice_shown") == 0
    assert only(found, "camera_ok") == 1
    assert only(found, "clock_offset_seconds") == pytest.approx(2)
    contact = only(found, "last_contact_timestamp_seconds")
    assert contact == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize(
    ("viewers", "told"), [(0, 0), (1, None), (4, None), (5, 5), (None, None), ("many", None)]
)
def test_few_viewers_are_not_told(engine, viewers, told):
    add(engine, viewers=viewers, attentive=viewers)
    found = samples(engine)
    assert only(found, "viewers") == told
    assert only(found, "attentive_viewers") == (told or None)


def test_what_a_silent_kiosk_said_is_not_told_as_if_it_were_so_now(engine):
    add(engine, timedelta(minutes=3))
    found = samples(engine)
    assert only(found, "up") == 0
    assert only(found, "last_contact_timestamp_seconds") == pytest.approx(time.time() - 180, abs=60)
    assert {name for name in found if name.startswith(SCREEN)} == {
        f"{SCREEN}up",
        f"{SCREEN}last_contact_timestamp_seconds",
    }


def test_a_screen_without_a_kiosk_is_not_up(engine):
    with writing(engine) as connection:
        registry.create_screen(connection, PLACE, datetime.now(UTC))
    found = samples(engine)
    assert (only(found, "up"), only(found, "last_contact_timestamp_seconds")) == (0, None)


def test_a_retired_screen_is_gone(engine):
    add(engine)
    with writing(engine) as connection:
        (screen,) = registry.list_screens(connection)
        registry.retire_screen(connection, screen.uid, datetime.now(UTC))
    assert f"{SCREEN}up" not in samples(engine)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"fps": MAX_NUMBER},
        {"temperature_c": "hot", "viewers": [1], "measuring": 1},
        {"disk_free_bytes": {}, "notice_shown": None},
    ],
)
def test_nonsense_of_one_kiosk_hides_no_other(engine, nonsense):
    add(engine, **nonsense)
    add(engine)
    found = samples(engine)
    assert [value for _, value in found[f"{SCREEN}up"]] == [1, 1]
    assert len(found[f"{SCREEN}plays_today"]) == 2


def test_names_may_hold_anything(engine):
    with writing(engine) as connection:
        place = registry.Place('Till "3"\n\\', site="Süd {x}", group="a,b=c")
        registry.create_screen(connection, place, datetime.now(UTC))
    labels, _ = samples(engine)[f"{SCREEN}up"][0]
    assert (labels["name"], labels["site"], labels["group"]) == (
        'Till "3"\n\\',
        "Süd {x}",
        "a,b=c",
    )


def test_open_alerts_are_told_by_kind(engine):
    screen_id, now = add(engine), datetime.now(UTC)
    with writing(engine) as connection:
        for kind in ("disk", "clock"):
            raise_alert(connection, screen_id, kind, "full", now)
    kinds = [(labels["kind"], value) for labels, value in samples(engine)[f"{SCREEN}alert"]]
    assert sorted(kinds) == [("clock", 1), ("disk", 1)]


def test_screens_are_read_once_in_a_while(engine, monkeypatch):
    metrics = HubMetrics(engine, 5)
    add(engine)
    assert len(parsed(metrics)[f"{SCREEN}up"]) == 1
    add(engine)
    assert len(parsed(metrics)[f"{SCREEN}up"]) == 1
    later = time.monotonic() + KEPT_S + 1
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert len(parsed(metrics)[f"{SCREEN}up"]) == 2


def arrive(engine: Engine, kiosk: SimulatedKiosk, **changes: Any) -> Arrival:
    with engine.connect() as connection:
        sender = find_sender(connection, kiosk.key)
    assert sender is not None
    envelope = kiosk.envelope(**changes)
    return Arrival(sender, envelope, pack(envelope))


def test_envelopes_are_counted_by_what_became_of_them(engine):
    metrics = HubMetrics(engine, 5)
    committer = Committer(engine, metrics=metrics.intake)
    metrics.watch(committer)
    kiosk, revoked = SimulatedKiosk(1), SimulatedKiosk(2)
    kiosk.join(engine)
    revoked.join(engine, "Exit")
    kiosk.play(2)
    stale = arrive(engine, revoked)
    with writing(engine) as connection:
        keys = KioskKey.__table__
        now = datetime.now(UTC)
        connection.execute(
            keys.update().where(keys.c.kiosk == revoked.kiosk).values(revoked_at=now)
        )
    good = arrive(engine, kiosk)
    hole = arrive(engine, kiosk, first=9, last=11)
    poison = arrive(engine, kiosk, first=4, last=4, records=({"number": 4, "kind": "riddle"},))
    for arrival in (good, hole, poison, stale):
        committer.submit(arrival).result(60)
    committer.close()
    found = parsed(metrics)
    counts = {labels["result"]: value for labels, value in found["ad_monitor_envelopes_total"]}
    assert counts == {"stored": 1, "missing": 1, "set_aside": 1, "revoked": 1, "failed": 0}
    assert found["ad_monitor_records_total"][0][1] == 3
    assert found["ad_monitor_commit_seconds_count"][0][1] == 4
    assert found["ad_monitor_intake_queue_length"][0][1] == 0


def test_envelopes_that_cannot_be_stored_now_are_counted(engine):
    metrics = HubMetrics(engine, 5)
    committer = Committer(engine, metrics=metrics.intake)
    kiosk = SimulatedKiosk(1)
    kiosk.join(engine)
    arrival = arrive(engine, kiosk)
    with writing(engine):  # Nobody else can write meanwhile.
        error = committer.submit(arrival).exception(30)
    committer.close()
    assert error is not None
    counts = {
        labels["result"]: value for labels, value in parsed(metrics)["ad_monitor_envelopes_total"]
    }
    assert (counts["failed"], counts["stored"]) == (1, 0)


def test_both_formats_are_valid(engine):
    fill_wall(engine, 60, datetime.now(UTC))
    metrics = HubMetrics(engine, 5)
    text, content_type = metrics.render("application/openmetrics-text;version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics.text_string_to_metric_families(text.decode())}
    assert {f"{SCREEN}up", "ad_monitor_envelopes", "ad_monitor_build"} <= names
    _, plain = metrics.render("text/plain")
    assert plain.startswith("text/plain")


@pytest.fixture
def dashboard() -> dict[str, Any]:
    file = resources.files("monitor.hub.monitoring") / "grafana" / "ad-monitor.json"
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_the_dashboard_asks_for_what_there_is(engine, dashboard):
    screen_id = add(engine)
    with writing(engine) as connection:
        raise_alert(connection, screen_id, "disk", "full", datetime.now(UTC))
    known = samples(engine).keys()
    variables = [one.get("definition", "") for one in dashboard["templating"]["list"]]
    asked = {
        name
        for query in (*queries(dashboard), *variables)
        for name in re.findall(r"\b(?:ad_monitor|process)_[a-z_]+", query)
    }
    assert asked - known == set()
    assert len(asked) > 15


def test_the_dashboard_filters_by_site_and_group(dashboard):
    variables = {one["name"] for one in dashboard["templating"]["list"]}
    assert variables == {"datasource", "site", "group"}
    for query in queries(dashboard):
        used = set(re.findall(r"\$(\w+)", query))
        assert used <= variables | {"__rate_interval"}
        for selector in re.findall(rf"{SCREEN}\w+(\S*)", query):
            assert selector.startswith('{site=~"$site",group=~"$group"}'), query


def test_several_processes_count_no_screen_twice(dashboard):
    """Each process tells all screens, so their figures are joined before they are added up."""
    for query in queries(dashboard):
        for before in re.findall(rf"(.*?){SCREEN}", query):
            assert re.search(r"max by \([a-z, ]+\) \($", before), query


def test_the_panels_of_the_dashboard_do_not_overlap(dashboard):
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    identities = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(identities)) == len(identities)
