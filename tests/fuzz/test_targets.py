"""A short run of every fuzz target, so `make fuzz` starts from working ones."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import mutate
from tests.fuzz.targets import SEEDS, TARGETS, WORDS

ROUNDS = 60

FOUND = [
    ("web", b"x\0\0\0\0=\0\x08.\0"),  # a host that is no name, from which no link can be made
    ("playlist", b"ads: " + b"[" * 3000),  # time grew with the square of the depth
    ("zones", b"zones: &a [*a]"),
    ("audience", b"parts: 2024-13-41"),
]
"""Inputs that failed once."""


@pytest.mark.parametrize("name", TARGETS)
def test_mistakes_are_told_in_documented_errors(name):
    draw = random.Random(5)  # noqa: S311 (to be repeated, not to be guessed)
    with TARGETS[name]() as run:
        for seed in SEEDS[name]:
            run(seed)
        for _ in range(ROUNDS):
            run(mutate(draw.choice(SEEDS[name]), WORDS[name], draw))

        @settings(max_examples=ROUNDS, deadline=None, suppress_health_check=list(HealthCheck))
        @given(content=st.binary(max_size=300))
        def any_bytes(content: bytes) -> None:
            run(content)

        any_bytes()


@pytest.mark.parametrize(("name", "content"), FOUND)
def test_what_failed_once_does_not_again(name, content):
    with TARGETS[name]() as run:
        run(content)


def test_a_mutation_is_bounded_and_changes_something():
    draw = random.Random(1)  # noqa: S311
    changed = {mutate(b"seed", [b"word"], draw) for _ in range(50)}
    assert len(changed) > 20
    assert max(map(len, changed)) < 1000
