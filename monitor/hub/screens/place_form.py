"""A screen's name and place as somebody types them into a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, BeforeValidator, Field

from db.hub.screens.registry import Place
from monitor.hub.forms import Listed, ListedHours, Name, TimeZone, Words, read_form
from monitor.languages import lazy
from monitor.settings.models import Venue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from monitor.hub.forms import Message


_Tag = Annotated[str, Field(max_length=40)]


class _PlaceForm(BaseModel):
    name: Name
    site: Words
    group: Words
    tags: Annotated[tuple[_Tag, ...], Field(max_length=20), Listed]
    venue_type: Annotated[Venue, BeforeValidator(str.strip)]
    time_zone: TimeZone
    opening: ListedHours


FIELDS = tuple(_PlaceForm.model_fields)
"""The names of the form's fields; tags and opening hours are separated by commas."""

_MESSAGES: dict[str, Message] = {
    "string_too_short": lambda **values: lazy(
        "Give the screen a name, such as Entrance or Till 3.", **values
    ),
}


def read_place(form: Mapping[str, str]) -> Place:
    """Return the place that was typed into a form; missing fields are empty.

    Raises:
        FormError: A field cannot be used.
    """
    values = {name: form.get(name, "") for name in FIELDS}
    read = read_form(_PlaceForm, values, _MESSAGES)
    return Place(**read.model_dump())


def form_of(place: Place) -> dict[str, str]:
    """Return what a form shows for a place."""
    return {
        name: value if isinstance(value, str) else ", ".join(value)
        for name in FIELDS
        for value in (getattr(place, name),)
    }
