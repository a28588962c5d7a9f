"""Addresses of hubs: which are refused, and which may go without encryption."""

from __future__ import annotations

import pytest

from monitor.errors import SetupError
from monitor.uplink.address import hub_address, plain_reach, plain_warning


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("https://hub.example.com/", "https://hub.example.com"),
        ("hub.example.com:8443", "https://hub.example.com:8443"),
        ("https://example.com/ads", "https://example.com/ads"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://192.168.1.5", "http://192.168.1.5"),
        ("http://[fd00::1]:80", "http://[fd00::1]:80"),
    ],
)
def test_addresses(typed, address):
    assert hub_address(typed) == address


@pytest.mark.parametrize(
    "typed",
    [
        *("", "https://", "ftp://hub", "https://hub:0", "https://hub:x", "https://[::1"),
        *("https://user:pw@hub", "https://hub/?a=1", "https://hub/#x"),
        *("http://8.8.8.8", "http://203.0.113.7", "http://[2001:db8::1]", "http://no.invalid"),
    ],
)
def test_what_is_none_or_not_encrypted_is_refused(typed):
    with pytest.raises(SetupError):
        hub_address(typed)


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        *(("127.0.0.1", "here"), ("::1", "here"), ("10.1.2.3", "private")),
        *(("172.32.0.1", "public"), ("100.64.0.1", "public"), ("::ffff:10.1.2.3", "public")),
    ],
)
def test_how_far_a_host_is(host, reach):
    assert plain_reach(host) == reach


def test_who_may_listen_is_said():
    assert plain_warning("https://hub.example.com") is None
    assert plain_warning("http://127.0.0.1:8080") is None
    assert "this kiosk's key" in plain_warning("http://192.168.1.5")
