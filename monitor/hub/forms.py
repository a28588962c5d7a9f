"""What somebody typed into a form, and what is wrong with it."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from monitor.hub.opening import parse_opening
from monitor.languages import lazy
from monitor.settings.time_zone import zone_named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from monitor.languages import LazyText

Form = TypeVar("Form", bound=BaseModel)

Message: TypeAlias = "Callable[..., LazyText]"
"""Makes a text about what pydantic says of an error, such as `max_length`."""


class FormError(ValueError):
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


def _hours(spans: tuple[str, ...]) -> tuple[str, ...]:
    try:
        parse_opening(spans)
    except ValueError as error:
        raise ValueError(
            lazy("%(expected)s, received %(spans)s", expected=str(error), spans=", ".join(spans))
        ) from None
    return spans


Words = Annotated[str, Field(max_length=80), BeforeValidator(_text)]
"""A line of text; may be empty."""

Name = Annotated[str, Field(min_length=1, max_length=80), BeforeValidator(_text)]
"""A line of text that must be there."""

Listed = BeforeValidator(_split)
"""Reads values that are separated by commas, without repetition."""

Day = Annotated[date, Field(lt=date.max)]
"""A date, after which there is another one."""

OptionalDay = Annotated[Day | None, BeforeValidator(lambda text: text or None)]
"""A date; an empty field is none."""

TimeZone = Annotated[str, BeforeValidator(str.strip), AfterValidator(_zone)]

ListedHours = Annotated[tuple[str, ...], AfterValidator(_hours), Listed]
"""Time spans such as "Mon-Fri 08:00-20:00, Sat 10:00-16:00"."""


def mail_address(text: str) -> str:
    """Return what may be a mail address; only sending tells whether it is one.

    Raises:
        ValueError: It is none.
    """
    usual = r"[^\s@,;<>\"()]"
    pattern = rf"{usual}{{1,64}}@{usual}+\.[^\s@,;<>\"().]+"
    if len(text) > 254 or not re.fullmatch(pattern, text):
        raise ValueError(
            lazy(
                "%(address)s is no mail address: expected one such as anna@example.com.",
                address=repr(text),
            )
        )
    return text


def check_order(first: date | None, last: date | None) -> None:
    """Refuse a last day before the first one, as validators of a form do.

    Raises:
        ValueError: It is.
    """
    if first and last and last < first:
        raise ValueError(lazy("The last day is before the first one."))


def _no_date(**_values: object) -> LazyText:
    return lazy("Expected a date such as 2026-03-01.")


_MESSAGES: dict[str, Message] = {
    "string_too_long": lambda **values: lazy(
        "This is too long: expected at most %(max_length)s characters.", **values
    ),
    "too_long": lambda **values: lazy(
        "These are too many: expected at most %(max_length)s.", **values
    ),
    "date_from_datetime_parsing": _no_date,
    "date_parsing": _no_date,
    "date_type": _no_date,
    "less_than": lambda **_: lazy("Expected an earlier date."),
    "literal_error": lambda **values: lazy(
        "Expected one of %(names)s.",
        names=values["expected"].replace("'", "").replace(" or ", ", "),
    ),
}
"""Default messages for these errors; a form may override them."""


def read_form(
    model: type[Form], values: Mapping[str, Any], messages: Mapping[str, Message]
) -> Form:
    """Read a form.

    Args:
        model: What it is read into.
        values: As they were typed.
        messages: What this form says instead of `_MESSAGES` or pydantic's words, by its types of
            errors.

    Raises:
        FormError: A field cannot be used.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # An error about several fields together belongs to the form.
        problems = {
            str(one["loc"][0] if one["loc"] else "form"): _message(one, {**_MESSAGES, **messages})
            for one in reversed(found)
        }
        raise FormError(problems) from None


class _NameForm(BaseModel):
    name: Name


def read_name(typed: str, missing: LazyText) -> str:
    """Read a form that holds a `name` only; `missing` is what to say where there is none.

    Raises:
        FormError: It is no name.
    """
    return read_form(_NameForm, {"name": typed}, {"string_too_short": lambda **_: missing}).name


def _message(error: Any, messages: Mapping[str, Message]) -> str:
    message = messages.get(error["type"])
    if message is not None:
        return message(**error.get("ctx", {}))
    text = str(error["msg"]).removeprefix("Value error, ").removesuffix(".")
    return f"{text[:1].upper()}{text[1:]}."
