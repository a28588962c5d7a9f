"""What the operator's panel says, as plain rows of text. Imports no Qt.

The parts of the program are looked at through small protocols, so that this module needs none of
them.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from detector.sources.passwords import hide_passwords
from monitor.sensor.live import SensorHealth
from monitor.ui.texts import number_text, state_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from ads.playlists.playlist import Ad
    from ads.show.playback import Play
    from monitor.sensor.live import LiveView
    from monitor.ui.screen_saver import Method

Tone = Literal["plain", "good", "warning", "fault"]

SHOWN_PROBLEMS = 4
LEAST_FREE_GB = 2.0
"""Below this the disk is about to be full: a day of a busy place takes some hundred megabytes."""

TONES: Mapping[str, Tone] = {
    "starting": "plain",
    "running": "good",
    "reconnecting": "warning",
    "blind": "warning",
    "restarting": "warning",
    "unavailable": "fault",
    "ended": "plain",
}


class NextChoice(Protocol):
    """What the panel asks of a policy's choice, such as `ads.policies.base.Choice`."""

    @property
    def ad(self) -> Ad:
        """What plays next."""

    @property
    def reason(self) -> str:
        """Why, in words."""

    @property
    def probability(self) -> float:
        """With which probability it was chosen, 0 to 1."""

    @property
    def held_out(self) -> bool:
        """Whether the audience was ignored, for comparison."""


class ShowFailure(Protocol):
    """What the panel asks of a failure, such as `ads.player.failures.Failure`."""

    @property
    def at(self) -> datetime:
        """When, in the venue's local time."""

    @property
    def ad_id(self) -> str:
        """Which ad."""

    @property
    def sentence(self) -> str:
        """What was wrong, and what to do."""


