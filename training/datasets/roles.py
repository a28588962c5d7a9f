"""What a split is for, by the name it was published under."""

from __future__ import annotations

TRAINING, VALIDATION, TEST = ROLES = ("training", "validation", "test")

_ROLE_NAMES = {
    TRAINING: ("training", "train"),
    VALIDATION: ("validation", "valid", "val", "dev", "publictest"),
    TEST: ("test", "testing", "privatetest"),
}
_ROLE_OF = {name: role for role, names in _ROLE_NAMES.items() for name in names}


def role_of(split: str) -> str | None:
    """The role that a split plays by its published name, in either case; `None` for a name that is no split's.

    FER2013's public leaderboard rows (`PublicTest`) are for validation, its private ones
    (`PrivateTest`) for the test.
    """
    return _ROLE_OF.get(split.strip().lower())
