"""What a process of a hub tells Prometheus about the envelopes it takes in.

Tested with the rest, in `test_prometheus.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry

    from db.hub.intake import Arrival, Outcome

RESULTS = ("stored", "set_aside", "missing", "revoked", "failed")
"""What becomes of an envelope: `missing` asks the kiosk to go back, `failed` to send it again."""


class IntakeMetrics:
    """Counts what a process takes in; see `monitor.hub.intake.committer.Committer`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._envelopes = Counter(
            "ad_monitor_envelopes",
            "Envelopes by what became of them",
            ["result"],
            registry=registry,
        )
        for result in RESULTS:
            self._envelopes.labels(result)
        self._records = Counter(
            "ad_monitor_records", "Records in the stored envelopes", registry=registry
        )
        self._seconds = Histogram(
            "ad_monitor_commit_seconds",
            "Duration of a transaction that stores envelopes",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
            registry=registry,
        )

    def committed(
        self, arrivals: Sequence[Arrival], outcomes: Sequence[Outcome], seconds: float
    ) -> None:
        """Count envelopes whose transaction ended well, and its duration."""
        self._seconds.observe(seconds)
        for arrival, outcome in zip(arrivals, outcomes, strict=True):
            result = _result(outcome)
            self._envelopes.labels(result).inc()
            if result == "stored":
                self._records.inc(len(arrival.envelope.records))

    def failed(self, count: int) -> None:
        """Count envelopes that could not be stored and will be sent again."""
        self._envelopes.labels("failed").inc(count)


def _result(outcome: Outcome) -> str:
    if outcome.is_revoked:
        return "revoked"
    if outcome.is_missing:
        return "missing"
    return "set_aside" if outcome.is_set_aside else "stored"