class Show(Protocol):
    """What the panel asks of the player, such as `ads.player.player.AdPlayer`."""

    @property
    def current(self) -> Play | None:
        """The play on the screen."""

    @property
    def position_ms(self) -> float:
        """The position in the present ad."""

    @property
    def paused(self) -> bool:
        """Whether the show stands still."""

    @property
    def next_choice(self) -> NextChoice | None:
        """What plays next; `None` until it is chosen."""

    @property
    def dropped_frames(self) -> int:
        """Pictures of the ads that were decoded too late to be shown."""

    @property
    def failures(self) -> Sequence[ShowFailure]:
        """The last failures, oldest first."""


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What does not change during a session, and who knows the rest.

    Attributes:
        session_id: Of the session.
        site: Name of the place.
        source: The camera or whatever takes its place, without passwords.
        database: URL or path, as it was named.
        database_folder: Where the database's file lies; `None` for a server.
        version: Of the program.
        began_ns: Start of the session, monotonic clock.
        playlist_problem: Asked for the sentence why a changed playlist was refused; `None` while it
            was not.
        database_problem: Asked for the sentence what is wrong with the recording; `None` while all
            is well.
        left_out: Asked for the ads of the playlist that cannot be played: their ids and why.
        errors: Asked how many errors of the program itself were survived.
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
    """One line of the panel.

    Attributes:
        label: What it is about; empty continues the row above.
        text: What is the case.
        tone: How urgent it is.
        share: How much of a bar below the text is filled, 0 to 1; `None` without a bar.
    """

    label: str
    text: str
    tone: Tone = "plain"
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Some rows under a title."""

    title: str
    rows: tuple[Row, ...]


NoticeState = Literal["shown", "waiting", "hidden"]
"""Whether measuring goes on, has not begun because the notice was never shown, or pauses because it is hidden."""


def sections(
    texts: Mapping[str, str],
    *,
    view: LiveView | None,
    notice: NoticeState,
    show: Show,
    session: SessionFacts | None,
    saver: Method,
    now_ns: int,
) -> tuple[Section, ...]:
    """Everything that the panel says.

    Args:
        texts: Of the window's language.
        view: The newest view of the sensor; `None` before the first.
        notice: Whether measuring waits for the notice.
        show: The player.
        session: `None` where there is no session, such as in a demonstration of the window.
        saver: How the screen saver is held off.
        now_ns: Now, monotonic clock.
    """
    return (
        Section(texts["panel_measuring"], _measuring(texts, view, notice)),
        Section(texts["panel_system"], _system(texts, session, saver, now_ns)),
        Section(texts["panel_ads"], _ads(texts, show, session)),
        Section(texts["panel_problems"], _problems(texts, show, session)),
    )


def _measuring(
    texts: Mapping[str, str], view: LiveView | None, notice: NoticeState
) -> tuple[Row, ...]:
    health = SensorHealth("starting") if view is None else view.health
    state = health.state
    text = state_text(texts, health)
    if health.detail and state != "running":
        text = f"{text}: {health.detail}"
    rows = [Row(texts["panel_sensor"], text, TONES[state])]
    if notice == "waiting":
        rows.append(Row("", texts["panel_waits_for_notice"], "warning"))
    elif notice == "hidden":
        rows.append(Row("", texts["panel_paused_by_notice"], "warning"))
    if view is None or state != "running":
        return (*rows, Row(texts["panel_faces"], texts["viewers_unknown"]))
    rate = texts["panel_rate_value"].format(fps=number_text(texts, health.fps))
    rows.append(Row(texts["panel_rate"], rate))
    if health.latency_ms > 0:
        latency = texts["panel_latency_value"].format(latency=round(health.latency_ms))
        rows.append(Row(texts["panel_latency"], latency))
    total = health.frames + health.dropped
    rows.append(
        Row(
            texts["panel_dropped"],
            texts["panel_dropped_value"].format(dropped=health.dropped, frames=total),
        )
    )
    if health.effort < 1:
        share = texts["panel_effort_value"].format(percent=round(100 * health.effort))
        rows.append(Row(texts["panel_effort"], share, "warning"))
    rows.append(Row(texts["panel_faces"], _faces(texts, view)))
    return tuple(rows)


def _faces(texts: Mapping[str, str], view: LiveView) -> str:
    readings = () if view.frame is None else view.frame.readings
    viewers = [reading for reading in readings if not reading.static]
    parts = [
        texts[{0: "viewers_0", 1: "viewers_1"}.get(len(viewers), "viewers_n")].format(
            count=len(viewers)
        )
    ]
    if viewers:
        parts.append(texts["attentive"].format(count=sum(reading.attentive for reading in viewers)))
    withheld = sum(reading.withheld is not None for reading in viewers)
    if withheld:
        parts.append(texts["panel_withheld"].format(count=withheld))
    pictures = len(readings) - len(viewers)
    if pictures:
        parts.append(texts["panel_pictures"].format(count=pictures))
    return " · ".join(parts)


def _ads(texts: Mapping[str, str], show: Show, session: SessionFacts | None) -> tuple[Row, ...]:
    rows = []
    play = show.current
    if play is None:
        rows.append(Row(texts["panel_now"], texts["panel_nothing"]))
    else:
        duration_ms = play.ad.duration_s * 1000
        position_ms = min(max(show.position_ms, 0.0), duration_ms)
        words = texts["panel_position"].format(
            position=minutes(position_ms), duration=minutes(duration_ms)
        )
        if show.paused:
            words = f"{words} · {texts['panel_paused']}"
        rows.append(Row(texts["panel_now"], play.ad.name, share=position_ms / duration_ms))
        rows.append(Row("", words, "warning" if show.paused else "plain"))
        rows.append(
            Row(texts["panel_why"], _reason(texts, play.reason, play.probability, held_out=False))
        )
    choice = show.next_choice
    if choice is None:
        rows.append(Row(texts["panel_next"], texts["panel_next_open"]))
    else:
        rows.append(Row(texts["panel_next"], choice.ad.name))
        reason = _reason(texts, choice.reason, choice.probability, held_out=choice.held_out)
        rows.append(Row(texts["panel_why"], reason))
    if show.dropped_frames:
        rows.append(
            Row(texts["panel_late"], texts["panel_late_value"].format(count=show.dropped_frames))
        )
    problem = None if session is None else session.playlist_problem()
    if problem:
        rows.append(
            Row(
                texts["panel_playlist"],
                texts["panel_playlist_kept"].format(problem=problem),
                "warning",
            )
        )
    return tuple(rows)


def _reason(texts: Mapping[str, str], reason: str, probability: float, *, held_out: bool) -> str:
    if probability >= 1 and not held_out:
        return reason
    percent = number_text(texts, 100 * probability, 0 if probability >= 0.1 else 1)
    return texts["panel_held_out" if held_out else "panel_probability"].format(
        reason=reason, percent=percent
    )


def _problems(
    texts: Mapping[str, str], show: Show, session: SessionFacts | None
) -> tuple[Row, ...]:
    """What failed, the newest first, and then what was left out from the start."""
    problems = [
        (failure.at.strftime("%H:%M:%S"), failure.ad_id, failure.sentence)
        for failure in reversed(show.failures)
    ]
    if session is not None:
        problems += [
            (texts["panel_left_out"], ad_id, reason) for ad_id, reason in session.left_out()
        ]
    if not problems:
        return (Row("", texts["panel_no_problem"], "good"),)
    return tuple(
        Row(label, texts["panel_problem"].format(ad=ad_id, text=sentence), "warning")
        for label, ad_id, sentence in problems[:SHOWN_PROBLEMS]
    )


def _system(
    texts: Mapping[str, str], session: SessionFacts | None, saver: Method, now_ns: int
) -> tuple[Row, ...]:
    held = Row(
        texts["panel_saver"],
        texts[f"panel_saver_{saver}"],
        "warning" if saver == "none" else "plain",
    )
    if session is None:
        return (held,)
    rows = [
        Row(
            texts["panel_session"],
            texts["panel_session_value"].format(session=session.session_id, site=session.site),
        ),
        Row(texts["panel_uptime"], uptime(texts, (now_ns - session.began_ns) / 1e9)),
        Row(texts["panel_source"], session.source),
        Row(texts["panel_database"], hide_passwords(session.database)),
    ]
    problem = session.database_problem()
    if problem:
        rows.append(Row("", problem, "warning"))
    if session.database_folder is not None:
        free_gb = _free_gb(session.database_folder)
        if free_gb is None:
            rows.append(Row(texts["panel_disk"], texts["panel_disk_unknown"], "warning"))
        else:
            free = texts["panel_disk_value"].format(free=number_text(texts, free_gb))
            rows.append(
                Row(texts["panel_disk"], free, "fault" if free_gb < LEAST_FREE_GB else "plain")
            )
    errors = session.errors()
    if errors:
        rows.append(
            Row(texts["panel_errors"], texts["panel_errors_value"].format(count=errors), "fault")
        )
    return (*rows, held, Row(texts["panel_version"], session.version))


def _free_gb(folder: Path) -> float | None:
    try:
        return shutil.disk_usage(folder).free / 1e9
    except OSError:
        return None


def minutes(milliseconds: float) -> str:
    """A position such as `0:03`."""
    seconds = int(milliseconds // 1000)
    return f"{seconds // 60}:{seconds % 60:02d}"


def uptime(texts: Mapping[str, str], seconds: float) -> str:
    """A length of time such as `3:12:45`, with days before it where there are any."""
    whole = timedelta(seconds=max(0, int(seconds)))
    time = f"{whole.seconds // 3600}:{whole.seconds // 60 % 60:02d}:{whole.seconds % 60:02d}"
    return time if whole.days == 0 else texts["panel_days"].format(days=whole.days, time=time)
