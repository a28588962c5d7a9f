"""Addresses of brokers, as people type them."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.settings.broker import Broker
from monitor.settings.models import RunSettings


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("mqtt://broker", Broker("broker", 1883)),
        ("mqtts://broker", Broker("broker", 8883, encrypted=True)),
        ("MQTT://10.0.0.5:2883/", Broker("10.0.0.5", 2883)),
        ("mqtt://shop@broker", Broker("broker", 1883, False, "shop")),
        ("mqtt://shop:pw@broker/floor/3/", Broker("broker", 1883, False, "shop", "pw", "floor/3")),
        (
            "mqtt://shop:S3@cr/et@broker:1884/ads",
            Broker("broker", 1884, False, "shop", "S3@cr/et", "ads"),
        ),
        ("mqtt://shop:S3%40cr%2Fet@broker", Broker("broker", 1883, False, "shop", "S3@cr/et")),
        ("mqtt://shop:a:b@[::1]:1884", Broker("::1", 1884, False, "shop", "a:b")),
    ],
)
def test_addresses(address: str, expected: Broker) -> None:
    assert Broker.parse(address) == expected


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("broker", "expected mqtt://"),
        ("http://broker", "expected mqtt://"),
        ("mqtt://", "the host is missing"),
        ("mqtt://shop:S3cret@", "the host is missing"),
        ("mqtt://shop:S3cret@broker:port", "the port must be a number"),
        ("mqtt://shop:S3cret@broker:99999", "the port must be a number"),
        ("mqtt://broker:0", "port 0"),
        ("mqtt://broker/a/+/b", "cannot hold"),
        ("mqtt://broker/a#b", "cannot hold"),
        ("mqtt://broker/a?b", "cannot hold"),
        ("mqtt://broker/$SYS", "begin with"),
        ("mqtt://shop:S3cret word@broker", "write one as %20"),
        ("mqtt://shop:a S3cret@broker\n", "write one as %20"),
    ],
)
def test_what_is_no_address_is_explained_without_the_password(address: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"mqtt://user:password@host") as caught:
        Broker.parse(address)
    assert why in str(caught.value)
    assert "S3cret" not in str(caught.value)
    with pytest.raises(ValueError, match=r"mqtt://user:password@host"):
        RunSettings(database="x.db", mqtt=address)


@given(
    user=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    password=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_every_name_and_password_can_be_given(user: str, password: str) -> None:
    address = f"mqtt://{quote(user, safe='')}:{quote(password, safe='')}@broker:1/x"
    assert Broker.parse(address) == Broker("broker", 1, False, user, password, "x")


def test_what_is_shown_is_host_and_port() -> None:
    broker = Broker.parse("mqtt://shop:S3cret@[::1]/x")
    assert broker.shown == "[::1]:1883"
    assert "S3cret" not in repr(broker)


@pytest.mark.parametrize("prefix", ["", "home/#", "+", "/homeassistant"])
def test_a_discovery_prefix_is_a_topic(prefix: str) -> None:
    with pytest.raises(ValueError, match="expected a topic"):
        RunSettings(database="x.db", mqtt_discovery=prefix)
