"""A person's decisions about single labels: a CSV beside the dataset, which stays as published."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from boltons.fileutils import atomic_save

from detector.texts import lazy
from training.datasets.faces import VOTE_LABELS
from training.datasets.report import counted
from training.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from training.datasets.faces import FaceDataset

Kind = Literal["keep", "change", "drop"]

COLUMNS = ("face", "old_label", "decision", "new_label", "decided_at")

VOTES = 10
"""Votes that a changed label gets: as many as FER+ has taggers."""


@dataclass(frozen=True)
class Decision:
    """What a person decided about one face.

    Attributes:
        face: As `face_keys` names it.
        old_label: Its label before.
        decision: Keep the label, change it, or drop the face.
        new_label: Its label from now on; empty for a dropped face.
        decided_at: When, in ISO 8601.
    """

    face: str
    old_label: str
    decision: Kind
    new_label: str
    decided_at: str


class LabelOverlay:
    """The decisions about one dataset, by face, in the order in which they were made."""

    def __init__(self) -> None:
        self._decisions: dict[str, Decision] = {}

    def __len__(self) -> int:
        return len(self._decisions)

    @property
    def last(self) -> Decision | None:
        """The decision made last."""
        return next(reversed(self._decisions.values()), None)

    def of(self, face: str) -> Decision | None:
        """Return the decision about a face."""
        return self._decisions.get(face)

    def put(self, face: str, decision: Decision | None) -> None:
        """Replace the decision about a face; `None` removes it."""
        self._decisions.pop(face, None)
        if decision is not None:
            self._decisions[face] = decision

    @property
    def counts(self) -> Counter[str]:
        """Number of decisions by kind."""
        return Counter(decision.decision for decision in self._decisions.values())

    def save(self, path: Path) -> None:
        """Write all decisions; a crash leaves the old file or the new one.

        Raises:
            DatasetError: It cannot be written.
        """
        text = io.StringIO(newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(
            [getattr(one, name) for name in COLUMNS] for one in self._decisions.values()
        )
        try:
            with atomic_save(str(path), overwrite_part=True) as file:
                file.write(text.getvalue().encode())
        except OSError as error:
            raise DatasetError(
                lazy(
                    "Cannot write the overlay %(path)s: %(why)s. Check the folder and its free "
                    "space, or name another file with --out.",
                    path=path,
                    why=error.strerror or error,
                )
            ) from error

    @classmethod
    def read(cls, path: Path) -> LabelOverlay:
        """Read a file that `save` wrote.

        Raises:
            DatasetError: There is none, or it is no overlay.
        """
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.reader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DatasetError(
                f"Cannot read the overlay {path}: {error}. Expected a CSV that `ad-monitor review` "
                "has written."
            ) from error
        if not rows or tuple(rows[0]) != COLUMNS:
            received = ", ".join(rows[0])[:80] if rows else "an empty file"
            raise DatasetError(
                f"{path} is no overlay of labels: expected the columns {', '.join(COLUMNS)}, as "
                f"`ad-monitor review` writes them, received {received}."
            )
        overlay = cls()
        for number, row in enumerate(rows[1:], 1):
            decision = _checked(row, f"{path}, row {number}")
            overlay.put(decision.face, decision)
        return overlay

    def apply(self, faces: FaceDataset, name: str) -> FaceDataset:
        """Return a dataset with the changed labels and without the dropped faces.

        A changed label replaces the published one and all votes: the new one gets ten. Every copy
        of a picture in the dataset gets its decision. The report of the reading says how many.

        Args:
            faces: The dataset that was reviewed.
            name: Of the overlay, for messages.

        Raises:
            DatasetError: The overlay belongs to another dataset.
        """
        keys = face_keys(faces)
        known = set(keys)
        missing = sum(face not in known for face in self._decisions)
        if self._decisions and missing == len(self._decisions):
            raise DatasetError(
                f"The overlay {name} belongs to another dataset: none of the {missing:,} faces in "
                f"it is among the {len(faces):,} that were read. Name the data that were reviewed, "
                "or leave --overlay out."
            )
        original, keep = faces.original.copy(), np.ones(len(faces), dtype=np.bool_)
        votes = None if faces.votes is None else faces.votes.copy()
        changed = 0
        for row, key in enumerate(keys):
            decision = self._decisions.get(key)
            if decision is None or decision.decision == "keep":
                continue
            if decision.decision == "drop":
                keep[row] = False
                continue
            if decision.new_label not in faces.classes:
                raise DatasetError(
                    f"The overlay {name} changes a label to {decision.new_label!r}: expected one "
                    f"of the dataset's, {', '.join(faces.classes)}."
                )
            changed += 1
            original[row] = faces.classes.index(decision.new_label)
            if votes is not None:
                votes[row] = 0
                votes[row, VOTE_LABELS.index(decision.new_label)] = VOTES
        self._report(faces, name, changed, int((~keep).sum()), missing)
        return replace(faces, original=original, votes=votes).subset(keep)

    def _report(
        self, faces: FaceDataset, name: str, changed: int, dropped: int, missing: int
    ) -> None:
        faces.reading.note(
            f"The overlay {name} changed {counted(changed, 'label')} and dropped "
            f"{counted(dropped, 'face')}; {counted(self.counts['keep'], 'label')} reviewed and "
            "kept."
        )
        if missing:
            faces.reading.note(
                f"{missing:,} of the {len(self):,} faces in the overlay {name} are not in the data."
            )


def face_keys(faces: FaceDataset) -> list[str]:
    """Return what identifies each face: its file in a folder, else the SHA-256 of its pixels."""
    if faces.files is not None:
        return [str(file) for file in faces.files]
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in faces.images]


def _checked(row: list[str], where: str) -> Decision:
    if len(row) != len(COLUMNS):
        raise DatasetError(
            f"{where} has {len(row)} fields: expected {len(COLUMNS)}, {', '.join(COLUMNS)}."
        )
    face, old_label, kind, new_label, decided_at = row
    if kind not in get_args(Kind):
        raise DatasetError(
            f"{where} has the decision {kind[:40]!r}: expected one of {', '.join(get_args(Kind))}."
        )
    if not face or (kind == "change" and not new_label):
        raise DatasetError(f"{where} lacks the face or its new label.")
    return Decision(face, old_label, cast("Kind", kind), new_label, decided_at)
