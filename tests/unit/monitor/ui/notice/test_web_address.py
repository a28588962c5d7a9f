"""Addresses as people type them."""

from __future__ import annotations

import pytest

from monitor.ui.notice.web_address import web_address


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("example.org", "https://example.org"),
        (" example.org:8080/p ", "https://example.org:8080/p"),
        ("http://example.org", "http://example.org"),
        ("mailto:me@example.org", "mailto:me@example.org"),
        ("", ""),
    ],
)
def test_an_address_gets_the_scheme_that_it_lacks(typed, expected):
    assert web_address(typed) == expected
