"""The cards of the shipped models say what their data say, in the words of today.

`test_export.py` tests the cards of new models.
"""

from __future__ import annotations

import pytest

from detector.emotion.model_card import read_card
from detector.emotion.model_store import MODELS_FOLDER
from training.release.card_text import FER2013_LICENCES, FRAMING, card_text

SHIPPED = sorted(MODELS_FOLDER.glob("*.keras"))


@pytest.mark.parametrize("model", SHIPPED, ids=lambda model: model.stem)
def test_a_shipped_card_is_what_training_would_write_today(model):
    card = read_card(model)
    assert model.with_suffix(".md").read_text(encoding="utf-8") == card_text(card)
    assert (card.licences, card.framing) == (FER2013_LICENCES, FRAMING)


def test_the_shipped_cards_are_found():
    assert [model.stem for model in SHIPPED] == ["compact-3-original", "compact-3"]
