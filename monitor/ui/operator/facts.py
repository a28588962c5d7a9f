"""The texts of the operator's panel, as plain rows. Imports no Qt."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from detector.names import printable
from detector.sources.passwords import hide_passwords
from monitor.languages import short_date
from monitor.languages.recognition import translated
from monitor.sensor.live import SensorHealth
from monitor.ui.texts import number_text, percent_text, state_text, viewers_text
from monitor.uplink.status import UplinkStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ads.player.player import AdPlayer
    from db.write.records import SessionKind
    from monitor.sensor.live import LiveView
    from monitor.ui.notice.notice import NoticeState
    from monitor.ui.screen_saver import Method
    from monitor.ui.texts import Texts

Tone = Literal["plain", "good", "warning", "fault"]

SHOWN_PROBLEMS = 4
MIN_FREE_GB = 2.0
"""Below this the disk is about to be full: a busy day takes some hundred megabytes."""


@dataclass(frozen=True, slots=True)
class Pages:
    """How it is with the kiosk's own pages in the browser.

    Attributes:
        address: Where they are; empty while they are starting.
        problem: Why they could not be started, in one sentence; they are tried again.
    """

    address: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """Facts of a session that do not change, and functions for those that do.

    Attributes:
        source: The camera or its substitute, without passwords.
        database: Its URL or path; the panel masks a password in it.
        database_folder: Of the database's file; `None` for a server.
        began_ns: Monotonic clock.
        playlist_problem: Why a changed playlist was refused; `None` while it was not.
        database_problem: What is wrong with the recording; `None` while nothing is.
        left_out: The ads of the playlist that cannot be played: ids and reasons.
        errors: How many errors of the program itself were survived.
        kind: Whose reactions are measured.
        uplink: How it is between the kiosk and its hub.
        can_set_up: Whether nobody has set the kiosk up yet.
        pages: How it is with the pages in the browser; `None` if there are none.
        names_source: Whether settings or options name the source, so that a new camera is not used
            by itself.
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
    kind: SessionKind = "live"
    uplink: Callable[[], UplinkStatus] = UplinkStatus
    can_set_up: bool = False
    pages: Callable[[], Pages | None] = lambda: None
    names_source: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the panel; an empty label continues the row above."""

    label: str
    text: str
    tone: Tone = "plain"
    share: float | None = None
    """How much of a bar below the text is filled, 0 to 1; `None` without a bar."""


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    rows: tuple[Row, ...]


def sections(
    texts: Texts,
    *,
    view: LiveView | None,
    notice: NoticeState,
    show: AdPlayer,
    session: SessionFacts | None,
    saver: Method,
    now_ns: int,
    was_seen: bool = True,
) -> tuple[Section, ...]:
    """Return everything that the panel says, dates and reasons in the current language.

    `view` is `None` before the first one, `session` in a demonstration of the window. `was_seen`
    says whether the camera ever gave a picture.
    """
    rows = {
        "panel_measuring": _measuring(texts, view, notice, session, was_seen=was_seen),
        "panel_ads": _ads(texts, show, session),
        "panel_system": _system(texts, session, saver, now_ns),
        "panel_problems": _problems(texts, show, session),
    }
    return tuple(
        Section(texts[title], tuple(replace(row, text=printable(str(row.text))) for row in found))
        for title, found in rows.items()
    )


def _measuring(
    texts: Texts,
    view: LiveView | None,
    notice: NoticeState,
    session: SessionFacts | None,
    *,
    was_seen: bool,
) -> Iterator[Row]:
    health = SensorHealth("starting") if view is None else view.health
    text = state_text(texts, health, was_seen=was_seen)
    if health.detail and health.state != "running":
        text = f"{text}: {translated(health.detail)}"
    calm: dict[str, Tone] = {"starting": "plain", "running": "good", "ended": "plain"}
    urgent: Tone = "fault" if health.state == "unavailable" else "warning"
    yield Row(texts["panel_sensor"], text, calm.get(health.state, urgent))
    if session is not None and session.kind == "demo":
        text = texts["panel_demo_chosen" if session.names_source else "panel_demo"]
        yield Row("", text, "fault")
    if session is not None and session.can_set_up:
        yield Row(texts["setup_panel"], texts["setup_panel_value"])
    if notice == "waiting":
        yield Row("", texts["panel_waits_for_notice"], "warning")
    elif notice == "hidden":
        yield Row("", texts["panel_paused_by_notice"], "warning")
    if view is None or health.state != "running":
        yield Row(texts["panel_faces"], texts["viewers_unknown"])
        return
    yield _row(texts, "panel_rate", "panel_rate_value", fps=number_text(texts, health.fps))
    if health.latency_ms > 0:
        yield _row(texts, "panel_latency", "panel_latency_value", latency=round(health.latency_ms))
    counts = {"dropped": health.dropped, "frames": health.frames + health.dropped}
    yield _row(texts, "panel_dropped", "panel_dropped_value", **counts)
    if health.effort < 1:
        percent = percent_text(texts, health.effort)
        yield _row(texts, "panel_effort", "panel_effort_value", "warning", percent=percent)
    readings = () if view.frame is None else view.frame.readings
    withheld = sum(one.withheld is not None and not one.static for one in readings)
    pictures = sum(one.static for one in readings)
    parts = [viewers_text(texts, readings)]
    parts += [texts["panel_withheld"].format(count=withheld)] if withheld else []
    parts += [texts["panel_pictures"].format(count=pictures)] if pictures else []
    yield Row(texts["panel_faces"], " · ".join(parts))


def _row(texts: Texts, label: str, text: str, tone: Tone = "plain", /, **values: object) -> Row:
    shown = {
        name: number_text(texts, value, 0) if isinstance(value, int) else value
        for name, value in values.items()
    }
    return Row(texts[label], texts[text].format(**shown), tone)


def _ads(texts: Texts, show: AdPlayer, session: SessionFacts | None) -> Iterator[Row]:
    play = show.current
    if play is None:
        yield Row(texts["panel_now"], texts["panel_nothing"])
    else:
        duration_ms = play.ad.duration_s * 1000
        position_ms = min(max(show.position_ms, 0.0), duration_ms)
        times = {"position": minutes(position_ms), "duration": minutes(duration_ms)}
        words = texts["panel_position"].format(**times)
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
        yield _row(texts, "panel_late", "panel_late_value", count=show.dropped_frames)
    problem = None if session is None else session.playlist_problem()
    if problem:
        kept = texts["panel_playlist_kept"].format(problem=translated(problem))
        yield Row(texts["panel_playlist"], kept, "warning")


def _reason(texts: Texts, reason: str, probability: float, *, held_out: bool) -> str:
    if probability >= 1 and not held_out:
        return reason
    percent = percent_text(texts, probability, 0 if probability >= 0.1 else 1)
    text = texts["panel_held_out" if held_out else "panel_probability"]
    return text.format(reason=reason, percent=percent)


def _problems(texts: Texts, show: AdPlayer, session: SessionFacts | None) -> Iterator[Row]:
    # Failures, newest first, and then the ads that were left out from the start.
    failures = reversed(show.failures)
    problems = [(one.at.strftime("%H:%M:%S"), one.ad_id, one.sentence) for one in failures]
    if session is not None:
        problems += [(texts["panel_left_out"], *ad) for ad in session.left_out()]
    if not problems:
        yield Row("", texts["panel_no_problem"], "good")
    for label, ad_id, sentence in problems[:SHOWN_PROBLEMS]:
        yield Row(
            label, texts["panel_problem"].format(ad=ad_id, text=translated(sentence)), "warning"
        )


def _system(
    texts: Texts, session: SessionFacts | None, saver: Method, now_ns: int
) -> Iterator[Row]:
    if session is not None:
        named = {"session": str(session.session_id), "site": session.site}
        yield _row(texts, "panel_session", "panel_session_value", **named)
        yield Row(texts["panel_uptime"], uptime(texts, (now_ns - session.began_ns) / 1e9))
        yield Row(texts["panel_source"], translated(session.source))
        if session.kind == "replay":
            yield Row("", texts["panel_recording"], "warning")
        yield Row(texts["panel_database"], hide_passwords(session.database))
        problem = session.database_problem()
        if problem:
            yield Row("", translated(problem), "warning")
        if session.database_folder is not None:
            yield _disk(texts, session.database_folder)
        pages = session.pages()
        if pages is not None:
            yield _pages(texts, pages)
        yield from _hub(texts, session.uplink(), has_pages=pages is not None)
        yield from _show(texts, session.uplink())
        errors = session.errors()
        if errors:
            yield _row(texts, "panel_errors", "panel_errors_value", "fault", count=errors)
    tone: Tone = "warning" if saver == "none" else "plain"
    yield Row(texts["panel_saver"], texts[f"panel_saver_{saver}"], tone)
    if session is not None:
        yield Row(texts["panel_version"], session.version)


def _pages(texts: Texts, pages: Pages) -> Row:
    if pages.problem:
        problem = translated(pages.problem)
        return _row(texts, "panel_pages", "panel_pages_failed", "warning", problem=problem)
    return Row(texts["panel_pages"], pages.address or texts["panel_pages_starting"])


def _hub(texts: Texts, uplink: UplinkStatus, *, has_pages: bool) -> Iterator[Row]:
    if uplink.state == "off" and not uplink.problem:
        return
    values = {"hub": uplink.hub, "screen": uplink.screen, "code": uplink.code}
    state = "asks" if uplink.state == "pairing" and uplink.code is None else uplink.state
    tones: dict[str, Tone] = {"revoked": "fault", "pairing": "warning", "asks": "warning"}
    if state == "joined" and uplink.is_console:
        # The person at a single screen has no hub: what counts is where the pages are.
        if not has_pages:
            yield Row(texts["panel_pages"], uplink.hub)
    elif state != "off":
        yield _row(texts, "panel_hub", f"panel_hub_{state}", tones.get(state, "plain"), **values)
    if uplink.state == "revoked" or (uplink.state == "joined" and not uplink.is_console):
        at = uplink.last_contact
        time = texts["panel_hub_never"] if at is None else f"{at.astimezone():%H:%M}"
        waiting = number_text(texts, uplink.waiting, 0)
        yield Row("", texts["panel_hub_contact"].format(time=time, count=waiting))
    if uplink.lost:
        lost = number_text(texts, uplink.lost, 0)
        yield Row("", texts["panel_hub_lost"].format(count=lost), "warning")
    if uplink.problem and uplink.state != "revoked":
        label = texts["panel_hub"] if state == "off" else ""
        yield Row(label, translated(uplink.problem), "warning")


def _show(texts: Texts, uplink: UplinkStatus) -> Iterator[Row]:
    show = uplink.show
    if uplink.is_console and show.source == "local":
        yield Row(texts["panel_show"], texts["panel_show_own"])
    elif show.version is not None and show.since is not None:
        since = show.since.astimezone()
        time = f"{short_date(since)}, {since:%H:%M}"
        values = {"version": str(show.version), "time": time}
        origin = "console" if uplink.is_console else show.source
        yield _row(texts, "panel_show", f"panel_hub_show_{origin}", **values)
    elif show.fetching is not None or show.problem:
        yield Row(texts["panel_show"], texts["panel_show_own"])
    if show.fetching is not None:
        percent = percent_text(texts, show.fetching)
        yield Row("", texts["panel_show_fetching"].format(percent=percent), share=show.fetching)
    if show.problem:
        yield Row("", translated(show.problem), "warning")


def _disk(texts: Texts, folder: Path) -> Row:
    try:
        free_gb = shutil.disk_usage(folder).free / 1e9
    except OSError:
        return Row(texts["panel_disk"], texts["panel_disk_unknown"], "warning")
    free = number_text(texts, free_gb)
    if free_gb < MIN_FREE_GB:
        return _row(texts, "panel_disk", "panel_disk_low", "fault", free=free)
    return _row(texts, "panel_disk", "panel_disk_value", free=free)


def minutes(milliseconds: float) -> str:
    """Return a position such as `0:03`, and `1:02:03` after an hour."""
    whole, seconds = divmod(int(milliseconds // 1000), 60)
    hours, left = divmod(whole, 60)
    return f"{hours}:{left:02d}:{seconds:02d}" if hours else f"{left}:{seconds:02d}"


def uptime(texts: Texts, seconds: float) -> str:
    """Return a duration such as `3 h 05 min`, after the days if there are any."""
    whole = max(0, int(seconds)) // 60
    days, left = divmod(whole, 24 * 60)
    time = f"{left}\N{NO-BREAK SPACE}min"
    if whole >= 60:
        time = f"{left // 60}\N{NO-BREAK SPACE}h {left % 60:02d}\N{NO-BREAK SPACE}min"
    return texts["panel_days"].format(days=days, time=time) if days else time
