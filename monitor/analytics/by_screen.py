"""The audience of each screen of a hub, and of the sites of kiosks without one."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from db.read.cells import HourlySums
from monitor.analytics.metrics import take
from monitor.analytics.report_data import places_to_withhold
from monitor.languages import lazy

if TYPE_CHECKING:
    from collections.abc import Collection

    from monitor.analytics.report_data import ReportData

NOTHING = HourlySums(0, 0.0, 0)

FIGURES = ("exposures", "attention_s", "attention_per_exposure_s")
"""What rests on viewers and is withheld of too few."""


def by_screen(
    data: ReportData, countable: Collection[int], *, min_viewers: int = 1
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return plays, exposures and attention of each screen, and what is withheld.

    Of a screen that sends sums of hours only, these sums count: they leave out hours with fewer
    viewers than its kiosk was set to, and do not tell how many viewers there were in all.

    Args:
        data: The sessions to take together.
        countable: The ids of the plays that were shown and measured, at least in part.
        min_viewers: Screens with fewer viewers are withheld, with others that would give them away.

    Returns:
        Entries by site and name for JSON, none without any screen, and at most one of `withheld`.
    """
    if not data.screens:
        return [], []
    screens = {screen.id: screen for screen in data.screens}
    by_place: dict[tuple[str, str, int], list[int]] = {}
    for info in data.sessions:
        number = info.screen_id or 0
        name = screens[number].place.name if number in screens else ""
        by_place.setdefault((info.site, name, number), []).append(info.id)
    session_of = data.session_of
    plays = Counter(session_of.values())
    owner = np.array([session_of[play] for play in data.exposures.play_id.tolist()], np.int64)
    measured = {session_of[play] for play in countable}
    entries, viewers = [], []
    for (site, _, number), sessions in sorted(by_place.items()):
        mine = take(data.exposures, np.isin(owner, sessions))
        sums = data.hourly.get(number, NOTHING)
        exposures = len(mine) + sums.exposures
        attention_s = math.fsum([*mine.attention_s.tolist(), sums.attention_s])
        people = int(np.unique(mine.viewer_id).size)
        # Of hours only the least number of viewers is known.
        viewers.append(people + sums.viewers)
        known = not measured.isdisjoint(sessions) or sums.exposures > 0
        screen = screens.get(number)
        entries.append(
            {
                "screen": None if screen is None else screen.uid,
                "name": None if screen is None else screen.place.name,
                "site": site,
                "group": None if screen is None else screen.place.group or None,
                "tags": [] if screen is None else list(screen.place.tags),
                "sessions": len(sessions),
                "plays": sum(plays[session] for session in sessions),
                "viewers": people if known and data.untold.isdisjoint(sessions) else None,
                "exposures": exposures if known else None,
                "attention_s": attention_s if known else None,
                "attention_per_exposure_s": attention_s / exposures if exposures else None,
            }
        )
    hidden = places_to_withhold([0] * len(entries), viewers, min_viewers)
    for place in hidden:
        entries[place] |= dict.fromkeys(FIGURES)
    if not hidden:
        return entries, []
    why = lazy(
        "at %(few)s of %(all)s screens fewer than %(least)s viewers were in view, or the screen "
        "would give such a screen away",
        few=len(hidden),
        all=len(entries),
        least=min_viewers,
    )
    return entries, [{"ad_id": None, "figures": [f"screens.{key}" for key in FIGURES], "why": why}]
