"""Vision: camera frames to readings. Usable without a window and without a database.

Example:
    >>> from detector import find_faces, load_classifier
    >>> for face in find_faces("photo.jpg", load_classifier()):
    ...     print(face.label, face.confidence, face.box)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detector.analysis import FaceAnalyser
    from detector.emotion.classifier import classify, load_classifier
    from detector.emotion.labels import EMOTIONS
    from detector.emotion.model_card import ModelCard, read_card
    from detector.image_analysis import PictureClassifier, PictureFace, find_faces

__all__ = [
    "EMOTIONS",
    "FaceAnalyser",
    "ModelCard",
    "PictureClassifier",
    "PictureFace",
    "classify",
    "find_faces",
    "load_classifier",
    "read_card",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use: some native libraries take a second to load."""
    modules = {
        "emotion.labels": ("EMOTIONS",),
        "emotion.classifier": ("classify", "load_classifier"),
        "emotion.model_card": ("ModelCard", "read_card"),
        "image_analysis": ("PictureClassifier", "PictureFace", "find_faces"),
        "analysis": ("FaceAnalyser",),
    }
    for module, names in modules.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
