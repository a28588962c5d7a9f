from __future__ import annotations

import cv2
import numpy as np
import pytest
import zxingcpp

from monitor.ui.notice.qr_code import MAX_LENGTH, QUIET_DOTS, qr_dots


def read(dots):
    """What two readers make of a code; one of them is another library than the one that drew it."""
    picture = np.kron(np.where(dots, 0, 255).astype(np.uint8), np.ones((6, 6), np.uint8))
    text, _, _ = cv2.QRCodeDetectorAruco().detectAndDecode(picture)
    return {text, zxingcpp.read_barcode(picture).text}


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("example.org/privacy", "https://example.org/privacy"),
        (" https://example.org/a?b=c&d=%C3%A4#part ", "https://example.org/a?b=c&d=%C3%A4#part"),
        ("http://müller.example/größe", "http://müller.example/größe"),
        ("mailto:shop@example.org", "mailto:shop@example.org"),
        ("HTTPS://EXAMPLE.ORG", "HTTPS://EXAMPLE.ORG"),
        ("12345", "https://12345"),
    ],
)
def test_readers_find_the_address_and_telephones_the_scheme(address, text):
    assert read(qr_dots(address)) == {text}


@pytest.mark.parametrize("length", [*range(15, MAX_LENGTH, 7), MAX_LENGTH])
def test_addresses_of_every_length_that_fits(length):
    address = ("https://e.org/" + "aB3-_/%d" * 20)[:length]
    assert read(qr_dots(address)) == {address}
    # The largest code is version 8, whose 49 dots are still read from some distance.
    assert qr_dots(address).shape[0] <= 49 + 2 * QUIET_DOTS


@pytest.mark.parametrize("length", [100, 130, MAX_LENGTH])
def test_long_addresses_with_umlauts(length):
    address = ("https://müller.example/" + "größe-" * 30)[:length]
    assert read(qr_dots(address)) == {address}


def test_the_bright_edge_is_wide_enough():
    dots = qr_dots("example.org")
    edge = np.ones_like(dots)
    edge[QUIET_DOTS:-QUIET_DOTS, QUIET_DOTS:-QUIET_DOTS] = False
    assert not dots[edge].any()
    assert dots[QUIET_DOTS, QUIET_DOTS : QUIET_DOTS + 7].all()
    assert dots.shape[0] == dots.shape[1]


@pytest.mark.parametrize("address", ["", "   ", "https://example.org/" + "a" * 131, "x" * 10_000])
def test_no_code_for_what_no_telephone_would_read(address):
    assert qr_dots(address) is None
