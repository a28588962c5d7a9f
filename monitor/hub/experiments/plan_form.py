"""Forms of experiments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from ads.playlists.playlist import DAYS, parse_hours
from monitor.analytics.experiments import parse_share
from monitor.hub.forms import Name, OptionalDay, check_order, read_form
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from werkzeug.datastructures import MultiDict

    from monitor.hub.forms import Message

DEFAULTS = {
    "measure": "attention",
    "hours": "08:00-20:00",
    "block_min": "60",
    "wash_out_min": "5",
    "stopping": "always_valid",
}
"""What an untouched form says, as the options of `ad-monitor experiment plan` do."""


@dataclass(frozen=True, slots=True)
class AskedPlan:
    """An experiment as somebody asks for it.

    Attributes:
        treatment, control: Ad ids.
        sites: Where it runs.
        measure: "attention", "valence", or the name of an outcome.
        effect: The smallest that matters, a share or a difference; `None` for the usual one.
        first_day, last_day: Both included; `None` is today, and as long as the effect takes.
        hours: Such as "08:00-20:00".
        days: Such as "mon".
        block_min, wash_out_min: Minutes.
        stopping: "always_valid" or "fixed".
        spread: Of a block, if it is stated.
    """

    treatment: tuple[str, ...]
    control: tuple[str, ...]
    sites: tuple[str, ...]
    measure: str
    effect: float | None
    first_day: date | None
    last_day: date | None
    hours: str
    days: tuple[str, ...]
    block_min: float
    wash_out_min: float
    stopping: str
    spread: float | None

    def times(self, zone: ZoneInfo, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Return from when to when blocks may lie: none before, and none after; aware.

        Args:
            zone: Of the days.
            now: Aware; a first day that has begun is from now on.
        """
        since = until = None
        if self.first_day is not None:
            since = datetime.combine(self.first_day, time(), zone)
        if self.last_day is not None:
            until = datetime.combine(self.last_day + timedelta(days=1), time(), zone)
        return (None if since is not None and since <= now else since), until


def _one_span(text: str) -> str:
    try:
        (span,) = parse_hours(text)
    except ValueError:
        raise ValueError(
            lazy("Expected hours such as 08:00-20:00, received %(text)s.", text=repr(text))
        ) from None
    return str(span)


def _share(text: str) -> float | None:
    return parse_share(text) if text else None


_Share = Annotated[float | None, BeforeValidator(_share)]
_Id = Annotated[str, Field(min_length=1, max_length=200)]
_Ads = Annotated[tuple[_Id, ...], Field(max_length=50)]


class _PlanForm(BaseModel):
    treatment: _Ads
    control: _Ads
    sites: Annotated[tuple[str, ...], Field(min_length=1, max_length=200)]
    measure: Annotated[str, Field(min_length=1, max_length=200)]
    effect: _Share
    first_day: OptionalDay
    last_day: OptionalDay
    hours: Annotated[str, AfterValidator(_one_span)]
    days: tuple[Literal[DAYS], ...]  # type: ignore[valid-type]
    block_min: Annotated[float, Field(ge=0.05, le=24 * 60)]
    wash_out_min: Annotated[float, Field(ge=0, le=12 * 60)]
    stopping: Literal["always_valid", "fixed"]
    spread: _Share

    @model_validator(mode="after")
    def _agrees(self) -> _PlanForm:
        check_order(self.first_day, self.last_day)
        if not self.treatment and not self.control:
            raise ValueError(lazy("Choose the ad that is on trial."))
        return self


def _for_address(name: str) -> str:
    if "/" in name or name in {"new", "outcomes", ".", ".."}:
        raise ValueError(lazy("Expected another name: this one cannot be part of an address."))
    return name


class _StartForm(BaseModel):
    name: Annotated[Name, AfterValidator(_for_address)]
    hypothesis: Annotated[str, Field(min_length=1, max_length=500)]


_MESSAGES: dict[str, Message] = {
    "float_parsing": lambda **_: lazy("Expected a number of minutes."),
    "less_than_equal": lambda **values: lazy(
        "Expected at most %(most)s.", most=f"{values['le']:g}"
    ),
    "greater_than_equal": lambda **values: lazy(
        "Expected at least %(least)s.", least=f"{values['ge']:g}"
    ),
    "too_short": lambda **_: lazy("Choose where it runs."),
    "string_too_short": lambda **_: lazy("Fill in this field."),
}

_FIELDS = (
    *("measure", "effect", "first_day", "last_day", "hours"),
    *("block_min", "wash_out_min", "stopping", "spread"),
)
_LISTS = {"treatment": "treatment", "control": "control", "sites": "site", "days": "day"}
"""Fields with several values, and the name of each of them."""


def plan_values(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return what was chosen in the form of a plan, with `DEFAULTS` where nothing was sent."""
    typed = {name: form.get(name, DEFAULTS.get(name, "")).strip() for name in _FIELDS}
    chosen = {name: tuple(form.getlist(field)) for name, field in _LISTS.items()}
    return {**typed, **chosen}


def hidden_fields(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values for a form that sends the same plan again."""
    one = [(name, str(values[name])) for name in _FIELDS]
    return one + [(field, value) for name, field in _LISTS.items() for value in values[name]]


def read_plan(values: Mapping[str, Any]) -> AskedPlan:
    """Return the plan in a form.

    Raises:
        FormError: A field cannot be used.
    """
    found = read_form(_PlanForm, values, _MESSAGES).model_dump()
    return AskedPlan(**found | {"days": found["days"] or tuple(DAYS)})


def read_start(form: Mapping[str, str]) -> tuple[str, str]:
    """Return the name and the hypothesis with which an experiment starts.

    Raises:
        FormError: A field cannot be used.
    """
    typed = {name: form.get(name, "").strip() for name in ("name", "hypothesis")}
    found = read_form(_StartForm, typed, _MESSAGES)
    return found.name, found.hypothesis
