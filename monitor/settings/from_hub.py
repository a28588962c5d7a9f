"""The settings that a screen takes from its hub. What is set on the machine itself comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitor.settings.models import RunSettings
from monitor.settings.sources import Setting, mistakes, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOW_KEYS = (
    "ads.policy",
    *(f"ads.{name}" for name in ("holdout", "floor", "wash_out_s", "min_audience", "blocked")),
)
"""How the next ad is chosen; a playlist of the hub sets these."""

SCREEN_KEYS = (
    "window.volume",
    "window.language",
    "window.overlay",
    "notice.languages",
    "notice.url",
    "data.measure_hours",
    "data.site",
    "data.campaign",
    "data.venue_type",
)
"""What people set on the page of a screen. Nothing here says whether people are informed, what is
kept of them, or which files and addresses the kiosk uses."""


def hub_settings() -> dict[str, Setting]:
    """Return the settings that a hub may set, by key."""
    known = {setting.key: setting for setting in settings_of(RunSettings)}
    return {key: known[key] for key in (*SCREEN_KEYS, *SHOW_KEYS)}


def hub_mistakes(values: Mapping[str, Any]) -> list[str]:
    """Return a sentence for every value that a hub may not send; empty if all are right."""
    unknown = [key for key in values if key not in (*SCREEN_KEYS, *SHOW_KEYS)]
    if unknown:
        return [f"{key} cannot be set by a hub." for key in unknown]
    return mistakes(RunSettings, values)
