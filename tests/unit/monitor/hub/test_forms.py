"""The fields that several forms of a hub share; each form's own tests read them together."""

import pytest

from monitor.hub.forms import mail_address


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("anna@example.com", True),
        ("anna.b+c@mail.example.co", True),
        ("ännä@exämple.de", True),
        ("anna@example", False),
        ("anna@example.com.", False),
        ("anna b@example.com", False),
        ("Anna <anna@example.com>", False),
        ("a@b@example.com", False),
        ("x" * 65 + "@example.com", False),
        ("a@" + "x" * 250 + ".com", False),
        ("", False),
    ],
)
def test_what_may_be_a_mail_address(text, is_one):
    if is_one:
        assert mail_address(text) == text
    else:
        with pytest.raises(ValueError, match=r"is no mail address: expected one such as anna@"):
            mail_address(text)
