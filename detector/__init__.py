"""Vision: from camera to readings. Usable without a window and without a database.

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

_HOME = {
    "EMOTIONS": "emotion.labels",
    "FaceAnalyser": "analysis",
    "ModelCard": "emotion.model_card",
    "PictureClassifier": "image_analysis",
    "PictureFace": "image_analysis",
    "classify": "emotion.classifier",
    "find_faces": "image_analysis",
    "load_classifier": "emotion.classifier",
    "read_card": "emotion.model_card",
}
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
    """The public names, imported when they are first used: the native libraries behind some take a second."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
