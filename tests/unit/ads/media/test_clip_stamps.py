"""Stamps that start again or jump become one clock; `packets` itself is tested by tests/media."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from ads.media.clip_stamps import ContinuousClock

STEP_S = Fraction(1, 25)
SOUND_S = Fraction(24, 1000)

segments = st.lists(
    st.tuples(
        st.integers(10, 60), st.integers(0, 1 << 33).map(lambda ticks: Fraction(ticks, 90_000))
    ),
    min_size=1,
    max_size=6,
)


def pictures_of(clock: ContinuousClock, count: int, start_s: Fraction) -> list[Fraction]:
    shown_s = []
    for number in range(count):
        at_s = start_s + number * STEP_S
        offset_s = clock.picture_offset_s(at_s, at_s, STEP_S, is_key=number == 0)
        shown_s.append(at_s + offset_s)
    return shown_s


def starts_of(parts: list[tuple[int, Fraction]]) -> list[tuple[int, Fraction]]:
    """Return the segments, moved where their stamps could be taken for ones with a gap."""
    found: list[tuple[int, Fraction]] = []
    for count, start_s in parts:
        if found:
            before_s = found[-1][1] + found[-1][0] * STEP_S
            is_jump = not -STEP_S <= start_s - before_s <= 20
            found.append((count, start_s if is_jump else before_s + 100))
        else:
            found.append((count, start_s))
    return found


@settings(deadline=None, max_examples=50)
@given(segments)
def test_each_segment_follows_the_one_before(parts):
    clock = ContinuousClock(STEP_S)
    shown_s: list[Fraction] = []
    for count, start_s in starts_of(parts):
        shown_s += pictures_of(clock, count, start_s)
    assert shown_s == [shown_s[0] + number * STEP_S for number in range(len(shown_s))]


@settings(deadline=None, max_examples=30)
@given(segments, st.integers(0, 10), st.booleans())
def test_sound_keeps_to_its_picture_through_every_jump(parts, late, sound_leads):
    """Sound is stored up to ten packets later than its picture, or one earlier."""
    clock = ContinuousClock(STEP_S)
    # When it is stored, its stamp, when it is due, and whether it is the first picture.
    pictures: list[tuple[Fraction, Fraction, bool]] = []
    sounds: list[tuple[Fraction, Fraction, Fraction]] = []
    begins_s = Fraction(0)
    for count, start_s in starts_of(parts):
        for number in range(count):
            at_s = number * STEP_S
            pictures.append((begins_s + at_s, start_s + at_s, number == 0))
        for number in range(int(count * STEP_S / SOUND_S)):
            at_s = number * SOUND_S
            stored_s = begins_s + at_s + (-1 if sound_leads else late) * SOUND_S
            sounds.append((stored_s, start_s + at_s, begins_s + at_s))
        begins_s += count * STEP_S
    zero_s = pictures[0][1]
    for stored_s, at_s, due_s in sounds:
        while pictures and pictures[0][0] <= stored_s:
            _, shown_s, is_key = pictures.pop(0)
            clock.picture_offset_s(shown_s, shown_s, STEP_S, is_key=is_key)
        placed_s = at_s + clock.sound_offset_s(at_s, SOUND_S) - zero_s
        assert abs(placed_s - due_s) < Fraction(1, 10)


def test_a_picture_that_stands_while_sound_goes_on_is_no_jump():
    clock = ContinuousClock(STEP_S)
    pictures_of(clock, 25, Fraction(0))
    for number in range(2500):
        clock.sound_offset_s(number * SOUND_S, SOUND_S)
    assert pictures_of(clock, 1, Fraction(60)) == [60]


def test_a_small_step_back_within_a_segment_is_kept():
    clock = ContinuousClock(STEP_S)
    pictures_of(clock, 25, Fraction(0))
    back_s = Fraction(9, 10)
    assert clock.picture_offset_s(back_s, back_s, STEP_S, is_key=False) == 0
    assert clock.picture_offset_s(back_s / 2, back_s / 2, STEP_S, is_key=True) > 0
