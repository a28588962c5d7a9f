"""A shadow run: a candidate model reads the same crops as the model in use, and both are compared.

Only counts leave this module, never the reading of a single face. The candidate runs in a thread of
low priority, at most twice a second for each viewer. It drops faces when it falls behind, and does
nothing while the machine is under load.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from detector.emotion.classifier import classify, crop_geometry
from detector.emotion.labels import knows_valence, valence
from detector.emotion.model_card import require_expressions
from detector.emotion.pacing import ClassificationSchedule
from detector.emotion.preprocessing import fitted
from detector.errors import ModelLoadError
from detector.types import ShadowCell, ShadowCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from detector.emotion.classifier import EmotionClassifier
    from detector.emotion.model_card import ModelCard

logger = logging.getLogger(__name__)

PER_SECOND = 2.0
"""Comparisons per second and viewer: successive frames of a face tell little more."""

WINDOW_NS = 10_000_000_000
"""How long counts add up before `take` returns them."""


def require_comparable(card: ModelCard, candidate: ModelCard) -> None:
    """Raise `ModelLoadError` unless a candidate may read the crops of the model in use."""
    require_expressions(candidate)
    if candidate.sha256 == card.sha256:
        raise ModelLoadError(
            f"The shadow model {candidate.name} is the model in use itself: expected another one."
        )
    framing = [(one.crop_scale, one.crop_raise) for one in (card, candidate)]
    if framing[0] != framing[1]:
        raise ModelLoadError(
            f"The shadow model {candidate.name} was trained on faces that are framed otherwise "
            f"(scale and raise {framing[1]}) than those of {card.name} {framing[0]}: the same "
            "crops would not be a fair test."
        )


class _Task(NamedTuple):
    crops: NDArray[np.uint8]
    scores: NDArray[np.float64]
    captured_ns: int
    cpu_ms: float


class ShadowReader:
    """Compares a candidate with the model in use; `observe` and `take` belong to one thread.

    Args:
        card: Of the model in use.
        candidate: The other model; only the reader's own thread uses it.
        lossless: Wait for the candidate instead of dropping faces, as a replay does.
    """

    def __init__(
        self, card: ModelCard, candidate: EmotionClassifier, *, lossless: bool = False
    ) -> None:
        require_comparable(card, candidate.card)
        self._labels = card.labels
        self._candidate = candidate
        self._side_px = crop_geometry(candidate.card).side_px
        self._lossless = lossless
        self._schedule = ClassificationSchedule(PER_SECOND)
        self._slots: dict[int, int] = {}
        self._guard = threading.Lock()
        self._cells: dict[tuple[str, str], ShadowCell] = {}
        self._since_ns: int | None = None
        self._until_ns = 0
        self._tasks: queue.Queue[_Task | None] = queue.Queue(maxsize=8)
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def observe(
        self,
        viewers: Sequence[int],
        crops: NDArray[np.uint8],
        scores: NDArray[np.float64],
        *,
        captured_ns: int,
        cpu_ms: float,
        share: float,
    ) -> None:
        """Take the faces of a frame that the model in use has just classified.

        Args:
            viewers: Number of each face's viewer.
            crops: `(n, side, side)` grey levels.
            scores: `(n, labels)` probabilities of the model in use.
            captured_ns: When the frame was captured.
            cpu_ms: Milliseconds of processor time that the model in use took for all of them.
            share: Share of the work that the machine can do, above 0 to 1; below 1 nothing is
                compared.
        """
        if share < 1 or not self._thread.is_alive():
            return
        due = [index for index, viewer in enumerate(viewers) if self._is_due(viewer, captured_ns)]
        if not due:
            return
        cost_ms = cpu_ms * len(due) / len(viewers)
        task = _Task(crops[due], scores[due], captured_ns, cost_ms)
        if self._lossless:
            self._tasks.put(task)
            return
        # The candidate is behind: these faces are not compared.
        with suppress(queue.Full):
            self._tasks.put_nowait(task)

    def take(self, now_ns: int) -> ShadowCounts | None:
        """Return the counts once their window is over, and start the next; else `None`."""
        with self._guard:
            if self._since_ns is None or now_ns - self._since_ns < WINDOW_NS:
                return None
            return self._taken()

    def close(self) -> ShadowCounts | None:
        """Finish the queue, end the thread, and return the last counts.

        A live candidate gets one second, so one that hangs does not delay the end.
        """
        limit_s = 60.0 if self._lossless else 1.0
        try:
            self._tasks.put(None, timeout=limit_s)
        except queue.Full:
            # What waits is left out, so that the thread ends should the candidate ever go on.
            with suppress(queue.Empty):
                while True:
                    self._tasks.get_nowait()
            self._tasks.put(None)
        self._thread.join(limit_s)
        with self._guard:
            return self._taken()

    def _taken(self) -> ShadowCounts | None:
        if self._since_ns is None:
            return None
        card, cells = self._candidate.card, tuple(self._cells.values())
        found = ShadowCounts(self._since_ns, self._until_ns, card.name, card.sha256, cells)
        self._cells, self._since_ns = {}, None
        return found

    def _is_due(self, viewer: int, captured_ns: int) -> bool:
        slot = self._schedule.slot(viewer, captured_ns)
        if self._slots.get(viewer) == slot:
            return False
        if len(self._slots) > 256:
            self._slots.clear()  # a kiosk runs for weeks
        self._slots[viewer] = slot
        return True

    def _run(self) -> None:
        if not self._lossless:
            with suppress(OSError, AttributeError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        try:
            while (task := self._tasks.get()) is not None:
                self._compare(task)
        except Exception:
            # A failing candidate must not stop the model in use.
            logger.exception("The shadow model %s fails and is left out", self._candidate.card.name)
            while self._tasks.get() is not None:
                pass

    def _compare(self, task: _Task) -> None:
        began_ns = time.thread_time_ns()
        scores = classify(self._candidate, fitted(task.crops, self._side_px))
        cpu_ms = (time.thread_time_ns() - began_ns) / 1e6
        labels = self._labels, self._candidate.card.labels
        valences = _valences(task.scores, labels[0])
        shadow_valences = _valences(scores, labels[1])
        count = len(scores)
        with self._guard:
            for face in range(count):
                both = task.scores[face], scores[face]
                key = labels[0][int(both[0].argmax())], labels[1][int(both[1].argmax())]
                cell = self._cells.get(key) or ShadowCell(*key)
                self._cells[key] = cell.plus(
                    ShadowCell(
                        *key,
                        1,
                        None if valences is None else float(valences[face]),
                        None if shadow_valences is None else float(shadow_valences[face]),
                        float(both[0].max()),
                        float(both[1].max()),
                        task.cpu_ms / count,
                        cpu_ms / count,
                    )
                )
            if self._since_ns is None:
                self._since_ns = task.captured_ns
            self._until_ns = task.captured_ns


def _valences(scores: NDArray[np.float64], labels: tuple[str, ...]) -> NDArray[np.float64] | None:
    return valence(scores, labels) if knows_valence(labels) else None
