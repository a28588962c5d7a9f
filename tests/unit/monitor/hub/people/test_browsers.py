from __future__ import annotations

import pytest

from monitor.hub.people.browsers import browser_words

APPLE = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox, Linux",
        ),
        (
            f"Mozilla/5.0 (Windows NT 10.0) {APPLE} Chrome/140 Safari/537.36 Edg/140",
            "Edge, Windows",
        ),
        (f"Mozilla/5.0 (Linux; Android 16) {APPLE} Chrome/140 Mobile Safari/5", "Chrome, Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1", "Safari, iPhone"),
        ("curl/8.5.0", "curl"),
        ("something else", "something else"),
        ("", ""),
    ],
)
def test_names_that_people_know(agent, words):
    assert browser_words(agent) == words
