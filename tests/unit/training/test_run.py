"""What is typed for `train`, read before anything heavy happens."""

from __future__ import annotations

import pytest

from training.datasets import DatasetError
from training.fit import Stage
from training.run import parse_stages


def test_stages_as_typed() -> None:
    assert parse_stages("32:12,48:18") == (Stage(32, 12), Stage(48, 18))
    assert parse_stages("48:1") == (Stage(48, 1),)


@pytest.mark.parametrize("text", ["", "32", "32:", ":12", "32:12,", "32:12:1", "big:1", "32;12"])
def test_stages_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(
        DatasetError, match=rf"Invalid stages '{text}': expected side:epochs pairs such as 32:12,48:18\."
    ):
        parse_stages(text)


@pytest.mark.parametrize("text", ["8:1", "32:0", "32:-1", "32:1,15:3"])
def test_stages_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(DatasetError, match="expected sides from 16 pixels up and at least one epoch each"):
        parse_stages(text)
