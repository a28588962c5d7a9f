"""A screen's name and place as somebody types them into a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from db.hub.screens import Place
from monitor.settings.models import Hours, Venue
from monitor.settings.time_zone import zone_named

if TYPE_CHECKING:
    from collections.abc import Mapping


class PlaceError(ValueError):
    """A form cannot be used; `problems` says why, by the name of the field."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in problems.items()))
        self.problems = problems


def _split(text: str) -> tuple[str, ...]:
    parts = (" ".join(part.split()) for part in text.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def _text(text: str) -> str:
    return " ".join(text.split())


def _zone(name: str) -> str:
    return zone_named(name).key


_Words = Annotated[str, Field(max_length=80), BeforeValidator(_text)]
_Tag = Annotated[str, Field(max_length=40)]


class _PlaceForm(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=80), BeforeValidator(_text)]
    site: _Words
    group: _Words
    tags: Annotated[tuple[_Tag, ...], Field(max_length=20), BeforeValidator(_split)]
    venue_type: Annotated[Venue, BeforeValidator(str.strip)]
    time_zone: Annotated[str, BeforeValidator(str.strip), AfterValidator(_zone)]
    opening: Annotated[Hours, BeforeValidator(_split)]


FIELDS = tuple(_PlaceForm.model_fields)
"""The names of the form's fields; tags and opening hours are separated by commas."""

_MESSAGES = {
    "string_too_short": "Give the screen a name, such as Entrance or Till 3.",
    "string_too_long": "This is too long: expected at most {max_length} characters.",
    "too_long": "These are too many: expected at most {max_length}.",
}


def read_place(form: Mapping[str, str]) -> Place:
    """Return the place that was typed into a form; missing fields are empty.

    Raises:
        PlaceError: A field cannot be used.
    """
    try:
        read = _PlaceForm.model_validate({name: form.get(name, "") for name in FIELDS})
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise PlaceError({str(one["loc"][0]): _message(one) for one in reversed(found)}) from None
    return Place(**read.model_dump())


def form_of(place: Place) -> dict[str, str]:
    """Return what a form shows for a place."""
    return {
        name: value if isinstance(value, str) else ", ".join(value)
        for name in FIELDS
        for value in (getattr(place, name),)
    }


def _message(error: Any) -> str:
    template = _MESSAGES.get(error["type"])
    if template is not None:
        return template.format(**error.get("ctx", {}))
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{text[:1].upper()}{text[1:]}."
