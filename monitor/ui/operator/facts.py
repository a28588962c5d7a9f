"""The texts of the operator's panel, as plain rows. Imports no Qt."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from detector.sources.passwords import hide_passwords
from monitor.sensor.live import SensorHealth
from monitor.ui.texts import number_text, state_text, viewers_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ads.player.player import AdPlayer
    from monitor.sensor.live import LiveView
    from monitor.ui.notice.notice import NoticeState
    from monitor.ui.screen_saver import Method

Tone = Literal["plain", "good", "warning", "fault"]

SHOWN_PROBLEMS = 4
MIN_FREE_GB = 2.0
"""Below this the disk is about to be full: a busy day takes some hundred megabytes."""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """Facts of a session that do not change, and functions for those that do.

    Attributes:
        source: The camera or its substitute, without passwords.
        database: Its URL or path; the panel masks a password in it.
        database_folder: Of the database's file; `None` for a server.
        began_ns: Monotonic clock.
        playlist_problem: Returns why a changed playlist was refused; `None` while it was not.
        database_problem: Returns what is wrong with the recording; `None` while nothing is.
        left_out: Returns the ads of the playlist that cannot be played: ids and reasons.
        errors: Returns how many errors of the program itself were survived.
    """

    session_id: int
    site: str
    source: str
    database: str
    database_folder: Path | None
    version: str
    began_ns: int
    playlist_problem: Callable[[], str | None] = lambda: None
    database_problem: Callable[[], str | None] = lambda: None
    left_out: Callable[[], Sequence[tuple[str, str]]] = lambda: ()
    errors: Callable[[], int] = lambda: 0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the panel; an empty label continues the row above.

    Attributes:
        share: How much of a bar below the text is filled, 0 to 1; `None` without a bar.
    """

    label: str
    text: str
    tone: Tone = "plain"
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    rows: tuple[Row, ...]


def sections(
    texts: Mapping[str, str],
    *,
    view: LiveView | None,
    notice: NoticeState,
    show: AdPlayer,
    session: SessionFacts | None,
    saver: Method,
    now_ns: int,
) -> tuple[Section, ...]:
    """Return everything that the panel says.

    `view` is `None` before the first one, `session` in a demonstration of the window.
    """
    rows = {
        "panel_measuring": _measuring(texts, view, notice),
        "panel_system": _system(texts, session, saver, now_ns),
        "panel_ads": _ads(texts, show, session),
        "panel_problems": _problems(texts, show, session),
    }
    return tuple(Section(texts[title], tuple(found)) for title, found in rows.items())


def _measuring(
    texts: Mapping[str, str], view: LiveView | None, notice: NoticeState
) -> Iterator[Row]:
    health = SensorHealth("starting") if view is None else view.health
    text = state_text(texts, health)
    if health.detail and health.state != "running":
        text = f"{text}: {health.detail}"
    calm: dict[str, Tone] = {"starting": "plain", "running": "good", "ended": "plain"}
    urgent: Tone = "fault" if health.state == "unavailable" else "warning"
    yield Row(texts["panel_sensor"], text, calm.get(health.state, urgent))
    if notice == "waiting":
        yield Row("", texts["panel_waits_for_notice"], "warning")
    elif notice == "hidden":
        yield Row("", texts["panel_paused_by_notice"], "warning")
    if view is None or health.state != "running":
        yield Row(texts["panel_faces"], texts["viewers_unknown"])
        return
    rate = texts["panel_rate_value"].format(fps=number_text(texts, health.fps))
    yield Row(texts["panel_rate"], rate)
    if health.latency_ms > 0:
        latency = texts["panel_latency_value"].format(latency=round(health.latency_ms))
        yield Row(texts["panel_latency"], latency)
    total = health.frames + health.dropped
    dropped = texts["panel_dropped_value"].format(dropped=health.dropped, frames=total)
    yield Row(texts["panel_dropped"], dropped)
    if health.effort < 1:
        share = texts["panel_effort_value"].format(percent=round(100 * health.effort))
        yield Row(texts["panel_effort"], share, "warning")
    yield Row(texts["panel_faces"], _faces(texts, view))


def _faces(texts: Mapping[str, str], view: LiveView) -> str:
    readings = () if view.frame is None else view.frame.readings
    withheld = sum(one.withheld is not None and not one.static for one in readings)
    pictures = sum(one.static for one in readings)
    parts = [viewers_text(texts, readings)]
    if withheld:
        parts.append(texts["panel_withheld"].format(count=withheld))
    if pictures:
        parts.append(texts["panel_pictures"].format(count=pictures))
    return " · ".join(parts)


