"""What alerts look like where people read them, and when a channel wants none."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from monitor.hub.alerts.rules import WORDS
from monitor.hub.opening import is_open
from monitor.languages import lazy
from monitor.settings.time_zone import local_zone, zone_or_utc, zone_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.hub.alerts.raised import AlertKind


class Message(NamedTuple):
    """What is sent of one event: its document for programs, and a text for people.

    `page` is the path of the hub's page that shows more.
    """

    id: str
    document: dict[str, Any]
    title: str
    text: str
    page: str = "/alerts"


def one_message(document: dict[str, Any]) -> Message:
    """Return the message of one event; see `db.hub.alerts.raised.payload`."""
    if document["event"] == "test":
        return Message(document["id"], document, "Test of alerts", document["detail"])
    screen, words = document["screen"], kind_words(document["kind"])
    if screen is None:
        campaign = document["campaign"]
        place, zone = campaign["name"], local_zone().key
        page = f"/campaigns/{campaign['id']}"
    else:
        place = f"{screen['name']} ({screen['site']})" if screen["site"] else screen["name"]
        zone, page = screen["time_zone"], f"/screens/{screen['id']}"
    since = _local(document["raised_at"], zone)
    if document["event"] == "raised":
        title, text = f"{words}: {place}", f"{document['detail']}\nSince {since}."
    else:
        until = _local(document["ended_at"], zone)
        title = f"Over: {words}: {place}"
        text = f"Raised {since}, ended {until}. It was: {document['detail']}"
    return Message(document["id"], document, title, text, page)


def storm_message(documents: Sequence[dict[str, Any]]) -> Message:
    """Return one message for many events, which names the screens or campaigns of each kind."""
    about: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for document in documents:
        what = "campaign" if document["screen"] is None else "screen"
        about[document["event"], document["kind"], what].append(document[what]["name"])
    lines = []
    for (event, kind, what), names in about.items():
        count = f"{len(names)} {what}{'' if len(names) == 1 else 's'}"
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        over = "" if event == "raised" else "Over: "
        lines.append(f"{over}{kind_words(kind)}, {count}: {', '.join(names[:10])}{more}")
    raised = sum(document["event"] == "raised" for document in documents)
    title = f"{raised} alerts raised, {len(documents) - raised} over"
    first = documents[0]
    return Message(first["id"], first, title, "\n".join(lines))


def kind_words(kind: str) -> str:
    """Return what people call a kind of alert, also one of a newer version."""
    return WORDS.get(cast("AlertKind", kind), kind)


def quiet_until(quiet_hours: Sequence[str], time_zone: str, at: datetime) -> datetime | None:
    """Return when the quiet hours end that a moment lies in; `None` if it lies in none.

    Raises:
        ValueError: A time span or the time zone is not one, or the day has no other hours.
    """
    if not quiet_hours or not is_open(quiet_hours, time_zone, at):
        return None
    minute = at.replace(second=0, microsecond=0)
    # A week has all the days there are, and the clocks change on some.
    for _ in range(8 * 24 * 60):
        minute += timedelta(minutes=1)
        if not is_open(quiet_hours, time_zone, minute):
            return minute
    raise ValueError(
        lazy(
            "expected quiet hours that end, such as 22:00-07:00, received %(value)s",
            value=", ".join(quiet_hours),
        )
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _local(text: str, time_zone: str) -> str:
    moment = _moment(text)
    zone = zone_or_utc(time_zone)
    return f"{moment.astimezone(zone):%d %B %Y, %H:%M} {zone_words(zone, moment)}"
