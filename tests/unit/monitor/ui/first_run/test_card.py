"""The card that offers the set-up."""

from __future__ import annotations

import pytest
from PyQt5.QtCore import QPoint, Qt

from monitor.ui.first_run.card import SetupCard
from monitor.ui.texts import languages, texts_for


@pytest.fixture
def card(qtbot):
    card = SetupCard(texts_for("en"))
    qtbot.addWidget(card)
    return card


def heard(card):
    told = []
    for name in ("here", "phone", "declined"):
        getattr(card, name).connect(lambda name=name: told.append(name))
    return told


def test_until_it_is_offered_it_takes_no_key(card):
    told = heard(card)
    assert not card.press(Qt.Key.Key_S)
    card.offer(visible=False)
    assert card.isHidden()
    assert card.press(Qt.Key.Key_S)  # from the operator's panel
    assert not card.press(Qt.Key.Key_Z)
    assert told == ["here"]


def test_each_row_is_a_key_and_a_place_to_click(card, qtbot):
    told = heard(card)
    card.offer(visible=True)
    card.resize(card.natural_size())
    for key in (Qt.Key.Key_P, Qt.Key.Key_S):
        assert card.press(key)
    rows = len(card.rows)
    for row in range(rows):
        y = card.height() - 18 - (rows - row - 0.5) * 38
        qtbot.mouseClick(card, Qt.MouseButton.LeftButton, pos=QPoint(60, round(y)))
    assert told == ["phone", "here", "here", "phone", "declined"]
    assert card.isHidden()


@pytest.mark.parametrize("language", languages())
def test_the_phone_gets_code_and_address(qtbot, language):
    card = SetupCard(texts_for(language))
    qtbot.addWidget(card)
    card.offer(visible=True)
    small = card.natural_size()
    card.show_link("http://192.168.1.20:8080/setup#secret=abcdefghijklmnop")
    assert card.natural_size().height() > small.height() + 150
    assert "http://192.168.1.20:8080/setup#secret=abcdefghijklmnop" in card.accessibleDescription()
    assert not card.grab().isNull()
    card.show_message("")
    assert card.link is None
