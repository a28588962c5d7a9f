"""What a saved or shared report asks: ads, places, days and a measure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from monitor.analytics.breakdown import COUNTS, Division
from monitor.analytics.measures import MEASURES
from monitor.hub.forms import Listed, Name, OptionalDay, check_order, mail_address, read_form
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from monitor.hub.forms import Message

MAX_ADS = 50
MAX_RECIPIENTS = 20
SENT_AT = time(7)
"""When reports are sent, by the clock of their places."""

PERIODS = {
    "yesterday": lazy("Yesterday"),
    "week": lazy("The last 7 days"),
    "month": lazy("The last 30 days"),
    "last_month": lazy("Last calendar month"),
    "all": lazy("All days"),
    "days": lazy("These days:"),
}
"""Which days a report is about, in words."""

RHYTHMS = {
    "daily": lazy("Every day"),
    "weekly": lazy("Every Monday"),
    "monthly": lazy("On the first of each month"),
}
"""How often a report can be sent, in words."""


def _measure(name: str) -> str:
    if name not in (*COUNTS, *MEASURES):
        raise ValueError(
            lazy(
                "expected one of %(names)s, received %(value)s",
                names=", ".join((*COUNTS, *MEASURES)),
                value=repr(name),
            )
        )
    return name


Texts = Annotated[tuple[str, ...], BeforeValidator(lambda v: tuple(dict.fromkeys(filter(None, v))))]


class ReportQuery(BaseModel):
    """A question to the figures; empty tuples mean all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ads: Annotated[Texts, Field(max_length=MAX_ADS)] = ()
    sites: Texts = ()
    groups: Texts = ()
    tags: Texts = ()
    period: Literal["yesterday", "week", "month", "last_month", "all", "days"] = "week"
    first: OptionalDay = None
    last: OptionalDay = None
    measure: Annotated[str, AfterValidator(_measure)] = "attention"
    division: Division = "none"

    @model_validator(mode="after")
    def _in_order(self) -> ReportQuery:
        check_order(self.first, self.last)
        return self

    def days(self, today: date) -> tuple[date | None, date | None]:
        """Return the first and the last day, both included, as seen on a day."""
        yesterday = today - timedelta(days=1)
        this_month = today.replace(day=1)
        before = this_month - timedelta(days=1)
        return {
            "yesterday": (yesterday, yesterday),
            "week": (today - timedelta(days=7), yesterday),
            "month": (today - timedelta(days=30), yesterday),
            "last_month": (before.replace(day=1), before),
            "all": (None, None),
            "days": (self.first, self.last),
        }[self.period]


class Keeping(BaseModel):
    """How a report is kept: its name, and to whom it is sent."""

    name: Name
    rhythm: Annotated[
        Literal["daily", "weekly", "monthly"] | None, BeforeValidator(lambda v: v or None)
    ] = None
    recipients: Annotated[
        tuple[Annotated[str, AfterValidator(mail_address)], ...],
        Field(max_length=MAX_RECIPIENTS),
        Listed,
    ] = ()

    @model_validator(mode="after")
    def _is_sent_to_somebody(self) -> Keeping:
        if bool(self.rhythm) != bool(self.recipients):
            raise ValueError(
                lazy("To send a report, choose how often and to which mail addresses.")
            )
        return self


_MESSAGES: dict[str, Message] = {
    "string_too_short": lambda **_: lazy("Give the report a name."),
}


def read_query(values: Mapping[str, Any]) -> ReportQuery:
    """Return the question in a form.

    Raises:
        FormError: A field cannot be used.
    """
    return read_form(ReportQuery, values, _MESSAGES)


def read_keeping(values: Mapping[str, Any]) -> Keeping:
    """Return how a report is to be kept.

    Raises:
        FormError: A field cannot be used.
    """
    return read_form(Keeping, values, _MESSAGES)


def next_sending(rhythm: str, after: datetime, zone: tzinfo) -> datetime:
    """Return the next time at which a report is sent: at seven in the morning of its places."""
    local = after.astimezone(zone)
    day = local.date()
    while True:
        is_day = {"daily": True, "weekly": day.weekday() == 0, "monthly": day.day == 1}[rhythm]
        at = datetime.combine(day, SENT_AT, zone)
        if is_day and at > after:
            return at
        day += timedelta(days=1)
