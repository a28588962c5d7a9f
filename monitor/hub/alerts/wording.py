"""What alerts look like where people read them, and when a channel wants none."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from monitor.hub.alerts.rules import WORDS
from monitor.hub.opening import is_open
from monitor.languages import _, lazy, long_date, ngettext
from monitor.languages.recognition import translated
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
    """Return the message of one event in the current language; see `payload` in `raised`."""
    detail = translated(document["detail"])
    if document["event"] == "test":
        return Message(document["id"], document, _("Test of alerts"), detail)
    screen, words = document["screen"], kind_words(document["kind"])
    if screen is None:
        campaign = document["campaign"]
        place, zone = campaign["name"], local_zone().key
        page = f"/campaigns/{campaign['id']}"
    else:
        place = f"{screen['name']} ({screen['site']})" if screen["site"] else screen["name"]
        zone, page = screen["time_zone"], f"/screens/{screen['id']}"
    since = _local(document["raised_at"], zone)
    title = f"{words}: {place}"
    if document["event"] == "raised":
        begun = _("Since %(when)s.", when=since)
        text = f"{detail}\n{begun}"
    else:
        until = _local(document["ended_at"], zone)
        title = _("Over: %(alert)s", alert=title)
        text = _(
            "Raised %(since)s, ended %(until)s. It was: %(detail)s",
            since=since,
            until=until,
            detail=detail,
        )
    return Message(document["id"], document, title, text, page)


def storm_message(documents: Sequence[dict[str, Any]]) -> Message:
    """Return one message for many events, which names the screens or campaigns of each kind."""
    about: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for document in documents:
        what = "campaign" if document["screen"] is None else "screen"
        about[document["event"], document["kind"], what].append(document[what]["name"])
    lines = []
    for (event, kind, what), names in about.items():
        if what == "campaign":
            count = ngettext("%(num)s campaign", "%(num)s campaigns", len(names))
        else:
            count = ngettext("%(num)s screen", "%(num)s screens", len(names))
        listed = ", ".join(names[:10])
        if len(names) > 10:
            listed = _("%(names)s and %(count)s more", names=listed, count=len(names) - 10)
        line = f"{kind_words(kind)}, {count}: {listed}"
        lines.append(line if event == "raised" else _("Over: %(alert)s", alert=line))
    raised = sum(document["event"] == "raised" for document in documents)
    over = len(documents) - raised
    title = ngettext("%(num)s alert raised", "%(num)s alerts raised", raised)
    title = _("%(raised)s, %(count)s over", raised=title, count=over)
    first = documents[0]
    return Message(first["id"], first, title, "\n".join(lines))


def kind_words(kind: str) -> str:
    """Return what people call a kind of alert, also one of a newer version."""
    return str(WORDS.get(cast("AlertKind", kind), kind))


def quiet_until(quiet_hours: Sequence[str], time_zone: str, at: datetime) -> datetime | None:
    """Return when the quiet hours end that a moment lies in; `None` if it lies in none.

    Raises:
        ValueError: A time span or the time zone is not one, or the day has no other hours.
    """
    if not quiet_hours or not is_open(quiet_hours, time_zone, at):
        return None
    minute = at.replace(second=0, microsecond=0)
    # A week has all the days there are, and the clocks change on some.
    for _minute in range(8 * 24 * 60):
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
    there = moment.astimezone(zone)
    return f"{long_date(there.date())}, {there:%H:%M} {zone_words(zone, moment)}"
