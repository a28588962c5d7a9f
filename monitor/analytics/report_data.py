"""What a report is made of, read from the database at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db.read.rollups import Log as ReportData
from db.read.rollups import read_log
from db.read.scope import Scope, left_out
from monitor.analytics.errors import EmptyScopeError
from monitor.languages import _, ngettext
from monitor.settings.time_zone import SessionZones

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence
    from datetime import tzinfo

    from sqlalchemy.engine import Engine

    from db.read.sessions import AdInfo, SessionInfo

__all__ = [
    "ReportData",
    "Scope",
    "ad_versions",
    "kinds_left_out",
    "load_report_data",
    "places_to_withhold",
    "zones_of",
]


def load_report_data(engine: Engine, scope: Scope, *, seconds: bool = True) -> ReportData:
    """Read what a report on some sessions needs; only curves need `seconds`.

    Raises:
        EmptyScopeError: No session is in scope.
    """
    data = read_log(engine, scope, seconds=seconds)
    if not data.sessions:
        others = kinds_left_out(left_out(engine, scope))
        raise EmptyScopeError(
            "No session is in scope: expected at least one; `ad-monitor sessions` lists them. "
            "Wider dates or another --site, --group or --tag may help; replays and sessions of the "
            "demo viewer count "
            f"only with --replays and --demos{f' (left out: {others})' if others else ''}."
        )
    return data


def zones_of(sessions: Iterable[SessionInfo], zone: tzinfo | None = None) -> SessionZones:
    """Return the zones of the hours and days of sessions: one for all, or each session's own."""
    return SessionZones({info.id: info.timezone for info in sessions}, zone)


def kinds_left_out(counts: Mapping[str, int]) -> str:
    """Return words such as `2 demo sessions and 1 replay`; empty if there are none."""
    demos, replays = counts.get("demo", 0), counts.get("replay", 0)
    known = [
        demos and ngettext("%(num)s demo session", "%(num)s demo sessions", demos),
        replays and ngettext("%(num)s replay", "%(num)s replays", replays),
    ]
    return _(" and ").join(words for words in known if words)


def ad_versions(ads: Iterable[AdInfo]) -> list[tuple[AdInfo, int | None]]:
    """Number the versions of each ad from 1, by row id; None for a single one."""
    by_id: dict[str, list[AdInfo]] = {}
    for ad in ads:
        by_id.setdefault(ad.ad_id, []).append(ad)
    return [
        (ad, number if len(versions) > 1 else None)
        for versions in by_id.values()
        for number, ad in enumerate(sorted(versions, key=lambda ad: ad.ad_row_id), 1)
    ]


def places_to_withhold(
    groups: Sequence[Hashable], viewers: Sequence[int], min_viewers: int
) -> set[int]:
    """Return the places whose audience is withheld: those that too few viewers saw.

    Where all of these of one group still have fewer viewers together, the next smallest place of it
    is withheld too: else the figures of the whole group would reveal them as the remainder.

    Args:
        groups: What each place is part of.
        viewers: How many viewers each place has; where there is none, nothing is withheld.
        min_viewers: At least so many viewers are needed.
    """
    hidden: set[int] = set()
    for group in set(groups):
        seen = sorted(
            (count, place)
            for place, count in enumerate(viewers)
            if groups[place] == group and count > 0
        )
        together = 0
        for count, place in seen:
            if count >= min_viewers and not 0 < together < min_viewers:
                break
            together += count
            hidden.add(place)
    return hidden
