"""Forms of bookings and campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    model_validator,
)

from ads.playlists.playlist import DAYS, parse_hours
from db.hub.shows.bookings import BookingPlan
from db.hub.shows.campaigns import CampaignPlan
from db.hub.tables.shows import TARGETS
from monitor.hub.forms import Day, FormError, Listed, Name, OptionalDay, check_order, read_form
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.datastructures import MultiDict

    from monitor.hub.forms import Message


def _hours(spans: tuple[str, ...]) -> tuple[str, ...]:
    parse_hours(list(spans))
    return spans


class _BookingForm(BaseModel):
    playlist: Annotated[str, Field(min_length=1, max_length=32)]
    target_kind: Literal[TARGETS]  # type: ignore[valid-type]
    target: str
    first_day: OptionalDay
    last_day: OptionalDay
    days: tuple[Literal[DAYS], ...]  # type: ignore[valid-type]
    hours: Annotated[tuple[str, ...], AfterValidator(_hours), Listed]
    priority: Annotated[int, Field(ge=0, le=9)]
    takeover: bool
    campaign: Annotated[str | None, BeforeValidator(lambda value: value or None)]

    @model_validator(mode="after")
    def _ordered(self) -> _BookingForm:
        check_order(self.first_day, self.last_day)
        return self


class _CampaignForm(BaseModel):
    name: Name
    creatives: Annotated[tuple[str, ...], Field(min_length=1, max_length=200)]
    first_day: Day
    last_day: Day
    goal_kind: Literal["plays", "attentive_seconds"]
    goal: Annotated[float, Field(gt=0, le=1e12)]

    @model_validator(mode="after")
    def _ordered(self) -> _CampaignForm:
        check_order(self.first_day, self.last_day)
        return self


_MESSAGES: dict[str, Message] = {
    "int_parsing": lambda **_: lazy("Expected a whole number."),
    "float_parsing": lambda **_: lazy("Expected a number."),
    "greater_than": lambda **_: lazy("Expected a number above 0."),
    "less_than_equal": lambda **values: lazy("Expected at most %(le)s.", **values),
    "greater_than_equal": lambda **values: lazy("Expected at least %(ge)s.", **values),
    "too_short": lambda **_: lazy("Choose an ad."),
    "string_too_short": lambda **_: lazy("Fill in this field."),
}


def booking_values(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return what was typed into the form of a booking; `where` is such as `site:Berlin`."""
    kind, _, target = form.get("where", "all").partition(":")
    return {
        "playlist": form.get("playlist", ""),
        "target_kind": kind,
        "target": target,
        "first_day": form.get("first_day", "").strip(),
        "last_day": form.get("last_day", "").strip(),
        "days": tuple(form.getlist("day")),
        "hours": form.get("hours", ""),
        "priority": form.get("priority", "").strip() or "0",
        "takeover": "takeover" in form,
        "campaign": form.get("campaign", ""),
    }


def values_of(plan: BookingPlan) -> dict[str, Any]:
    """Return what the form shows for a booking."""
    return {
        "playlist": plan.playlist,
        "target_kind": plan.target_kind,
        "target": plan.target,
        "first_day": plan.first_day or "",
        "last_day": plan.last_day or "",
        "days": plan.days,
        "hours": ", ".join(plan.hours),
        "priority": plan.priority,
        "takeover": plan.takeover,
        "campaign": plan.campaign or "",
    }


def read_booking(values: Mapping[str, Any]) -> BookingPlan:
    """Return the booking in a form.

    Raises:
        FormError: A field cannot be used.
    """
    try:
        return BookingPlan(**read_form(_BookingForm, values, _MESSAGES).model_dump())
    except FormError as error:
        # Both parts of the target are chosen in one field.
        fields = {"target_kind": "where", "target": "where"}
        raise FormError({fields.get(n, n): why for n, why in error.problems.items()}) from None


def campaign_values(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return what was typed into the form of a campaign."""
    names = ("name", "first_day", "last_day", "goal_kind", "goal")
    return {
        **{name: form.get(name, "").strip() for name in names},
        "creatives": tuple(form.getlist("creative")),
    }


def campaign_form_of(plan: CampaignPlan) -> dict[str, Any]:
    """Return what the form shows for a campaign."""
    return {
        "name": plan.name,
        "creatives": plan.creatives,
        "first_day": plan.first_day,
        "last_day": plan.last_day,
        "goal_kind": plan.goal_kind,
        "goal": f"{plan.goal:g}",
    }


def read_campaign(values: Mapping[str, Any]) -> CampaignPlan:
    """Return the campaign in a form.

    Raises:
        FormError: A field cannot be used.
    """
    return CampaignPlan(**read_form(_CampaignForm, values, _MESSAGES).model_dump())
