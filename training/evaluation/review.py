"""Review the suspicious labels of a dataset, one decision at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from training.datasets.faces import NO_LABEL, VOTE_LABELS
from training.datasets.labels import label_indices
from training.datasets.overlay import Decision, LabelOverlay, face_keys
from training.errors import DatasetError
from training.evaluation.evaluate import predict, truth_of
from training.evaluation.suspects import find_suspects

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from detector.emotion.classifier import EmotionClassifier
    from training.datasets.faces import FaceDataset
    from training.datasets.overlay import Kind
    from training.evaluation.evaluate import Against


@dataclass(frozen=True)
class SuspectFace:
    """One face to decide about.

    Attributes:
        key: What identifies it, see `face_keys`.
        image: `(h, h)` grey levels.
        label: Its label.
        split: Its published split.
        file: Its path in the dataset's folder; empty for the row of a table.
        votes: Votes by name, the most first; empty without votes.
        model: Probabilities of the model's labels, by name.
        expected: How likely each label is, judged by how faces like this one are labelled.
        decision: What was decided, or `None`.
    """

    key: str
    image: NDArray[np.uint8]
    label: str
    split: str
    file: str
    votes: dict[str, float]
    model: dict[str, float]
    expected: dict[str, float]
    decision: Decision | None


class LabelReview:
    """The faces with suspicious labels, in order, and the decisions, each saved at once.

    Thread-safe. A file of an earlier review of the same data is continued.

    Args:
        faces: The dataset, or a split of it.
        classifier: Its probabilities are what the labels are judged by, and shown.
        path: The overlay.
        against: Which labels to review; rows without one are left out.
        limit: Number of faces to show; `None` shows those that are probably labelled wrong.

    Raises:
        DatasetError: The labels cannot be judged, or the file is of another dataset.
    """

    def __init__(
        self,
        faces: FaceDataset,
        classifier: EmotionClassifier,
        path: Path,
        *,
        against: Against = "original",
        limit: int | None = None,
    ) -> None:
        self._overlay = LabelOverlay.read(path) if path.exists() else LabelOverlay()
        if len(self._overlay) and not any(map(self._overlay.of, face_keys(faces))):
            raise DatasetError(
                f"The overlay {path} belongs to another dataset: none of the faces in it "
                f"({len(self._overlay):,}) is in this one. Name another file with --out."
            )
        offered, found = truth_of(faces, against)
        truth = label_indices(found, offered, faces.classes)
        rows = np.flatnonzero(truth != NO_LABEL)
        if len(rows) == 0:
            raise DatasetError(
                f"No face has a label against {against}: expected faces with one; review other "
                "labels with --against."
            )
        self.labels = faces.classes
        self.path = path
        self._faces = faces.subset(rows)
        self._truth = truth[rows]
        self._scores = predict(classifier, self._faces.images)
        self._outputs = classifier.card.labels
        suspects = find_suspects(self._scores, self._truth, len(self.labels))
        self._expected = suspects.expected
        self._keys = face_keys(self._faces)
        self._rows = _without_copies(suspects.order, self._keys)
        self.likely = suspects.likely
        self._rows = self._rows[: suspects.likely if limit is None else limit]
        self._guard = threading.Lock()
        self._history: list[tuple[str, Decision | None]] = []
        self._saved = _content(path)

    def __len__(self) -> int:
        return len(self._rows)

    def face(self, place: int) -> SuspectFace:
        """Return the face at a place from 0, the most suspicious first."""
        row = int(self._rows[place])
        faces, key = self._faces, self._keys[row]
        votes: dict[str, float] = {}
        if faces.votes is not None:
            names = (*VOTE_LABELS, "unknown", "not a face")
            given = {name: float(n) for name, n in zip(names, faces.votes[row], strict=True) if n}
            votes = dict(sorted(given.items(), key=lambda vote: -vote[1]))
        return SuspectFace(
            key=key,
            image=faces.images[row],
            label=self.labels[self._truth[row]],
            split=str(faces.usage[row]),
            file="" if faces.files is None else str(faces.files[row]),
            votes=votes,
            model=_named(self._outputs, self._scores[row]),
            expected=_named(self.labels, self._expected[row]),
            decision=self._overlay.of(key),
        )

    @property
    def counts(self) -> dict[str, int]:
        """Number of shown faces that were kept, changed and dropped."""
        with self._guard:
            kinds = [one.decision for one in map(self._decision, range(len(self))) if one]
        return {kind: kinds.count(kind) for kind in ("keep", "change", "drop")}

    def next_open(self, after: int = -1) -> int | None:
        """Return the next undecided place after another, starting over at the end."""
        places = [*range(after + 1, len(self)), *range(min(after + 1, len(self)))]
        return next((place for place in places if self._decision(place) is None), None)

    def decide(self, place: int, kind: Kind, new_label: str = "") -> None:
        """Decide about a face, and save it.

        Raises:
            DatasetError: It cannot be saved, and is not decided.
        """
        face = self.face(place)
        label = {"keep": face.label, "drop": "", "change": new_label}[kind]
        at = datetime.now(UTC).isoformat(timespec="seconds")
        with self._guard:
            before = self._overlay.of(face.key)
            self._put(face.key, Decision(face.key, face.label, kind, label, at), before)
            self._history.append((face.key, before))

    def undo(self) -> int | None:
        """Undo the last decision, save that, and return the place of its face.

        `None` if nothing was decided about the faces that are shown.

        Raises:
            DatasetError: It cannot be saved, and the decision stays.
        """
        with self._guard:
            places = {self._keys[int(row)]: place for place, row in enumerate(self._rows)}
            last = self._overlay.last
            key, before = self._history[-1] if self._history else (last.face if last else "", None)
            if key not in places:
                return None
            self._put(key, before, self._overlay.of(key))
            if self._history:
                self._history.pop()
            return places[key]

    def _put(self, key: str, decision: Decision | None, before: Decision | None) -> None:
        """Store and save a decision, or none; if it cannot be saved, keep the one before."""
        if _content(self.path) not in {None, self._saved}:
            raise DatasetError(
                f"Another program, such as a second review, has changed {self.path}: nothing was "
                "saved. End this review, and start it again to continue with that file."
            )
        self._overlay.put(key, decision)
        try:
            self._overlay.save(self.path)
        except DatasetError:
            self._overlay.put(key, before)
            raise
        self._saved = _content(self.path)

    def _decision(self, place: int) -> Decision | None:
        return self._overlay.of(self._keys[int(self._rows[place])])


def _content(path: Path) -> bytes | None:
    """Return what is in a file, `None` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _named(names: tuple[str, ...], values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(names, map(float, values), strict=True))


def _without_copies(order: NDArray[np.int64], keys: list[str]) -> NDArray[np.int64]:
    """Return the first row of each picture: a decision holds for all its copies."""
    first: dict[str, Any] = {}
    for row in order:
        first.setdefault(keys[int(row)], row)
    return np.array(list(first.values()), dtype=np.int64)
