"""The choice of the viewer; what the bars draw is tested in `test_overlay.py`."""

from __future__ import annotations

from detector.types import Box
from monitor.ui.overlay.bars import LEAD, most_prominent


def test_the_largest_face_that_looks_is_chosen(make_reading):
    small = make_reading(1, box=Box(0, 0, 0.1, 0.1))
    large = make_reading(2, box=Box(0, 0, 0.3, 0.3))
    larger_but_away = make_reading(3, box=Box(0, 0, 0.5, 0.5), attentive=False)
    assert most_prominent([small, large, larger_but_away]) is large


def test_without_attention_the_largest_face_is_chosen(make_reading):
    readings = [make_reading(n, box=Box(0, 0, n / 10, 0.1), attentive=False) for n in (1, 3, 2)]
    assert most_prominent(readings).viewer == 3


def test_nobody():
    assert most_prominent([], former=4) is None


def test_a_slightly_larger_neighbour_does_not_take_over(make_reading):
    former = make_reading(1, box=Box(0, 0, 0.2, 0.2))
    close = make_reading(2, box=Box(0, 0, 0.2 * LEAD * 0.95, 0.2))
    clear = make_reading(3, box=Box(0, 0, 0.2 * LEAD * 1.05, 0.2))
    assert most_prominent([former, close], former=1) is former
    assert most_prominent([former, close], former=None) is close
    assert most_prominent([former, close, clear], former=1) is clear


def test_a_former_one_who_looks_away_gives_way(make_reading):
    former = make_reading(1, attentive=False)
    other = make_reading(2, box=Box(0, 0, 0.05, 0.05))
    assert most_prominent([former, other], former=1) is other


def test_one_whose_emotion_is_withheld_is_chosen_only_if_nobody_else_is_there(make_reading):
    hidden = make_reading(1, box=Box(0, 0, 0.5, 0.5), withheld="too dark")
    hidden_and_away = make_reading(
        2, box=Box(0, 0, 0.6, 0.6), withheld="turned away", attentive=False
    )
    away = make_reading(3, box=Box(0, 0, 0.05, 0.05), attentive=False)
    assert most_prominent([hidden, hidden_and_away, away], former=1) is away
    assert most_prominent([hidden_and_away, hidden]) is hidden
    assert most_prominent([hidden_and_away]) is hidden_and_away


def test_a_picture_is_never_chosen(make_reading):
    poster = make_reading(1, box=Box(0, 0, 0.5, 0.5), static=True)
    person = make_reading(2, box=Box(0, 0, 0.05, 0.05), attentive=False, withheld="too small")
    assert most_prominent([poster, person], former=1) is person
    assert most_prominent([poster], former=1) is None
