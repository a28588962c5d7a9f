"""Documents of reports for tests of what shows them, whatever calculates them."""

from __future__ import annotations

from typing import Any


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Adds the keys of a whole report to one that was built without a scope and a library."""
    session = document["session"]
    scope = {"sessions": 1, "site": None, "since": None, "until": None}
    document["report"].setdefault("scope", scope)
    keys = ("id", "kind", "site", "source", "started_at", "ended_at", "end_reason", "plays", "viewers", "readings")
    document.setdefault("sessions", [{key: session[key] for key in keys}])
    document.setdefault("comparisons", [])
    for ad in document["ads"]:
        held = None if ad["watchers"] is None else ad["watchers"] // 2
        ad.setdefault("held", held)
        counts = {"opportunities": ad["opportunities"], "watchers": ad["watchers"], "held": ad["held"]}
        for key, value in {
            "funnel": counts,
            "score": None,
            "score_parts": {},
            "norms": [],
            "sha256": "0" * 64,
        }.items():
            ad.setdefault(key, value)
    return document
