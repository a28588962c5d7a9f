from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyotp", reason="the extra `hub` is not installed")

from monitor.hub.people import second_factor as factor

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # noqa: S105 (RFC 6238: "12345678901234567890")


@pytest.mark.parametrize(
    ("second", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(second, code):
    now = datetime.fromtimestamp(second, UTC)
    assert factor.matching_step(RFC_SECRET, code, now) == second // factor.STEP_S


@given(st.integers(2, 60_000_000), st.integers(-3, 3))
def test_a_clock_may_differ_by_one_step(step, off):
    now = datetime.fromtimestamp(step * factor.STEP_S, UTC)
    code = factor.code_at(RFC_SECRET, step + off) if step + off >= 0 else "none"
    near = {factor.code_at(RFC_SECRET, near): near for near in (step - 1, step, step + 1)}
    assert factor.matching_step(RFC_SECRET, code, now) == near.get(code)


@pytest.mark.parametrize("typed", ["287 082", " 287082\n"])
def test_spaces_do_not_matter(typed):
    assert factor.matching_step(RFC_SECRET, typed, datetime.fromtimestamp(59, UTC)) == 1
    assert not factor.is_recovery_code(typed)


def test_codes_of_recovery_are_understood_as_they_are_typed():
    codes = factor.new_recovery_codes()
    assert len(set(codes)) == factor.RECOVERY_CODES
    for code in codes:
        assert factor.typed_recovery_code(f" {code.upper().replace('-', ' ')} ") == code
        assert factor.is_recovery_code(code)


@given(st.text())
def test_any_text_is_a_wrong_code_or_a_right_one(text):
    assert factor.matching_step(RFC_SECRET, text, datetime.fromtimestamp(59, UTC)) in {
        None,
        0,
        1,
        2,
    }
    factor.typed_recovery_code(text)


def test_secrets():
    assert factor.is_secret(factor.new_secret())
    for text in ("", "A" * 31, "a" * 32, "ü" * 32):
        assert not factor.is_secret(text)


def test_the_app_reads_the_name_from_the_picture():
    address = factor.enrolment_address(RFC_SECRET, "anna ü")
    assert address.startswith("otpauth://totp/Ad%20monitor:anna%20%C3%BC?secret=GEZD")
    assert factor.qr_picture(address).startswith("data:image/svg+xml")
