"""What an ad does scene by scene, and beside the other ads, added to the ads of a report."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analytics import metrics
from monitor.analytics.scenes import correct_changes, scene_figures
from monitor.languages import nlazy
from monitor.reports.withheld import of_ad

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db.read.sessions import AdInfo
    from monitor.analytics.baseline import SiteCurves
    from monitor.analytics.report_data import ReportData

Starts = list[float] | str
"""Where the scenes of a video begin, in seconds, or why it is not known."""


def videos_seen(data: ReportData) -> list[AdInfo]:
    """Return the videos that somebody saw: those whose scenes can have figures."""
    rows = {play.id: play.ad_row_id for play in data.plays}
    seen = {rows[play] for play in np.unique(data.seconds.play_id).tolist()}
    return [ad for ad in data.ads if ad.kind == "video" and ad.ad_row_id in seen]


def add_scenes(
    entries: Sequence[dict[str, Any]],
    ads: Sequence[AdInfo],
    data: ReportData,
    starts: Mapping[str, Starts],
    *,
    min_viewers: int,
) -> list[dict[str, Any]]:
    """Give each ad its `scenes`, None where they are not known; return entries of `withheld`.

    Args:
        entries: The ads of the report, which are changed.
        ads: The same ads, in the same order.
        data: What the report is made of.
        starts: By SHA-256; videos that are not named have no scenes, and nothing is said of it.
        min_viewers: What rests on fewer viewers is withheld.
    """
    withheld = []
    # The data of one session that is over do not change from look to look.
    growing = len(data.sessions) > 1 or any(info.ended_at is None for info in data.sessions)
    for entry, ad in zip(entries, ads, strict=True):
        found = starts.get(ad.sha256)
        entry["scenes"] = None
        why = found if isinstance(found, str) else None
        if isinstance(found, list):
            plays = [play.id for play in data.plays if play.ad_row_id == ad.ad_row_id]
            mine = metrics.take(data.seconds, np.isin(data.seconds.play_id, plays))
            scenes = scene_figures(
                mine, found, entry["duration_s"], min_viewers=min_viewers, growing=growing
            )
            entry["scenes"] = scenes
            few = sum(0 < scene["n"] < min_viewers for scene in scenes)
            if few:
                why = nlazy(
                    "fewer than %(least)s viewers saw %(num)s scene",
                    "fewer than %(least)s viewers saw %(num)s scenes",
                    few,
                    least=min_viewers,
                )
        if why is not None:
            withheld.append(of_ad(entry, ["scenes"], why))
    scenes_of_ads = [entry["scenes"] or [] for entry in entries]
    # Always-valid p-values leave a report of many ads with few errors at any one look.
    for family in scenes_of_ads if growing else [list(chain.from_iterable(scenes_of_ads))]:
        correct_changes(family)
    return withheld


def add_baselines(entries: Sequence[dict[str, Any]], curves: SiteCurves) -> None:
    """Give each ad its `baseline`: the mean curve of the other ads at the same sites."""
    for entry in entries:
        entry["baseline"] = curves.baseline(entry["ad_id"], len(entry["timeline"]))
