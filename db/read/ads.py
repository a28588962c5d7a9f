"""What the ads of a whole database came to: one row for each version of an ad and site, added up by the database itself.

It rests on roll-ups (`db.read.rollups`) alone, so that a library of months is read in a moment;
plays that have not been rolled up yet, such as those of the session that runs, are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Double, case, cast, func, select

from db.schema import Ad, Exposure, Play, Session, Viewer

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


@dataclass(frozen=True, slots=True)
class AdTotals:
    """All that one site saw of one version of an ad; static faces are left out.

    Attributes:
        ad_id: The stable id of the playlist.
        sha256: Checksum of the media file.
        duration_ms: Length of one showing.
        site: Name of the site.
        viewers: Different viewers in view.
        watchers: Those of them who were attentive for so long without interruption.
        emotion_viewers: Those of them whose emotion could be read.
        dwell_s, attention_s: Sums over all exposures.
        mean_dwell_s: Sum over viewers of each viewer's mean dwell per exposure.
        valence, expressiveness: Sums over the viewers with an emotion of each one's mean.
    """

    ad_id: str
    sha256: str
    duration_ms: int
    site: str
    viewers: int
    watchers: int
    emotion_viewers: int
    dwell_s: float
    attention_s: float
    mean_dwell_s: float
    valence: float
    expressiveness: float


def ad_totals(engine: Engine, watcher_s: float) -> list[AdTotals]:
    """Add up all exposures by version of an ad and site.

    Args:
        engine: From `open_database`.
        watcher_s: Attention without interruption that makes a viewer a watcher.

    Returns:
        In the order in which the database met the ads, then by the name of the site.
    """
    readings = func.sum(Exposure.emotion_readings)
    viewer = (
        select(
            Play.ad_version_id,
            Viewer.session_id,
            func.sum(Exposure.dwell_s).label("dwell_s"),
            func.sum(Exposure.attention_s).label("attention_s"),
            (func.sum(Exposure.dwell_s) / func.count()).label("mean_dwell_s"),
            func.max(Exposure.longest_attention_s).label("longest_s"),
            case((readings > 0, 1), else_=0).label("read"),
            case((readings > 0, func.sum(Exposure.sum_valence) / readings), else_=0.0).label(
                "valence"
            ),
            case((readings > 0, func.sum(Exposure.sum_expressiveness) / readings), else_=0.0).label(
                "expressiveness"
            ),
        )
        .join(Play, Play.id == Exposure.play_id)
        .join(Viewer, Viewer.id == Exposure.viewer_id)
        .where(Viewer.static.is_(False), Play.rolled_up)
        .group_by(Play.ad_version_id, Exposure.viewer_id, Viewer.session_id)
        .subquery()
    )
    query = (
        select(
            Ad.ad_id,
            Ad.sha256,
            Ad.duration_ms,
            Session.site,
            func.count().label("viewers"),
            func.sum(case((viewer.c.longest_s >= watcher_s, 1), else_=0)).label("watchers"),
            func.sum(viewer.c.read).label("emotion_viewers"),
            *(
                cast(func.sum(viewer.c[name]), Double).label(name)
                for name in ("dwell_s", "attention_s", "mean_dwell_s", "valence", "expressiveness")
            ),
        )
        .join(Ad, Ad.id == viewer.c.ad_version_id)
        .join(Session, Session.id == viewer.c.session_id)
        .group_by(Ad.id, Ad.ad_id, Ad.sha256, Ad.duration_ms, Session.site)
        .order_by(Ad.id, Session.site)
    )
    with engine.connect() as connection:
        return [AdTotals(*row) for row in connection.execute(query)]
