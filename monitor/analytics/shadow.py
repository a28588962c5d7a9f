"""What a shadow run found: how often two models agree on the same faces, and what would change.

Faces of one day and session resemble each other, so intervals are those of a ratio of sums over
such clusters, not of independent faces.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from numpy.typing import ArrayLike, NDArray

    from db.read.shadow import ShadowHour

MIN_DAYS, MIN_FACES, MAX_HALF_WIDTH = 5, 1000, 0.05
"""What suffices to know how often two models agree: days, faces, half of the interval's width."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of sums with its 95% interval; `None` where there is a single cluster."""

    value: float
    low: float | None
    high: float | None


def shadow_reports(hours: Sequence[ShadowHour], zone: tzinfo | None = None) -> list[dict[str, Any]]:
    """Return a document for each pair of models, the one with the newest faces first.

    Args:
        hours: Counts, see `db.read.shadow`.
        zone: Of the days; `None` is this machine's.
    """
    pairs: dict[tuple[str, str], list[ShadowHour]] = {}
    for hour in hours:
        pairs.setdefault((hour.model_in_use, hour.model_sha256), []).append(hour)
    found = [_report(rows, zone) for rows in pairs.values()]
    return sorted(found, key=lambda report: str(report["until"]), reverse=True)


def _report(rows: Sequence[ShadowHour], zone: tzinfo | None) -> dict[str, Any]:
    days = [row.at.astimezone(zone).date() for row in rows]
    clusters = list(zip((row.session_id for row in rows), days, strict=True))
    groups = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    where = np.array([groups[cluster] for cluster in clusters])
    faces = np.array([row.faces for row in rows], dtype=np.float64)
    label = np.array([row.label for row in rows])
    other = np.array([row.shadow_label for row in rows])

    def ratio(sums: ArrayLike) -> dict[str, float | None]:
        return asdict(clustered_ratio(sums, faces, where))

    def both(in_use: NDArray[np.float64], shadow: NDArray[np.float64]) -> dict[str, Any]:
        means = {"in_use": ratio(in_use)["value"], "shadow": ratio(shadow)["value"]}
        return means | {"difference": ratio(shadow - in_use)}

    def sums(name: str) -> NDArray[np.float64]:
        return np.array([getattr(row, name) for row in rows], dtype=np.float64)

    pleased = sums("sum_valence"), sums("sum_shadow_valence")  # NaN where a model gives none
    report: dict[str, Any] = {
        "model_in_use": rows[0].model_in_use,
        "shadow_model": rows[0].model,
        "shadow_sha256": rows[0].model_sha256,
        "since": rows[0].at.isoformat(),
        "until": rows[-1].at.isoformat(),
        "days": len(set(days)),
        "sessions": len({row.session_id for row in rows}),
        "faces": int(faces.sum()),
        "agreement": ratio(faces * (label == other)),
        "labels": [
            {"label": str(name)} | both(faces * (label == name), faces * (other == name))
            for name in dict.fromkeys([*label, *other])
        ],
        "disagreements": _disagreements(rows, int(faces.sum())),
        "valence": None if np.isnan([*pleased]).any() else both(*pleased),
        "confidence": both(sums("sum_confidence"), sums("sum_shadow_confidence")),
        "cpu_ms": both(sums("cpu_ms"), sums("shadow_cpu_ms")),
    }
    report["suffices"] = _suffices(report)
    report["sentence"] = sentence(report)
    return report


def clustered_ratio(numerators: ArrayLike, denominators: ArrayLike, where: ArrayLike) -> Ratio:
    """Return the ratio of two sums with an interval that holds for few and unequal clusters.

    The variance is CR2 (Bell and McCaffrey, 2002): what each cluster changes, enlarged for the part
    of the ratio that it makes up itself. Student's t has the degrees of freedom of Satterthwaite's
    approximation where clusters differ alike, whatever their size (Imbens and Kolesar, 2016).

    Args:
        numerators: `(n,)` values.
        denominators: `(n,)` values with a sum above 0.
        where: `(n,)` the cluster of each, from 0 up without gaps.
    """
    above = np.bincount(np.asarray(where), weights=np.asarray(numerators, dtype=np.float64))
    below = np.bincount(np.asarray(where), weights=np.asarray(denominators, dtype=np.float64))
    value, share = float(above.sum() / below.sum()), below / below.sum()
    rest = (below.sum() - below) / below.sum()
    if (share > 0).sum() < 2:
        return Ratio(value, None, None)
    changes = (above - value * below) / below.sum()
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    error = math.sqrt(float((changes**2 / rest).sum()))
    margin = error * float(stdtrit(_degrees_of_freedom(share, rest), 0.975))
    return Ratio(value, value - margin, value + margin)


def _degrees_of_freedom(share: NDArray[np.float64], rest: NDArray[np.float64]) -> float:
    """Return Satterthwaite's approximation for clusters with shares of the sum and `rest` of it.

    Changes are taken for `share` times a random number of the cluster, less their mean. Sums of
    squares, as one cluster may be a million times as large as all others.
    """
    square, scale = float(share @ share), share / np.sqrt(rest)
    own = scale**2 * (rest**2 + np.maximum(0.0, square - share**2))
    spread = float(own @ own)
    for place, row in enumerate(scale):
        shared = row * scale * (square - share[place] - share)
        shared[place] = 0.0
        spread += float(shared @ shared)
    return max(1.0, float(own.sum()) ** 2 / spread)


def _disagreements(rows: Sequence[ShadowHour], faces: int) -> list[dict[str, Any]]:
    """Return the five commonest pairs of different labels."""
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.label != row.shadow_label:
            key = row.label, row.shadow_label
            counts[key] = counts.get(key, 0) + row.faces
    most = sorted(counts.items(), key=lambda entry: -entry[1])[:5]
    return [
        {"label": label, "shadow_label": other, "faces": count, "share": count / faces}
        for (label, other), count in most
    ]


def _suffices(report: dict[str, Any]) -> bool:
    low, high = report["agreement"]["low"], report["agreement"]["high"]
    is_narrow = low is not None and (high - low) / 2 <= MAX_HALF_WIDTH
    return bool(report["days"] >= MIN_DAYS and report["faces"] >= MIN_FACES and is_narrow)


def sentence(report: dict[str, Any]) -> str:
    """Return what a shadow run means, and whether it suffices, in plain words."""
    agreement = report["agreement"]
    between = (
        "no interval yet from a single day"
        if agreement["low"] is None
        else f"95% interval {max(0.0, agreement['low']):.0%} to {min(1.0, agreement['high']):.0%}"
    )
    days = f"{report['days']} day{'' if report['days'] == 1 else 's'}"
    text = (
        f"{report['shadow_model']} gave the label of {report['model_in_use']} to "
        f"{agreement['value']:.0%} of {report['faces']:,} faces on {days} ({between})."
    )
    changed = [
        entry
        for entry in report["labels"]
        if entry["difference"]["low"] is not None
        and (entry["difference"]["low"] > 0 or entry["difference"]["high"] < 0)
    ]
    if changed:
        most = max(changed, key=lambda entry: abs(entry["difference"]["value"]))
        text += (
            f" The share of {most['label']} would change most, from {most['in_use']:.1%} to "
            f"{most['shadow']:.1%}."
        )
    enough = (
        " That suffices to expect this after switching models."
        if report["suffices"]
        else f" That does not suffice yet: let it run for at least {MIN_DAYS} days and "
        f"{MIN_FACES:,} faces, until the interval is at most {2 * MAX_HALF_WIDTH:.0%} wide."
    )
    return f"{text}{enough} Only labelled faces tell which model is right: see `models compare`."
