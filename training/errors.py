"""What can go wrong in training."""

from __future__ import annotations


class TrainingError(ValueError):
    """A run cannot start or continue with these settings."""


class DatasetError(TrainingError):
    """A dataset is missing or unreadable."""


class TrainingDivergedError(Exception):
    """The loss of a run is no longer a number."""


class PromotionRefusedError(Exception):
    """A model is worse than the current one, or cannot replace it."""
