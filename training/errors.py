"""What can go wrong in the offline room."""

from __future__ import annotations


class TrainingError(ValueError):
    """A run cannot start, or cannot go on, with these settings."""


class DatasetError(TrainingError):
    """A dataset is missing, or is not in a form that can be read."""


class TrainingDivergedError(Exception):
    """The loss of a run is no longer a number."""


class PromotionRefusedError(Exception):
    """A model is worse than the one in use, or cannot replace it."""
