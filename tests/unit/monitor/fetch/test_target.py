"""Where a typed address leads: every way we know of to name a machine that is not public, refused
before any connection.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.fetch.errors import Deadline, FetchError
from monitor.fetch.target import (
    LOOKUP_THREAD,
    MAX_LOOKUPS,
    MAX_URL_LENGTH,
    OWN_NETWORK,
    PUBLIC,
    AddressPolicy,
    checked_addresses,
    is_public,
    parse_url,
    system_addresses,
)

PUBLIC_ADDRESS = "93.184.216.34"
SPECIAL_IPV4 = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
]  # fmt: skip


def no_lookup(host: str, port: int) -> Iterable[str]:
    raise AssertionError(f"{host}:{port} was looked up")


def addresses(
    url: str, resolve: object = no_lookup, policy: AddressPolicy = PUBLIC
) -> list[object]:
    return list(checked_addresses(parse_url(url), policy, Deadline(5), resolve))  # type: ignore[arg-type]


def refusal(url: str, resolve: object = no_lookup, policy: AddressPolicy = PUBLIC) -> FetchError:
    with pytest.raises(FetchError) as caught:
        addresses(url, resolve, policy)
    sentence = str(caught.value)
    assert sentence[0].isprintable()
    assert sentence.endswith((".", "picture.jpg."))
    assert any(word in sentence for word in ("expected", "check"))
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.255.255.254/",
        "http://0.0.0.0/",
        "http://0.1.2.3/",
        "http://10.0.0.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.0.0.192/",
        "http://192.0.2.7/",
        "http://192.168.1.1/",
        "http://198.18.0.1/",
        "http://198.51.100.1/",
        "http://203.0.113.1/",
        "http://224.0.0.1/",
        "http://239.255.255.250/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        "http://168.63.129.16/machine/",
        "http://127.0.0.1./",
        "http://127\u30020\u30020\u30021/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://[::1]/",
        "http://[::]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::127.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[64:ff9b:1::808:808]/",
        "http://[2002:7f00:1::]/",
        "http://[2002:a00:1::1]/",
        "http://[2001:0:7f00:1::]/",
        "http://[2001:db8::1]/",
        "http://[3fff::1]/",
        "http://[100::1]/",
        "http://[5f00::1]/",
        "http://[fc00::1]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
        "http://localhost/",
        "http://LOCALHOST/",
        "http://LocalHost./",
        "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/",
        "http://a.b.localhost/",
        "https://localhost/",
    ],
)
def test_an_address_that_is_not_public_is_refused_without_a_look_up(url: str) -> None:
    error = refusal(url)
    assert (error.code, type(error)) == ("address_not_public", FetchError)
    assert "not public" in str(error)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "scheme"),
        ("FILE:///etc/passwd", "scheme"),
        ("ftp://example.org/a.jpg", "scheme"),
        ("gopher://example.org/_GET", "scheme"),
        ("data:image/png;base64,AAAA", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("ws://example.org/", "scheme"),
        ("unix:///run/docker.sock", "scheme"),
        ("//example.org/a.jpg", "scheme"),
        ("example.org/a.jpg", "scheme"),
        ("", "scheme"),
        ("http://", "url"),
        ("http:///a.jpg", "url"),
        ("http:a.jpg", "url"),
        ("http://:80/", "url"),
        ("http://./", "url"),
        ("http://a..b/", "url"),
        ("http://-a.example/", "url"),
        ("http://a b.example/", "url"),
        ("http://exa<mple.org/", "url"),
        (f"http://{'a' * 64}.example/", "url"),
        (f"http://{'a.' * 127}example/", "url"),
        (f"http://example.org/{'a' * MAX_URL_LENGTH}", "url"),
        ("http://user@example.org/", "url"),
        ("http://user:word@example.org/", "url"),
        ("http://example.org@127.0.0.1/", "url"),
        ("http://@127.0.0.1/", "url"),
        ("http://2130706433/", "url"),
        ("http://0177.0.0.1/", "url"),
        ("http://0x7f.1/", "url"),
        ("http://0x7f000001/", "url"),
        ("http://0x/", "url"),
        ("http://127.1/", "url"),
        ("http://127.0.1/", "url"),
        ("http://127.0.0.1.5/", "url"),
        ("http://256.0.0.1/", "url"),
        ("http://127.0.0.01/", "url"),
        ("http://%31%32%37.0.0.1/", "url"),
        ("http://localhost%00.example.org/", "url"),
        ("http://[fe80::1%25eth0]/", "url"),
        ("http://[::1/", "url"),
        ("http://[v1.a]/", "url"),
        ("http://[127.0.0.1]/", "url"),
        ("http://127.0.0.1\\@example.org/", "url"),
        ("http:\\\\127.0.0.1/", "url"),
        ("http://exam\tple.org/", "url"),
        ("http://example.org/\r\nHost: 127.0.0.1", "url"),
        ("http://example.org/\x00", "url"),
        ("http://example.org:port/", "url"),
        ("http://example.org:65536/", "url"),
        ("http://example.org:0/", "url"),
        ("http://xn--\u00df\u2260.example\u2044/", "url"),
        ("http://example.org:22/", "port"),
        ("http://example.org:8080/", "port"),
        ("https://example.org:6379/", "port"),
    ],
)
def test_what_is_no_plain_web_address_is_refused_without_a_look_up(url: str, code: str) -> None:
    assert refusal(url).code == code


@pytest.mark.parametrize(
    ("url", "together", "header"),
    [
        ("http://example.org", "http://example.org/", "example.org"),
        ("  https://Example.ORG./A.jpg \n", "https://example.org/A.jpg", "example.org"),
        ("http://example.org:80/a", "http://example.org/a", "example.org"),
        ("https://example.org:80/a", "https://example.org:80/a", "example.org:80"),
        ("http://bücher.example/ä ö.jpg?q=ü&r=%20#part", None, "xn--bcher-kva.example"),
        ("http://my_shop.example/?a/b?c", "http://my_shop.example/?a/b?c", "my_shop.example"),
        (
            "http://[2606:2800:220:1::1]:443/",
            "http://[2606:2800:220:1::1]:443/",
            "[2606:2800:220:1::1]:443",
        ),
        ("http://93.184.216.34/", "http://93.184.216.34/", "93.184.216.34"),
    ],
)
def test_a_web_address_is_taken_apart_as_a_browser_does(
    url: str, together: str | None, header: str
) -> None:
    target = parse_url(url)
    assert target.host_header == header
    assert target.url == (
        together or "http://xn--bcher-kva.example/%C3%A4%20%C3%B6.jpg?q=%C3%BC&r=%20"
    )
    assert parse_url(target.url) == target


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["192.168.1.1"],
        ["::1"],
        ["fe80::1%eth0"],
        ["::ffff:10.0.0.1"],
        [PUBLIC_ADDRESS, "127.0.0.1"],
        ["127.0.0.1", PUBLIC_ADDRESS],
        [PUBLIC_ADDRESS, "2606:2800:220:1::1", "fd00::1"],
    ],
)
def test_a_name_is_refused_if_one_of_its_addresses_is_not_public(answer: list[str]) -> None:
    error = refusal("http://intranet.example/", lambda _host, _port: answer)
    assert error.code == "address_not_public"
    assert not any(address in str(error) for address in answer), (
        "what a private name leads to is not told"
    )


def test_a_name_is_looked_up_once_and_its_addresses_come_without_repetition() -> None:
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return [PUBLIC_ADDRESS, "2606:2800:220:1::1", PUBLIC_ADDRESS]

    assert addresses("https://Pictures.example/", resolve) == [
        IPv4Address(PUBLIC_ADDRESS), IPv6Address("2606:2800:220:1::1"),
    ]  # fmt: skip
    assert asked == [("pictures.example", 443)]


@pytest.mark.parametrize(
    "failure", [socket.gaierror(-2, "unknown"), UnicodeError("label too long"), None]
)
def test_a_name_that_leads_nowhere(failure: Exception | None) -> None:
    def resolve(host: str, port: int) -> list[str]:
        if failure is not None:
            raise failure
        return []

    error = refusal("http://nowhere.example/", resolve)
    assert (error.code, type(error)) == ("unreachable", FetchError)


def test_the_system_knows_this_machine() -> None:
    try:
        socket.getaddrinfo("localhost", 80)
    except socket.gaierror:
        pytest.skip("this system does not know the name localhost")
    assert set(system_addresses("localhost", 80)) <= {"127.0.0.1", "::1"}
    assert refusal(
        "http://this-machine.example/", lambda _host, port: system_addresses("localhost", port)
    ).code == ("address_not_public")


def test_what_is_allowed_besides_public_addresses() -> None:
    policy = AddressPolicy(
        allowed_networks=("192.168.7.0/24", ip_network("fd00::/64")), allowed_ports=(80, 8080)
    )
    for url in (
        "http://192.168.7.9:8080/",
        "http://[fd00::5]/",
        "http://[::ffff:192.168.7.9]/",
        "http://8.8.8.8/",
    ):
        assert len(addresses(url, policy=policy)) == 1
    assert refusal("http://192.168.8.9/", policy=policy).code == "address_not_public"
    assert refusal("http://localhost/", policy=policy).code == "address_not_public"
    assert str(refusal("http://192.168.7.9:8081/", policy=policy)) == (
        "The address names port 8081: expected one of 80, 8080."
    )


def test_the_person_at_the_machine_may_reach_the_own_network() -> None:
    for url in (
        "http://127.0.0.1:8000/",
        "http://[fe80::1]/",
        "http://10.1.2.3:9/",
        "http://8.8.8.8:8080/",
    ):
        assert len(addresses(url, policy=OWN_NETWORK)) == 1
    found = addresses(
        "http://localhost:8000/", lambda _host, _port: ["::1", "127.0.0.1"], OWN_NETWORK
    )
    assert list(map(str, found)) == ["::1", "127.0.0.1"]


def lookups() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == LOOKUP_THREAD]


def test_a_look_up_that_hangs_ends_with_the_time_and_never_takes_more_than_its_threads() -> None:
    answer = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        answer.wait()
        return [PUBLIC_ADDRESS]

    target = parse_url("http://slow.example/")
    try:
        for _ in range(MAX_LOOKUPS + 1):
            with pytest.raises(
                FetchError, match=r"did not arrive in time: expected it within 0\.02 s"
            ) as raised:
                checked_addresses(target, PUBLIC, Deadline(0.02), hang)
            assert raised.value.code == "too_slow"
        assert len(lookups()) == MAX_LOOKUPS
        assert all(thread.daemon for thread in lookups())
    finally:
        answer.set()
        for thread in lookups():
            thread.join(60)
    assert not lookups()
    assert addresses("http://quick.example/", lambda _host, _port: [PUBLIC_ADDRESS])


def spellings(address: IPv4Address) -> dict[str, str]:
    number = int(address)
    parts = str(address).split(".")
    low = number & 0xFFFF
    return {
        "dotted": str(address),
        "trailing dot": f"{address}.",
        "decimal": str(number),
        "hexadecimal": hex(number),
        "capital hexadecimal": f"0X{number:X}",
        "octal": f"0{number:o}",
        "octal parts": ".".join(f"0{int(part):o}" for part in parts),
        "hexadecimal parts": ".".join(hex(int(part)) for part in parts),
        "three parts": f"{parts[0]}.{parts[1]}.{low}",
        "two parts": f"{parts[0]}.{number & 0xFFFFFF}",
        "full-width": str(address).translate({ord("0") + n: 0xFF10 + n for n in range(10)}),
        "ideographic dots": str(address).replace(".", "\u3002"),
        "mapped": f"[::ffff:{address}]",
        "compatible": f"[::{address}]",
        "NAT64": f"[64:ff9b::{address}]",
        "6to4": f"[2002:{number >> 16:x}:{low:x}::1]",
        "Teredo client": f"[2001:0:808:808::{(number >> 16) ^ 0xFFFF:x}:{low ^ 0xFFFF:x}]",
    }


@given(st.one_of([st.ip_addresses(network=network) for network in SPECIAL_IPV4]))
def test_no_special_ipv4_address_is_reached_in_any_spelling(address: IPv4Address) -> None:
    assert not PUBLIC.allows(address)
    for spelling, host in spellings(address).items():
        with pytest.raises(FetchError) as caught:
            addresses(f"http://{host}/")
        assert caught.value.code in {"address_not_public", "url"}, spelling


@given(st.ip_addresses(v=4))
def test_of_ipv4_the_policy_allows_what_is_global_and_nothing_else(address: IPv4Address) -> None:
    special = any(address in ip_network(network) for network in SPECIAL_IPV4)
    assert is_public(address) == (not special)
    if not special:
        assert address.is_global
        assert addresses(f"http://{address}/") == [address]
        assert PUBLIC.allows(ip_address(f"64:ff9b::{address}"))
        assert PUBLIC.allows(ip_address(f"::ffff:{address}"))


@given(st.ip_addresses(v=6))
def test_of_ipv6_the_policy_allows_global_unicast_only(address: IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert address in ip_network("2000::/3") or address in ip_network("64:ff9b::/96")
