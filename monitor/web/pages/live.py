"""The running session: a page with its figures, and the events that keep it up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, redirect, render_template, url_for

from db.error_classes import is_environment
from db.errors import NoSuchSessionError
from db.read.live import live_state, open_session_ids
from detector.emotion.labels import EMOTIONS
from monitor.reports.formatting import utc_text
from monitor.web.problems import ProblemError
from monitor.web.schemas import Live, LiveAd, LiveGap, LiveSecond
from monitor.web.services import services

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from werkzeug.wrappers import Response as AnyResponse

    from monitor.web.services import Services

WINDOW_S = 30
EVENT_PAUSE_S = 1.0

blueprint = Blueprint("live", __name__)


@blueprint.get("/live")
def latest() -> str | AnyResponse:
    """The running session, if there is one; several are listed."""
    problem, running = None, []
    try:
        running = open_session_ids(services().database())
    except ProblemError as error:
        if error.code != "no_database":
            raise
        problem = error
    if len(running) == 1:
        return redirect(url_for("live.page", session_id=running[0]))
    return render_template(
        "live_choice.html",
        sessions=[live_document(services(), number) for number in running],
        problem=problem,
    )


@blueprint.get("/sessions/<int:session_id>/live")
def page(session_id: int) -> str:
    """The figures of a session at this moment; a script keeps them up to date."""
    live = live_document(services(), session_id)
    return render_template("live.html", live=live, curve=curve_points(live), window=WINDOW_S)


@blueprint.get("/sessions/<int:session_id>/events")
def events(session_id: int) -> Response:
    """A JSON document a second (server-sent events) until the session is over; nothing for one that is."""
    if not live_document(services(), session_id).running:
        # This status tells a browser not to come back.
        return Response(status=204)
    here = services()
    here.take_place()
    response = Response(_events(here, session_id), content_type="text/event-stream; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    # A proxy is not to collect events before it hands them on.
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(here.leave_place)
    return response


def live_document(here: Services, session_id: int) -> Live:
    """A session at this moment, as the interface describes it.

    Raises:
        ProblemError: There is no such session, or no database.
    """
    least = here.settings.min_viewers
    try:
        state = live_state(here.database(), session_id, WINDOW_S, min_viewers=least)
    except NoSuchSessionError as error:
        raise ProblemError(
            404, "no_session", f"{error} The page of sessions lists those there are."
        ) from error
    ad = state.ad
    return Live(
        session_id=state.session_id,
        site=state.site,
        at=_text(state.at),
        running=state.ended_at is None,
        silent_s=_seconds(state.at - state.last_sign_at),
        min_viewers=least,
        viewers=state.viewers,
        attentive=state.attentive,
        recent_viewers=state.recent_viewers,
        emotion_viewers=state.emotion_viewers,
        mood=None
        if state.probabilities is None
        else {name: _share(p) for name, p in zip(EMOTIONS, state.probabilities, strict=True)},
        valence=None if state.valence is None else round(max(-1.0, min(1.0, state.valence)), 4),
        curve=[
            LiveSecond(
                age_s=second.age_s,
                viewers=second.viewers,
                valence=None
                if second.valence is None
                else round(max(-1.0, min(1.0, second.valence)), 4),
            )
            for second in state.curve
        ],
        ad=None
        if ad is None
        else LiveAd(
            ad_id=ad.ad_id,
            name=ad.name,
            started_at=_text(ad.started_at),
            duration_s=ad.duration_s,
            position_s=min(ad.duration_s, _seconds(state.at - ad.started_at)),
        ),
        gaps=[
            LiveGap(started_at=_text(gap.started_at), cause=gap.cause, detail=gap.detail)
            for gap in state.gaps
        ],
    )


def curve_points(live: Live, width: float = 300.0, height: float = 100.0) -> list[str]:
    """The curve of valence as polylines, broken where nothing is known; the newest second is at the right edge.

    Args:
        live: The session.
        width, height: Of the drawing; valence 1 is at its top, -1 at its bottom.

    Returns:
        For each stretch its points as SVG writes them.
    """
    stretches: list[list[str]] = []
    before = None
    for second in live.curve:
        if second.valence is None:
            continue
        if before is None or before - second.age_s > 1:
            stretches.append([])
        x = width * (WINDOW_S - second.age_s + 1) / WINDOW_S
        y = height * (1 - second.valence) / 2
        stretches[-1].append(f"{x:.1f},{y:.1f}")
        before = second.age_s
    return [" ".join(points) for points in stretches]


def _events(here: Services, session_id: int) -> Iterator[str]:
    yield "retry: 3000\n\n"
    while True:
        try:
            live = live_document(here, session_id)
        except ProblemError:
            # Deleted meanwhile.
            return
        except Exception as error:
            if not is_environment(error):
                raise
            # The database is busy: a comment shows that the line is still there.
            yield ": the database is busy\n\n"
        else:
            yield f"data: {live.model_dump_json()}\n\n"
            if not live.running:
                return
        if here.stopping.wait(EVENT_PAUSE_S):
            return


def _text(moment: Any) -> str:
    return str(utc_text(moment))


def _seconds(length: timedelta) -> float:
    """Not below 0: two clocks may differ a little."""
    return round(max(0.0, length.total_seconds()), 3)


def _share(value: float) -> float:
    return round(max(0.0, min(1.0, value)), 4)
