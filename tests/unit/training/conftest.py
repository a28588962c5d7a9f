"""Small datasets in the published forms, made on the spot."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.datasets.faces import FaceDataset

FERPLUS_HEADER = (
    "Usage",
    "Image name",
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)


def random_faces(count: int, seed: int = 0) -> np.ndarray:
    """Pictures that are smooth, as photographs are, and all different."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 255, (count, 8, 8))
    steps = np.linspace(0, 7, 48)
    low = np.clip(steps.astype(int), 0, 6)
    part = steps - low
    rows = (
        coarse[:, low, :] * (1 - part)[None, :, None] + coarse[:, low + 1, :] * part[None, :, None]
    )
    both = rows[:, :, low] * (1 - part) + rows[:, :, low + 1] * part
    return np.clip(both, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def faces() -> Callable[..., np.ndarray]:
    return random_faces


@pytest.fixture(scope="session")
def dataset() -> Callable[..., FaceDataset]:
    """Random faces with votes: most taggers see one emotion, the original label is the same."""

    def make(
        count: int, seed: int = 0, usage: str = "Training", *, voted: bool = True
    ) -> FaceDataset:
        random = np.random.default_rng(seed)
        labels = np.arange(count) % 7
        votes = np.zeros((count, 10))
        votes[np.arange(count), labels] = random.integers(6, 9, count)
        other = (labels + random.integers(1, 7, count)) % 7
        votes[np.arange(count), other] = 10 - votes[np.arange(count), labels]
        return FaceDataset(
            random_faces(count, seed), labels, votes if voted else None, np.array([usage] * count)
        )

    return make


@pytest.fixture
def write_fer(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows `(emotion, picture, usage)` in FER2013's Kaggle form."""

    def write(
        rows: Sequence[tuple[object, np.ndarray | str, str]], name: str = "fer2013.csv"
    ) -> Path:
        path = tmp_path / name
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("emotion", "pixels", "Usage"))
            for emotion, picture, usage in rows:
                text = (
                    picture if isinstance(picture, str) else " ".join(map(str, np.ravel(picture)))
                )
                writer.writerow((emotion, text, usage))
        return path

    return write


@pytest.fixture
def write_votes(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows `(usage, votes by FER+'s column names)` in FER+'s form."""

    def write(rows: Sequence[tuple[str, dict[str, object]]], name: str = "fer2013new.csv") -> Path:
        path = tmp_path / name
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(FERPLUS_HEADER)
            for number, (usage, votes) in enumerate(rows):
                values = [votes.get(column, 0) for column in FERPLUS_HEADER[2:]]
                writer.writerow((usage, f"fer{number:07}.png", *values))
        return path

    return write


@pytest.fixture
def write_pictures(tmp_path: Path) -> Callable[..., Path]:
    """Writes pictures `(path below the folder, grey levels or BGR)` as PNG, or as their name ends."""

    def write(pictures: dict[str, np.ndarray], name: str = "pictures") -> Path:
        folder = tmp_path / name
        for inner, picture in pictures.items():
            path = folder / inner
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), picture)
        return folder

    return write
