"""What takes a run minutes to compute is computed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.datasets.landmarks import POINTS, Landmarks
from training.fit import kept


def test_landmarks_are_found_once_for_the_same_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (5, 48, 48), dtype=np.uint8)
    points = random.uniform(0, 48, (5, POINTS, 3)).astype(np.float32)
    calls: list[int] = []

    def find(given: np.ndarray) -> Landmarks:
        calls.append(len(given))
        return Landmarks(points, np.linspace(0, 1, 5, dtype=np.float32))

    monkeypatch.setattr(kept, "find_landmarks", find)
    path = tmp_path / "landmarks.npz"
    first, second = kept.landmarks_once(images, path), kept.landmarks_once(images, path)
    assert calls == [5]
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_allclose(first.points, points, atol=1 / 30)
    assert second.known.tolist() == [False, False, True, True, True]
    images[0, 0, 0] += 1
    kept.landmarks_once(images, path)
    assert calls == [5, 5]
