"""Packed models are smaller and answer the same."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.release.packing import rounded, save_packed


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=1))
def test_rounding_keeps_eleven_significant_bits(values: list[float]) -> None:
    weights = np.array(values, dtype=np.float32)
    found = rounded(weights)
    finite = np.isfinite(weights)
    np.testing.assert_array_equal(found[~finite], weights[~finite])
    # Numbers near zero that float32 itself holds with fewer bits lose as much as it does.
    np.testing.assert_allclose(found[finite], weights[finite], rtol=2**-11, atol=2**-126)
    np.testing.assert_array_equal(rounded(found), found)


def test_no_kind_of_nan_becomes_a_number() -> None:
    kinds = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0x7FC00000], dtype=np.uint32)
    assert np.isnan(rounded(kinds.view(np.float32))).all()


def test_whole_numbers_stay() -> None:
    seeds = np.arange(5, dtype=np.uint32)
    assert rounded(seeds) is seeds


def test_a_packed_network_is_smaller_and_answers_alike(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [keras.Input((16,)), keras.layers.Dense(256), keras.layers.Dense(64), keras.layers.Dense(3)]
    )
    inputs = np.random.default_rng(0).normal(size=(8, 16)).astype(np.float32)
    before = np.asarray(network(inputs))
    network.save(tmp_path / "plain.keras")
    save_packed(network, tmp_path / "packed.keras")
    plain, packed = ((tmp_path / f"{n}.keras").stat().st_size for n in ("plain", "packed"))
    assert packed < 0.75 * plain
    loaded = keras.models.load_model(tmp_path / "packed.keras")
    np.testing.assert_array_equal(np.asarray(loaded(inputs)), np.asarray(network(inputs)))
    np.testing.assert_allclose(np.asarray(loaded(inputs)), before, rtol=0.01, atol=0.005)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["packed.keras", "plain.keras"]
