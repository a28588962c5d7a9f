"""What a hub tells Prometheus: how each screen is, and what this process takes in."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, Info, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder

from db.engine import snapshot
from db.hub.alerts.deliveries import count_waiting
from db.hub.screens.wall import read_wall
from monitor.hub.alerts.rules import SILENCE
from monitor.hub.intake.counters import IntakeMetrics
from monitor.hub.screens.wall import entry
from monitor.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client.metrics_core import Metric
    from sqlalchemy.engine import Engine

    from db.hub.screens.wall import ScreenNow
    from monitor.hub.intake.committer import Committer

KEPT_S = 10.0
"""How old the screens' figures may be, so that several scrapers cost as much as one."""

LABELS = ("screen", "name", "site", "group")

SCREEN_METRICS = {
    "up": "1 if its kiosk was in contact within the last two minutes",
    "last_contact_timestamp_seconds": "When its kiosk was last in contact, Unix time",
    "viewers": "People in view now; absent while unknown or too few to tell",
    "attentive_viewers": "Those of them who look at the screen; absent as the viewers are",
    "measuring": "1 while people are measured",
    "camera_ok": "1 if pictures come; absent without a camera",
    "notice_shown": "1 if the privacy notice is on the screen; absent without a window",
    "plays_today": "Plays since the midnight of its place",
    "frames_per_second": "Frames analysed a second",
    "waiting_records": "Records of the session that the kiosk has yet to store",
    "lost_records": "Records of the session that were never stored",
    "clock_offset_seconds": "The kiosk's clock less the hub's",
    "disk_free_bytes": "Free on the disk with the kiosk's database",
    "disk_total_bytes": "Size of that disk",
    "temperature_celsius": "Of the kiosk's processor",
    "memory_bytes": "Resident memory of the kiosk and its sensor",
}
"""Each is one of a screen, `ad_monitor_screen_...`; all but the first two need a fresh report."""


class HubMetrics:
    """All that one process of a hub tells Prometheus; thread-safe.

    Args:
        engine: The hub's database.
        min_viewers: Figures of fewer viewers than this are withheld, at least 1.

    Attributes:
        intake: Counts what arrives.
    """

    def __init__(self, engine: Engine, min_viewers: int) -> None:
        self._registry = CollectorRegistry()
        self.intake = IntakeMetrics(self._registry)
        self._queue = Gauge(
            "ad_monitor_intake_queue_length",
            "Envelopes that wait to be stored by this process",
            registry=self._registry,
        )
        Info("ad_monitor_build", "What runs", registry=self._registry).info({"version": VERSION})
        ProcessCollector(registry=self._registry)
        self._registry.register(_ScreenCollector(engine, min_viewers))

    def watch(self, committer: Committer) -> None:
        """Tell the length of a committer's queue from now on."""
        self._queue.set_function(lambda: committer.waiting)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the document for a request's `Accept` header, and its content type.

        Raises:
            sqlalchemy.exc.DBAPIError: The database cannot be used now.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _ScreenCollector:
    """Reads all screens in three queries, at most once in `KEPT_S`."""

    def __init__(self, engine: Engine, min_viewers: int) -> None:
        self._engine = engine
        self._min_viewers = min_viewers
        self._guard = threading.Lock()
        self._kept: Sequence[Metric] = ()
        self._read_at = 0.0

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that no database is asked when the collector is registered."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the figures of all screens in use."""
        with self._guard:
            if not self._kept or time.monotonic() - self._read_at > KEPT_S:
                with snapshot(self._engine) as connection:
                    screens, deliveries = read_wall(connection), count_waiting(connection)
                self._kept = (
                    *_families(screens, datetime.now(UTC), self._min_viewers),
                    GaugeMetricFamily(
                        "ad_monitor_deliveries_waiting",
                        "Messages about alerts that have yet to be sent",
                        deliveries,
                    ),
                )
                self._read_at = time.monotonic()
            return self._kept


def _families(screens: Iterable[ScreenNow], now: datetime, min_viewers: int) -> list[Metric]:
    found = {
        name: GaugeMetricFamily(f"ad_monitor_screen_{name}", about, labels=LABELS)
        for name, about in SCREEN_METRICS.items()
    }
    alerts = GaugeMetricFamily(
        "ad_monitor_screen_alert", "1 for each open alert", labels=(*LABELS, "kind")
    )
    for screen in screens:
        place = screen.screen.place
        labels = (screen.screen.uid, place.name, place.site, place.group)
        for name, value in _figures(screen, now, min_viewers):
            found[name].add_metric(labels, value)
        for alert in screen.alerts:
            alerts.add_metric((*labels, alert.kind), 1)
    return [*found.values(), alerts]


def _figures(screen: ScreenNow, now: datetime, min_viewers: int) -> Iterator[tuple[str, float]]:
    """Yield the figures of one screen that are known and may be told."""
    contact = screen.contact_at
    yield "up", contact is not None and now - contact <= SILENCE
    if contact is not None:
        yield "last_contact_timestamp_seconds", contact.timestamp()
    if screen.health is None or screen.received_at is None or now - screen.received_at > SILENCE:
        return
    health = screen.health
    viewers = entry(health, float, "viewers")
    if viewers is not None and not 0 < viewers < min_viewers:
        yield "viewers", viewers
        attentive = entry(health, float, "attentive")
        if attentive is not None and viewers:
            yield "attentive_viewers", attentive
    camera = entry(health, str, "camera", "state")
    if camera in {"ok", "lost"}:
        yield "camera_ok", camera == "ok"
    for name in ("measuring", "notice_shown"):
        is_so = entry(health, bool, name)
        if is_so is not None:
            yield name, is_so
    if screen.clock_offset_s is not None:
        yield "clock_offset_seconds", screen.clock_offset_s
    for name, field in _FIELDS.items():
        value = entry(health, float, field)
        if value is not None:
            yield name, value


_FIELDS = {
    "plays_today": "plays_today",
    "frames_per_second": "fps",
    "waiting_records": "waiting_records",
    "lost_records": "lost_records",
    "disk_free_bytes": "disk_free_bytes",
    "disk_total_bytes": "disk_total_bytes",
    "temperature_celsius": "temperature_c",
    "memory_bytes": "memory_rss_bytes",
}
"""Which entry of a kiosk's health each figure is."""
