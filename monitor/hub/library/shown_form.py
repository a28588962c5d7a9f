"""The form for how an ad of the library is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ads.playlists.playlist_file import Entry
from detector.emotion.labels import EMOTIONS
from monitor.hub.forms import FormError
from monitor.languages import LazyText, lazy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.datastructures import MultiDict

    from db.hub.library.contents import Shown, Version

_WRONG: dict[str, LazyText] = {
    "duration_s": lazy("Duration: expected seconds from 0.1 to 86400, or nothing."),
    "brand_at_s": lazy(
        "Brand moments: expected seconds from the start, separated by commas, such as 2.5, 7."
    ),
    "moods": lazy("Moods: choose from those of the form."),
    "first_day": lazy("First day: expected a date."),
    "last_day": lazy("Last day: expected a date, not before the first day."),
}


def read_shown(form: MultiDict[str, str], version: Version, *, dates_only: bool = False) -> Shown:
    """Read the form.

    Args:
        form: As it was sent.
        version: That is changed.
        dates_only: Leave everything else as it is.

    Raises:
        FormError: A field cannot be used. The bounds are those of a playlist file.
    """
    before = version.shown
    days = {key: form.get(name, "").strip() or None for key, name in _DAYS.items()}
    problems: dict[str, str] = {}
    values: dict[str, Any] = {"file": "x.png", **days}
    if not dates_only:
        values["moods"] = form.getlist("mood")
        for name, text in (("duration_s", "duration_s"), ("brand_at_s", "brand_at_s")):
            try:
                values[name] = _numbers(form.get(text, ""))
            except ValueError:
                problems[name] = _WRONG[name]
                values[name] = []
        duration = values["duration_s"]
        values["duration_s"] = duration[0] if duration else None
        if len(duration) > 1:
            problems["duration_s"] = _WRONG["duration_s"]
    try:
        entry = Entry.model_validate(values)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            field = _FIELDS.get(str((one["loc"] or ("until",))[0]), "last_day")
            problems[field] = _WRONG[field]
        raise FormError(problems) from None
    if problems:
        raise FormError(problems)
    dated = replace(before, first_day=entry.first_day, last_day=entry.last_day)
    if dates_only:
        return dated
    moods = tuple(mood for mood in EMOTIONS if mood in entry.moods)
    moments = tuple(sorted(set(entry.brand_at_s)))
    shown = replace(dated, duration_s=entry.duration_s, brand_at_s=moments, moods=moods)
    length_s = replace(version, shown=shown).length_s
    if moments and length_s is not None and moments[-1] > length_s:
        raise FormError(
            {
                "brand_at_s": lazy(
                    "Brand moments: expected seconds up to %(length)s, the length of the ad.",
                    length=f"{length_s:.4g}",
                )
            }
        )
    return shown


def numbers_text(values: Sequence[float]) -> str:
    """Return numbers as they are typed."""
    return ", ".join(f"{value:g}" for value in values)


_DAYS = {"from": "first_day", "until": "last_day"}
_FIELDS = {
    "duration_s": "duration_s",
    "brand_at_s": "brand_at_s",
    "moods": "moods",
    "from": "first_day",
    "until": "last_day",
}


def _numbers(text: str) -> list[float]:
    """Return numbers that are separated by commas or, with a decimal comma, by semicolons."""
    if ";" in text:
        text = text.replace(",", ".").replace(";", ",")
    return [round(float(part), 3) for part in text.split(",") if part.strip()][:100]
