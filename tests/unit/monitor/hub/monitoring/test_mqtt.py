"""All screens at a real broker: who is there, who is not, who came and who went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from db.engine import writing
from db.hub.screens import registry
from db.hub.screens.wall import ScreenNow, read_wall
from monitor.hub.monitoring import mqtt as module
from monitor.hub.monitoring.mqtt import MqttDuty, state_of
from tests.helpers.hub_screens import PLACE, a_health
from tests.helpers.mosquitto import Listener, Mosquitto, mosquitto  # noqa: F401
from tests.helpers.waiting import wait_until


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., MqttDuty]]:
    """Make a duty that publishes to a broker; it is stopped after the test."""
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.1)
    made: list[MqttDuty] = []

    def make(broker: Mosquitto, prefix: str | None = "homeassistant") -> MqttDuty:
        made.append(MqttDuty(broker.address, prefix, 5))
        return made[-1]

    yield make
    for duty in made:
        duty.stop()


def add(engine: Engine, name: str, ago: timedelta = timedelta(0), **health: Any) -> str:
    """Add a screen whose kiosk said some time ago how it is; return its uid."""
    at = datetime.now(UTC) - ago
    with writing(engine) as connection:
        screen = registry.create_screen(connection, replace(PLACE, name=name), at)
        registry.store_health(connection, screen.id, a_health(at=at.isoformat()) | health, at)
    return screen.uid


def run(duty: MqttDuty, engine: Engine) -> None:
    duty.run(engine, datetime.now(UTC))


def test_every_screen_is_a_device(mosquitto, engine, publish):  # noqa: F811
    mosquitto.start()
    here, silent = add(engine, "Till 3"), add(engine, "Door", timedelta(minutes=5))
    duty = publish(mosquitto)
    run(duty, engine)
    with Listener(mosquitto) as heard:
        state = heard.wait_for(f"{here}/state")
        assert (state["ad"]["name"], state["viewers"]) == ("Summer", 12)
        assert heard.wait_for(f"{here}/availability") == "online"
        assert heard.wait_for(f"{silent}/availability") == "offline"
        device = heard.wait_for(f"homeassistant/device/{here}/config")
        assert device["device"]["name"] == "Main Street, Till 3"
        assert device["state_topic"] == f"ad-monitor/{here}/state"
        assert device["availability_mode"] == "all"
        hub, own = (one["topic"] for one in device["availability"])
        assert own == f"ad-monitor/{here}/availability"
        assert heard.wait_for(hub) == "online"
        topics = {topic for topic, _, _ in heard.messages}
        assert not [topic for topic in topics if silent in topic and "avail" not in topic]
        duty.stop()
        assert heard.wait_for(hub, lambda text: text == "offline")


def test_changes_are_told(mosquitto, engine, publish):  # noqa: F811
    mosquitto.start()
    uid = add(engine, "Till 3")
    duty = publish(mosquitto)
    run(duty, engine)
    with Listener(mosquitto) as heard:
        heard.wait_for(f"{uid}/state")
        now = datetime.now(UTC)
        with writing(engine) as connection:
            screen = registry.find_screen(connection, uid)
            health = a_health(at=now.isoformat(), camera="lost", viewers=None)
            registry.store_health(connection, screen.id, health, now)
            registry.edit_screen(connection, uid, replace(PLACE, name="Till 4"))
        run(duty, engine)
        heard.wait_for(f"{uid}/state", lambda state: state["camera"]["state"] == "lost")
        heard.wait_for(
            f"{uid}/config", lambda device: device["device"]["name"] == "Main Street, Till 4"
        )
        duty.run(engine, now + timedelta(minutes=3))
        heard.wait_for(f"{uid}/availability", lambda text: text == "offline")


def test_a_retired_screen_is_forgotten(mosquitto, engine, publish):  # noqa: F811
    mosquitto.start()
    uid = add(engine, "Till 3")
    duty = publish(mosquitto)
    run(duty, engine)
    with Listener(mosquitto) as heard:
        heard.wait_for(f"{uid}/config")
        with writing(engine) as connection:
            registry.retire_screen(connection, uid, datetime.now(UTC))
        run(duty, engine)
        for topic in ("config", "state", "availability"):
            heard.wait_for(f"{uid}/{topic}", lambda text: not text)


def test_it_ends_where_another_process_has_the_duty(
    mosquitto,  # noqa: F811
    engine,
    publish,
    monkeypatch,
):
    mosquitto.start()
    uid = add(engine, "Till 3")
    duty = publish(mosquitto, None)
    run(duty, engine)
    with Listener(mosquitto) as heard:
        heard.wait_for(f"{uid}/state")
        monkeypatch.setattr(module, "MIN_LEASE_S", 0.2)
        heard.wait_for("/availability", lambda text: text == "offline", since=len(heard.messages))
        monkeypatch.undo()
        count = len(heard.messages)

        def is_back() -> Any:
            run(duty, engine)  # Until the thread has ended, and a new one begins.
            with suppress(AssertionError):
                return heard.wait_for(
                    "/availability", lambda text: text == "online", since=count, limit_s=0.2
                )
            return False

        wait_until(is_back)


def now_of(engine: Engine) -> ScreenNow:
    with engine.connect() as connection:
        (screen,) = read_wall(connection)
    return screen


@pytest.mark.parametrize(("viewers", "told"), [(0, 0), (1, None), (4, None), (5, 5), (None, None)])
def test_few_viewers_are_not_told(engine, viewers, told):
    figures = {"attentive": viewers, "valence": 0.5, "shares": {"happy": 1.0}}
    add(engine, "Till 3", viewers=viewers, **figures)
    state = state_of(now_of(engine), datetime.now(UTC), 5)
    assert state is not None
    assert state.viewers == told
    if viewers is not None:
        assert (state.valence is None) == (viewers < 5)
        assert (state.shares is None) == (viewers < 5)


def test_what_cannot_be_read_counts_as_silent(engine):
    add(engine, "Till 3", fps=-1)
    assert state_of(now_of(engine), datetime.now(UTC), 5) is None