def _ads(texts: Mapping[str, str], show: AdPlayer, session: SessionFacts | None) -> Iterator[Row]:
    play = show.current
    if play is None:
        yield Row(texts["panel_now"], texts["panel_nothing"])
    else:
        duration_ms = play.ad.duration_s * 1000
        position_ms = min(max(show.position_ms, 0.0), duration_ms)
        words = texts["panel_position"].format(
            position=minutes(position_ms), duration=minutes(duration_ms)
        )
        yield Row(texts["panel_now"], play.ad.name, share=position_ms / duration_ms)
        if show.paused:
            yield Row("", f"{words} · {texts['panel_paused']}", "warning")
        else:
            yield Row("", words)
        reason = _reason(texts, play.reason, play.probability, held_out=False)
        yield Row(texts["panel_why"], reason)
    choice = show.next_choice
    if choice is None:
        yield Row(texts["panel_next"], texts["panel_next_open"])
    else:
        yield Row(texts["panel_next"], choice.ad.name)
        reason = _reason(texts, choice.reason, choice.probability, held_out=choice.held_out)
        yield Row(texts["panel_why"], reason)
    if show.dropped_frames:
        late = texts["panel_late_value"].format(count=show.dropped_frames)
        yield Row(texts["panel_late"], late)
    problem = None if session is None else session.playlist_problem()
    if problem:
        kept = texts["panel_playlist_kept"].format(problem=problem)
        yield Row(texts["panel_playlist"], kept, "warning")


def _reason(texts: Mapping[str, str], reason: str, probability: float, *, held_out: bool) -> str:
    if probability >= 1 and not held_out:
        return reason
    percent = number_text(texts, 100 * probability, 0 if probability >= 0.1 else 1)
    text = texts["panel_held_out" if held_out else "panel_probability"]
    return text.format(reason=reason, percent=percent)


def _problems(
    texts: Mapping[str, str], show: AdPlayer, session: SessionFacts | None
) -> Iterator[Row]:
    """Yield failures, newest first, and then the ads that were left out from the start."""
    problems = [
        (failure.at.strftime("%H:%M:%S"), failure.ad_id, failure.sentence)
        for failure in reversed(show.failures)
    ]
    if session is not None:
        problems += [(texts["panel_left_out"], *ad) for ad in session.left_out()]
    if not problems:
        yield Row("", texts["panel_no_problem"], "good")
    for label, ad_id, sentence in problems[:SHOWN_PROBLEMS]:
        yield Row(label, texts["panel_problem"].format(ad=ad_id, text=sentence), "warning")


def _system(
    texts: Mapping[str, str], session: SessionFacts | None, saver: Method, now_ns: int
) -> Iterator[Row]:
    if session is not None:
        named = texts["panel_session_value"].format(session=session.session_id, site=session.site)
        yield Row(texts["panel_session"], named)
        yield Row(texts["panel_uptime"], uptime(texts, (now_ns - session.began_ns) / 1e9))
        yield Row(texts["panel_source"], session.source)
        yield Row(texts["panel_database"], hide_passwords(session.database))
        problem = session.database_problem()
        if problem:
            yield Row("", problem, "warning")
        if session.database_folder is not None:
            yield _disk(texts, session.database_folder)
        errors = session.errors()
        if errors:
            text = texts["panel_errors_value"].format(count=errors)
            yield Row(texts["panel_errors"], text, "fault")
    tone: Tone = "warning" if saver == "none" else "plain"
    yield Row(texts["panel_saver"], texts[f"panel_saver_{saver}"], tone)
    if session is not None:
        yield Row(texts["panel_version"], session.version)


def _disk(texts: Mapping[str, str], folder: Path) -> Row:
    try:
        free_gb = shutil.disk_usage(folder).free / 1e9
    except OSError:
        return Row(texts["panel_disk"], texts["panel_disk_unknown"], "warning")
    text = texts["panel_disk_value"].format(free=number_text(texts, free_gb))
    return Row(texts["panel_disk"], text, "fault" if free_gb < MIN_FREE_GB else "plain")


def minutes(milliseconds: float) -> str:
    """Return a position such as `0:03`."""
    seconds = int(milliseconds // 1000)
    return f"{seconds // 60}:{seconds % 60:02d}"


def uptime(texts: Mapping[str, str], seconds: float) -> str:
    """Return a duration such as `3:12:45`, after the days if there are any."""
    whole = timedelta(seconds=max(0, int(seconds)))
    time = str(timedelta(seconds=whole.seconds))
    return time if whole.days == 0 else texts["panel_days"].format(days=whole.days, time=time)
