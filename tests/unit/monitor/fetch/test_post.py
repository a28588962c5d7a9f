"""Documents are sent to checked addresses only, and every answer ends in time."""

from __future__ import annotations

import pytest

from monitor.fetch.errors import FetchError
from monitor.fetch.post import PostAnswer, post_document
from monitor.fetch.target import OWN_NETWORK
from tests.helpers.webhook_receiver import receiver


def test_a_document_arrives_with_its_headers():
    with receiver() as (url, received):
        headers = {"Content-Type": "application/json"}
        answer = post_document(f"{url}/hook?key=1", b'{"a": 1}', headers, policy=OWN_NETWORK)
    assert answer == PostAnswer(204, None)
    [(sent, content)] = received
    assert content == b'{"a": 1}'
    assert sent["Content-Type"] == "application/json"
    assert f"http://{sent['Host']}" == url


def test_the_own_network_is_not_called_unless_it_is_allowed():
    with receiver() as (url, received):
        for address in (url, url.replace("127.0.0.1", "localhost")):
            with pytest.raises(FetchError) as caught:
                post_document(address, b"", {})
            assert caught.value.code in {"port", "address_not_public"}
    assert received == []


def test_a_redirect_is_not_followed():
    with receiver(307, (("Location", "http://127.0.0.1:1/"),)) as (url, received):
        answer = post_document(url, b"", {}, policy=OWN_NETWORK)
    assert answer.status == 307
    assert len(received) == 1


@pytest.mark.parametrize(
    ("value", "expected"), [("30", 30.0), ("9" * 30, 86400.0), ("soon", None), ("", None)]
)
def test_a_server_says_when_to_come_again(value, expected):
    with receiver(503, (("Retry-After", value),)) as (url, _):
        assert post_document(url, b"", {}, policy=OWN_NETWORK) == PostAnswer(503, expected)


def test_a_server_that_is_not_there_or_does_not_answer():
    with pytest.raises(FetchError) as caught:
        post_document("http://127.0.0.1:9/", b"", {}, policy=OWN_NETWORK)
    assert caught.value.code == "unreachable"


def test_an_answer_that_does_not_come_ends_in_time(server):
    server.answers["/"] = lambda: iter(())
    with pytest.raises(FetchError) as caught:
        post_document(server.url("/"), b"", {}, policy=OWN_NETWORK, seconds=0.3)
    assert caught.value.code in {"too_slow", "answer"}
