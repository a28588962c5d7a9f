"""The form for the settings of a screen's kiosk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from monitor.hub.forms import FormError
from monitor.languages import lazy
from monitor.settings.forms import problem_with
from monitor.settings.from_hub import SCREEN_KEYS, hub_settings

if TYPE_CHECKING:
    from collections.abc import Mapping


class Field(NamedTuple):
    """A field of the form: its name, what people call it, a hint, and words to choose from."""

    key: str
    words: str
    hint: str
    choices: tuple[tuple[str, str], ...] = ()


_YES_NO = (("true", lazy("yes")), ("false", lazy("no")))

FIELDS = (
    Field("window.volume", lazy("Volume"), lazy("Of the ads' sound, from 0 to 1")),
    Field("window.language", lazy("Language of the window"), lazy("Such as en or de")),
    Field(
        "window.overlay",
        lazy("Show live readings over the ads"),
        lazy(
            "With the faces of the people in front of the screen; pictures of the ad never show it"
        ),
        _YES_NO,
    ),
    Field("notice.languages", lazy("Languages of the notice"), lazy("Such as de, en")),
    Field(
        "notice.url",
        lazy("Address in the notice"),
        lazy("Where people read more, shown as text and QR code"),
    ),
    Field(
        "data.measure_hours",
        lazy("Measuring hours"),
        lazy("Such as 08:00-20:00, by the clock of the place; outside of them nobody is measured"),
    ),
    Field("data.site", lazy("Site in the kiosk's own reports"), lazy("Name of the site")),
    Field("data.campaign", lazy("Campaign"), lazy("First in the titles of the kiosk's reports")),
    Field(
        "data.venue_type",
        lazy("Venue type"),
        lazy("Of the OpenOOH taxonomy, such as retail.grocery"),
    ),
)
"""Each key of `SCREEN_KEYS` once; what is empty is left to the kiosk."""


def read_settings(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that were typed into a form; empty fields are left out.

    Raises:
        FormError: A field cannot be used.
    """
    known = hub_settings()
    values: dict[str, Any] = {}
    problems = {}
    for key in SCREEN_KEYS:
        text = " ".join(form.get(key, "").split())
        if not text:
            continue
        values[key] = _typed(known[key].kind, text)
        if wrong := problem_with(key, values[key]):
            problems[key] = wrong
    if problems:
        raise FormError(problems)
    return values


def form_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what the form shows for settings."""
    found = {}
    for key, value in settings.items():
        if isinstance(value, bool):
            found[key] = str(value).lower()
        else:
            found[key] = ", ".join(value) if isinstance(value, list | tuple) else str(value)
    return found


def _typed(kind: Any, text: str) -> Any:
    if kind is bool:
        return {"true": True, "false": False}.get(text, text)
    if kind is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind is float:
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return text
    return text
