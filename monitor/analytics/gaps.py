"""Stretches in which nothing could be measured: how much of what they cover."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from db.read.sessions import GapInfo
    from monitor.analytics.metrics import Floats, Ints

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """Microseconds from 1970-01-01 UTC to an aware moment."""
    return (moment - _EPOCH) // _MICROSECOND


def covered_us(gaps: Iterable[GapInfo], starts: Ints, ends: Ints) -> Floats:
    """How much of each stretch `[start, end)` gaps cover; overlapping causes count once.

    Args:
        gaps: Of one session, in the order of their starts; one that is still open lasts for ever.
        starts, ends: Shape `(n,)`, microseconds since 1970 UTC, each end at or after its start.

    Returns:
        Shape `(n,)`, microseconds.
    """
    last = int(ends.max(initial=0))
    edges: list[int] = []
    for gap in gaps:
        start = microseconds(gap.started_at)
        end = max(start, last if gap.ended_at is None else microseconds(gap.ended_at))
        if edges and start <= edges[-1]:
            edges[-1] = max(edges[-1], end)
        else:
            edges += [start, end]
    if not edges:
        return np.zeros(starts.size)
    lengths = np.diff(edges)
    lengths[1::2] = 0
    before = np.concatenate([[0], np.cumsum(lengths)]).astype(np.float64)
    return np.asarray(
        np.interp(ends, edges, before) - np.interp(starts, edges, before), dtype=np.float64
    )
