"""The settings that a screen takes from its hub. What is set on the machine itself comes first."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from boltons.fileutils import atomic_save

from monitor.languages import _, lazy
from monitor.settings.models import RunSettings
from monitor.settings.paths import hub_folder, sqlite_file
from monitor.settings.sources import Setting, SettingsError, SettingsFile, mistakes, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

FILE = "settings.yaml"

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
        return [lazy("%(key)s cannot be set by a hub.", key=key) for key in unknown]
    wrong = mistakes(RunSettings, values)
    return [_("Invalid %(key)s: %(why)s", key=one.key, why=one.why) for one in wrong]


def keep_hub_settings(
    folder: Path, values: Mapping[str, Any], in_force: Mapping[str, Any]
) -> list[str]:
    """Store for the next start what a hub sent; return what people should know, in sentences.

    Args:
        folder: For what the hub sends.
        values: By key; what a hub may not set, or is out of range, is left out.
        in_force: The hub's settings with which the kiosk was started.

    Raises:
        OSError: They cannot be stored.
    """
    import yaml  # noqa: PLC0415 (not needed to read settings)

    remarks, right = [], {}
    for key, value in values.items():
        wrong = hub_mistakes({key: value})
        remarks += wrong
        if not wrong:
            right[key] = value
    if right != in_force:
        remarks.append(lazy("The settings apply at the next start of the kiosk."))
    sections: dict[str, dict[str, Any]] = {}
    for key, value in right.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    file = folder / FILE
    if right or file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_save(str(file), text_mode=True, file_perms=0o600, overwrite_part=True) as out:
            out.write("# From the hub; do not edit: it is written again.\n")
            out.write(yaml.safe_dump(sections, allow_unicode=True, sort_keys=False))
    return remarks


def read_hub_settings(database: str) -> dict[str, Any]:
    """Return what the hub of a kiosk has set, by key; empty without one.

    What cannot be read, or is no longer right, is left out, with a warning.

    Args:
        database: Path or URL of the kiosk's database.
    """
    found = sqlite_file(database)
    file = None if found is None else hub_folder(found) / FILE
    try:
        if file is None or not file.exists():
            return {}
        values = SettingsFile(file).values
    except (SettingsError, OSError) as error:
        logger.warning("The settings from the hub are not used: %s", error)
        return {}
    right = {}
    for key, value in values.items():
        wrong = hub_mistakes({key: value})
        if wrong:
            logger.warning("A setting from the hub is not used: %s", wrong[0])
        else:
            right[key] = value
    return right
