"""The running session: a page with its figures, and server-sent events that update it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, current_app, redirect, render_template, url_for

from db.error_classes import is_environment
from db.errors import NoSuchSessionError, ReadingsElsewhereError
from db.read.live import live_state, open_session_ids
from detector.emotion.labels import EMOTIONS, colour_names, knows_valence
from detector.emotion.prevalence import GROUPS
from monitor.languages import language, lazy, speaking
from monitor.languages.recognition import translated
from monitor.languages.words import WORDS
from monitor.reports.formatting import utc_text
from monitor.web.api.schemas import Live, LiveAd, LiveGap, LiveSecond
from monitor.web.request.problems import ProblemError
from monitor.web.services import services

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from werkzeug.wrappers import Response as AnyResponse

    from monitor.web.services import Services

WINDOW_S = 30
EVENT_INTERVAL_S = 1.0
MAX_CHOICES = 25
"""Running sessions on the page Live: kiosks that were killed leave theirs open."""

blueprint = Blueprint("live", __name__)


@blueprint.get("/live")
def latest() -> str | AnyResponse:
    """The running session, if there is one; several are listed."""
    running: list[int] = []
    problem, elsewhere = None, 0
    try:
        running, elsewhere = open_session_ids(services().database())
    except ProblemError as error:
        if error.code != "no_database":
            raise
        problem = error
    if len(running) == 1 and not elsewhere:
        return redirect(url_for("live.page", session_id=running[0]))
    return render_template(
        "live_choice.html",
        sessions=[live_document(services(), number) for number in running[:MAX_CHOICES]],
        count=len(running),
        elsewhere=elsewhere,
        wall=url_for("screens.wall") if "screens" in current_app.blueprints else None,
        problem=problem,
    )


@blueprint.get("/sessions/<session:session_id>/live")
def page(session_id: int) -> str:
    """The figures of a session at this moment; a script keeps them up to date."""
    live = live_document(services(), session_id)
    labels = tuple(live.labels)
    is_corrected = labels == EMOTIONS
    return render_template(
        "live.html",
        live=live,
        is_corrected=is_corrected,
        has_valence=knows_valence(labels),
        parts={group: group for group in GROUPS} if is_corrected else colour_names(labels),
        curve=curve_points(live),
        causes={cause: str(words) for cause, words in WORDS.items()},
        window=WINDOW_S,
    )


@blueprint.get("/sessions/<session:session_id>/events")
def events(session_id: int) -> Response:
    """Send a JSON document a second until the session is over."""
    if not live_document(services(), session_id).running:
        return Response(status=204)  # Tells a browser not to reconnect.
    here = services()
    here.take_place()
    response = Response(
        _events(here, session_id, language()), content_type="text/event-stream; charset=utf-8"
    )
    response.headers["Cache-Control"] = "no-store"
    # Keeps a proxy from buffering events.
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(here.places.release)
    return response


def live_document(here: Services, session_id: int) -> Live:
    """Return a session at this moment, as the API describes it.

    Raises:
        ProblemError: There is no such session, its readings are elsewhere, or no database.
    """
    min_viewers = here.settings.min_viewers
    try:
        state = live_state(here.database(), session_id, WINDOW_S, min_viewers=min_viewers)
    except NoSuchSessionError as error:
        raise ProblemError(
            404,
            "no_session",
            lazy(
                "There is no session %(number)s. The page of sessions lists those there are.",
                number=session_id,
            ),
        ) from error
    except ReadingsElsewhereError as error:
        raise ProblemError(
            404,
            "readings_elsewhere",
            lazy(
                "%(why)s The page Screens shows what is on air and how many people "
                "were in view a minute ago; the live view is on the kiosk itself "
                "(`ad-monitor serve`).",
                why=here.told(error),
            ),
        ) from error
    ad, mood = state.ad, state.probabilities
    return Live(
        session_id=state.session_id,
        session_kind=state.session_kind,
        site=state.site,
        at=_text(state.at),
        running=state.ended_at is None,
        silent_s=_seconds(state.at - state.last_sign_at),
        min_viewers=min_viewers,
        viewers=state.viewers,
        attentive=state.attentive,
        recent_viewers=state.recent_viewers,
        emotion_viewers=state.emotion_viewers,
        labels=list(state.labels),
        mood=mood and {name: _within(p, 0) for name, p in mood.items()},
        valence=_within(state.valence, -1),
        shares=state.shares
        and {name: _within(p, 0) for name, p in zip(GROUPS, state.shares, strict=True)},
        valence_corrected=_within(state.valence_corrected, -1),
        curve=[
            LiveSecond(
                age_s=s.age_s,
                viewers=s.viewers,
                valence=_within(s.valence, -1),
                valence_corrected=_within(s.valence_corrected, -1),
            )
            for s in state.curve
        ],
        ad=ad
        and LiveAd(
            ad_id=ad.ad_id,
            name=ad.name,
            started_at=_text(ad.started_at),
            duration_s=ad.duration_s,
            position_s=min(ad.duration_s, _seconds(state.at - ad.started_at)),
        ),
        gaps=[
            LiveGap(
                started_at=_text(gap.started_at), cause=gap.cause, detail=translated(gap.detail)
            )
            for gap in state.gaps
        ],
    )


def curve_points(live: Live, width: float = 300.0, height: float = 100.0) -> list[str]:
    """Draw the curve of valence as SVG polylines, broken where nothing is known.

    It is corrected valence, but for models with other labels than the seven. The newest second is
    at the right edge; valence 1 is at the top, -1 at the bottom.
    """
    stretches: list[list[str]] = []
    before = None
    is_corrected = tuple(live.labels) == EMOTIONS
    for second in live.curve:
        value = second.valence_corrected if is_corrected else second.valence
        if value is None:
            continue
        if before is None or before - second.age_s > 1:
            stretches.append([])
        x = width * (WINDOW_S - second.age_s + 1) / WINDOW_S
        y = height * (1 - value) / 2
        stretches[-1].append(f"{x:.1f},{y:.1f}")
        before = second.age_s
    return [" ".join(points) for points in stretches]


def _events(here: Services, session_id: int, code: str) -> Iterator[str]:
    yield "retry: 3000\n\n"
    while True:
        try:
            # The request's own language has ended with it.
            with speaking(code):
                live = live_document(here, session_id)
        except ProblemError:
            return  # The session was deleted.
        except Exception as error:
            if not is_environment(error):
                raise
            # A comment keeps the connection alive.
            yield ": the database is busy\n\n"
        else:
            yield f"data: {live.model_dump_json()}\n\n"
            if not live.running:
                return
        if here.stopping.wait(EVENT_INTERVAL_S):
            return


def _text(moment: Any) -> str:
    return str(utc_text(moment))


def _seconds(length: timedelta) -> float:
    """At least 0: two clocks may differ a little."""
    return round(max(0.0, length.total_seconds()), 3)


def _within(value: float | None, low: float) -> float | None:
    """Round a figure from `low` to 1; a mean may exceed its limits by a rounding error."""
    return None if value is None else round(max(low, min(1.0, value)), 4)
