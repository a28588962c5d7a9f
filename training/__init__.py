"""Offline training and measuring of the emotion classifier; imports only `detector`.

Example:
    >>> from pathlib import Path
    >>> from training import TrainingPlan, evaluate, read_dataset, train
    >>> plan = TrainingPlan(Path("fer2013.csv"), votes=Path("fer2013new.csv"))
    >>> model = train(plan, Path("runs/first"))
    >>> from detector import load_classifier
    >>> faces = read_dataset(Path("fer2013.csv"), Path("fer2013new.csv")).split("PublicTest")
    >>> evaluate(load_classifier(model), faces, "majority")["accuracy"]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from training.fit.devices import backend_environment

if TYPE_CHECKING:
    from training.datasets.faces import FaceDataset
    from training.datasets.reading import read_dataset
    from training.evaluation.comparison import compare
    from training.evaluation.evaluate import evaluate
    from training.fit.trainer import TrainingSettings
    from training.release.promotion import promote
    from training.run import TrainingPlan, train

backend_environment()  # Keras' backend reads it when it is first imported, from wherever that is

__all__ = [
    "FaceDataset",
    "TrainingPlan",
    "TrainingSettings",
    "compare",
    "evaluate",
    "promote",
    "read_dataset",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use: Keras takes seconds."""
    modules = {
        "FaceDataset": "datasets.faces",
        "TrainingPlan": "run",
        "TrainingSettings": "fit.trainer",
        "compare": "evaluation.comparison",
        "evaluate": "evaluation.evaluate",
        "promote": "release.promotion",
        "read_dataset": "datasets.reading",
        "train": "run",
    }
    if name not in modules:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{modules[name]}"), name)
