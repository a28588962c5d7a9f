"""A channel for alerts as somebody types it, into a form or as a command."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from db.hub.alerts.channels import add_channel
from db.hub.alerts.raised import AlertKind
from monitor.hub.alerts.senders import (
    ChannelAddressError,
    check_address,
    kind_of,
    masked,
    new_secret,
)
from monitor.hub.alerts.wording import quiet_until
from monitor.hub.forms import FormError, ListedHours, Name, TimeZone, read_form
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from db.hub.alerts.channels import KnownChannel
    from monitor.fetch.target import AddressPolicy
    from monitor.hub.forms import Message


def _quiet(hours: tuple[str, ...]) -> tuple[str, ...]:
    # On which day of the week makes no difference.
    quiet_until(hours, "UTC", datetime.fromisoformat("2026-01-01T00:00:00Z"))
    return hours


class ChannelForm(BaseModel):
    """What a channel is made of; see `db.hub.alerts.channels.KnownChannel`."""

    name: Name
    url: Annotated[str, Field(min_length=1, max_length=2000), BeforeValidator(str.strip)]
    alert_kinds: tuple[AlertKind, ...]
    quiet_hours: Annotated[ListedHours, AfterValidator(_quiet)]
    time_zone: TimeZone


_MESSAGES: dict[str, Message] = {
    "string_too_short": lambda **values: lazy(
        "Give the channel a name, and the address to which it sends.", **values
    ),
    "literal_error": lambda **values: lazy(
        "There is no such kind of alert: expected some of %(expected)s.", **values
    ),
}


def read_channel(
    form: Mapping[str, str], kinds: Sequence[str], policy: AddressPolicy
) -> ChannelForm:
    """Return the channel that was typed into a form; its address is checked, nothing is sent.

    Args:
        form: `name`, `url`, `quiet_hours` and `time_zone`; missing ones are empty.
        kinds: Of the alerts to send there; none for all.
        policy: Which addresses may be called.

    Raises:
        FormError: A field cannot be used.
    """
    names = ("name", "url", "quiet_hours", "time_zone")
    values: dict[str, Any] = {name: form.get(name, "") for name in names}
    values["time_zone"] = values["time_zone"].strip() or "UTC"
    read = read_form(ChannelForm, values | {"alert_kinds": tuple(kinds)}, _MESSAGES)
    try:
        check_address(kind_of(read.url), read.url, policy)
    except ChannelAddressError as error:
        raise FormError({"url": str(error)}) from error
    return read


def store_channel(connection: Connection, form: ChannelForm, now: datetime) -> KnownChannel:
    """Store a channel; a webhook gets a new secret to sign with.

    Raises:
        ChannelError: There is one of this name.
    """
    kind = kind_of(form.url)
    secret = new_secret() if kind == "webhook" else ""
    return add_channel(connection, now, kind=kind, secret=secret, **form.model_dump())


def described(channel: KnownChannel) -> dict[str, Any]:
    """Return a channel as the audit log keeps it, without secrets."""
    return {
        "kind": channel.kind,
        "url": masked(channel.url),
        "alert_kinds": list(channel.alert_kinds),
        "quiet_hours": list(channel.quiet_hours),
        "time_zone": channel.time_zone,
    }
