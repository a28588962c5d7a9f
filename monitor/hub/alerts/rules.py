"""When something is wrong with a screen, and when it no longer is.

The rules are pure. Each finds a fault, finds that all is well, or cannot tell: then an open alert
stays open and none is raised. What ends an alert is further from the fault than what raises it, so
that a figure at its limit raises one alert and not a hundred.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from db.engine import snapshot, writing
from db.hub.alerts.conditions import screen_conditions
from db.hub.alerts.raised import SCREEN_ALERT_KINDS, end_alert, open_alerts, raise_alert
from monitor.hub.opening import may_be_open
from monitor.languages import lazy, nlazy

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.engine import Engine

    from db.hub.alerts.conditions import ScreenCondition
    from db.hub.alerts.raised import AlertKind, ScreenAlertKind

logger = logging.getLogger(__name__)

SILENCE: Final = timedelta(minutes=2)
"""Without contact for longer, a screen is silent. Kiosks call once a minute."""

CAMERA_LOST: Final = timedelta(minutes=1)
"""Shorter losses, such as a camera that is plugged in again, raise no alert."""

PAUSE: Final = timedelta(seconds=45)
"""After a longer pause between evaluations the hub may have missed what kiosks said, too."""

WORDS: Final[Mapping[AlertKind, str]] = {
    "silent": lazy("Silent"),
    "camera": lazy("Camera lost"),
    "notice": lazy("Notice not shown"),
    "disk": lazy("Disk almost full"),
    "clock": lazy("Clock wrong"),
    "readings": lazy("Readings lost"),
    "not_applied": lazy("Playlist not applied"),
    "set_aside": lazy("Data set aside"),
    "campaign_behind": lazy("Campaign behind"),
}
"""What people call the kinds of alerts, the gravest first."""

_HOLD: Final[Mapping[ScreenAlertKind, timedelta]] = {
    "notice": timedelta(minutes=1),
    # What a kiosk said may have been late once; it speaks once a minute.
    "clock": timedelta(seconds=90),
    # Kiosks ask every 30 seconds; large clips take their time.
    "not_applied": timedelta(minutes=10),
}
"""How long a fault must be seen whose own beginning is unknown."""

_GIB = 1 << 30


class Finding(NamedTuple):
    """What a rule says.

    Attributes:
        wrong: `None` if it cannot tell.
        detail: What is wrong.
        is_certain: Whether it need not be seen for longer.
    """

    wrong: bool | None
    detail: str = ""
    is_certain: bool = False


_WELL, _UNKNOWN = Finding(False), Finding(None)


def judge(
    screen: ScreenCondition,
    now: datetime,
    watching_since: datetime,
    open_kinds: Collection[str] = (),
) -> dict[ScreenAlertKind, Finding]:
    """Judge how one screen is by all rules.

    Args:
        screen: What is known of it.
        now: Aware.
        watching_since: Since when the hub would have noticed a contact.
        open_kinds: Kinds of its alerts that are open.
    """
    if screen.contact_at is None:  # No kiosk speaks for it yet, so none is missed.
        return dict.fromkeys(SCREEN_ALERT_KINDS, _WELL)
    health = screen.health
    is_heard = now - screen.contact_at <= SILENCE
    is_known = is_heard and screen.health_at is not None and now - screen.health_at <= 3 * SILENCE
    findings: dict[ScreenAlertKind, Finding] = {
        "silent": _silent(screen, screen.contact_at, now, watching_since)
    }
    if health is not None and is_known:
        findings["camera"] = _camera(screen, health, now)
        findings["notice"] = _notice(screen, health, now)
        findings["disk"] = _disk(health, "disk" in open_kinds)
        findings["clock"] = _clock(screen.clock_offset_s, "clock" in open_kinds)
        findings["readings"] = _readings(health)
    if is_heard or screen.show is None:
        findings["not_applied"] = _not_applied(screen, now)
    findings["set_aside"] = _set_aside(screen.set_aside_at, now)
    return {kind: findings.get(kind, _UNKNOWN) for kind in SCREEN_ALERT_KINDS}


def _is_open(screen: ScreenCondition, at: datetime) -> bool:
    return may_be_open(screen.opening, screen.time_zone, at)


def _silent(
    screen: ScreenCondition, contact_at: datetime, now: datetime, watching_since: datetime
) -> Finding:
    if now - contact_at <= SILENCE:
        return _WELL
    missed_since = max(contact_at, watching_since)
    # Spans are of whole minutes, so moments a minute apart miss none.
    moments = (now, now - SILENCE / 2, now - SILENCE)
    if now - missed_since <= SILENCE or not all(_is_open(screen, at) for at in moments):
        return _UNKNOWN
    last = f"{contact_at:%Y-%m-%d %H:%M} UTC"
    return Finding(
        True,
        lazy(
            "The kiosk has not been heard of since %(last)s: check its power and its network. It "
            "keeps its sums and sends them when it is back.",
            last=last,
        ),
    )


def _camera(screen: ScreenCondition, health: Mapping[str, Any], now: datetime) -> Finding:
    camera = _part(health, "camera")
    if camera.get("state") != "lost" or health.get("session_kind") != "live":
        return _WELL
    if not _is_open(screen, now):
        return _UNKNOWN
    at, since = _moment(health.get("at")), _moment(camera.get("since"))
    if at is None or since is None or screen.health_at is None:
        return _UNKNOWN
    # Both by the kiosk's clock, which may be wrong.
    if at - since + (now - screen.health_at) <= CAMERA_LOST:
        return _UNKNOWN
    why = str(camera.get("detail", "")) or lazy("no usable picture comes")
    return Finding(
        True, lazy("Nobody is measured (%(why)s): check the camera and its cable.", why=why)
    )


def _notice(screen: ScreenCondition, health: Mapping[str, Any], now: datetime) -> Finding:
    has_camera = _part(health, "camera").get("state") in ("ok", "lost")
    if health.get("notice_shown") is not False or not has_camera:
        return _WELL
    if health.get("session_kind") != "live":
        return _WELL
    if not _is_open(screen, now):
        return _UNKNOWN
    return Finding(
        True,
        lazy(
            "The notice about the camera is not on the screen: check that no other window covers "
            "it, or inform people in another way."
        ),
    )


def _disk(health: Mapping[str, Any], is_raised: bool) -> Finding:
    free, total = health.get("disk_free_bytes"), health.get("disk_total_bytes")
    if not isinstance(free, int) or not isinstance(total, int) or total <= 0:
        return _UNKNOWN
    share, floor = (0.06, 2.5 * _GIB) if is_raised else (0.05, 2.0 * _GIB)
    # On a small disk, which may never have had that much free, only the share counts.
    if free >= share * total and (free >= floor or total < 8 * _GIB):
        return _WELL
    return Finding(
        True,
        lazy(
            "Only %(free)s GB of %(total)s GB are free: delete files, or keep readings for a "
            "shorter time (`--retention`).",
            free=f"{free / _GIB:.1f}",
            total=f"{total / _GIB:.0f}",
        ),
    )


def _clock(offset_s: float | None, is_raised: bool) -> Finding:
    if offset_s is None:
        return _UNKNOWN
    if abs(offset_s) <= (20 if is_raised else 30):
        return _WELL
    duration = _duration(abs(offset_s))
    if offset_s > 0:
        return Finding(
            True,
            lazy(
                "The kiosk's clock is %(duration)s ahead: switch on the machine's time "
                "synchronisation (`timedatectl set-ntp true`).",
                duration=duration,
            ),
        )
    return Finding(
        True,
        lazy(
            "The kiosk's clock is %(duration)s behind: switch on the machine's time "
            "synchronisation (`timedatectl set-ntp true`).",
            duration=duration,
        ),
    )


def _readings(health: Mapping[str, Any]) -> Finding:
    lost = health.get("lost_records")
    if not isinstance(lost, int):
        return _UNKNOWN
    if lost <= 0:
        return _WELL
    return Finding(
        True,
        nlazy(
            "%(num)s record of the session could not be stored: look for the reason with "
            "`ad-monitor doctor` on the kiosk. The alert ends with the session.",
            "%(num)s records of the session could not be stored: look for the reason with "
            "`ad-monitor doctor` on the kiosk. The alert ends with the session.",
            lost,
        ),
    )


def _not_applied(screen: ScreenCondition, now: datetime) -> Finding:
    show = screen.show
    if show is None or show.is_applied:
        return _WELL
    if not _is_open(screen, now):
        return _UNKNOWN
    if show.reported_version == show.version and show.state == "refused":
        if not show.reason:
            refused = lazy(
                "The kiosk cannot show version %(version)s. It goes on with what it showed before.",
                version=show.version,
            )
        else:
            refused = lazy(
                "The kiosk cannot show version %(version)s (%(why)s). It goes on with what it "
                "showed before.",
                version=show.version,
                why=show.reason.rstrip("."),
            )
        return Finding(True, refused, is_certain=True)
    if show.reported_version == show.version and show.state == "fetching":
        if show.progress is None:
            slow = lazy(
                "The kiosk is still fetching the ads of version %(version)s: check its network. It "
                "goes on with what it showed before.",
                version=show.version,
            )
        else:
            slow = lazy(
                "The kiosk is still fetching the ads of version %(version)s, %(share)s of them so "
                "far: check its network. It goes on with what it showed before.",
                version=show.version,
                share=f"{show.progress:.0%}",
            )
        return Finding(True, slow)
    return Finding(
        True,
        lazy(
            "The kiosk has not fetched version %(version)s: check that its program is as new as "
            "the hub's. It goes on with what it showed before.",
            version=show.version,
        ),
    )


def _set_aside(at: datetime | None, now: datetime) -> Finding:
    if at is None or now - at > timedelta(days=1):
        return _WELL
    return Finding(
        True,
        lazy(
            "The kiosk sent something that the hub cannot store, and which is kept apart: bring "
            "both to the same version. The alert ends a day after the last time."
        ),
    )


def _part(health: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = health.get(name)
    return part if isinstance(part, dict) else {}


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _duration(seconds: float) -> str:
    if seconds >= 2 * 86400:
        return nlazy("%(num)s day", "%(num)s days", round(seconds / 86400))
    if seconds >= 2 * 3600:
        return nlazy("%(num)s hour", "%(num)s hours", round(seconds / 3600))
    if seconds >= 2 * 60:
        return nlazy("%(num)s minute", "%(num)s minutes", round(seconds / 60))
    return nlazy("%(num)s second", "%(num)s seconds", round(seconds))


class AlertDuty:
    """Raises and ends the alerts of all screens; one process of a hub does so at a time.

    If two do, each alert is still raised and ended once. After a pause nothing counts as silent
    that was not heard while the hub, or its database, could not hear it.
    """

    def __init__(self) -> None:
        self._evaluated: datetime | None = None
        self._watching_since: datetime | None = None
        self._seen_since: dict[tuple[int, ScreenAlertKind], datetime] = {}

    def run(self, engine: Engine, now: datetime) -> None:
        """Evaluate all rules; call it every 15 seconds.

        Raises:
            sqlalchemy.exc.DBAPIError: The database cannot be used now.
        """
        since = self._watch(now)
        with snapshot(engine) as connection:
            screens, raised = screen_conditions(connection), open_alerts(connection)
        changes: list[tuple[int, ScreenAlertKind, Finding]] = []
        for screen in screens:
            kinds = {kind for kind in SCREEN_ALERT_KINDS if (screen.screen_id, kind) in raised}
            for kind, found in judge(screen, now, since, kinds).items():
                if self._is_due(screen.screen_id, kind, found, now) and found.wrong != (
                    kind in kinds
                ):
                    changes.append((screen.screen_id, kind, found))
        known = {screen.screen_id for screen in screens}
        # Nobody looks after a screen that was retired.
        changes += [
            (screen_id, kind, _WELL) for screen_id, kind in raised if screen_id not in known
        ]
        for start in range(0, len(changes), 100):
            # In parts, so that kiosks need not wait for long.
            with writing(engine) as connection:
                for screen_id, kind, found in changes[start : start + 100]:
                    if found.wrong:
                        raise_alert(connection, screen_id, kind, found.detail, now)
                    else:
                        end_alert(connection, screen_id, kind, now)
        if changes:
            logger.info("Alerts: %d raised or ended", len(changes))
        self._evaluated = now

    def _watch(self, now: datetime) -> datetime:
        """Return since when the hub would have noticed a contact."""
        last = self._evaluated
        if self._watching_since is None or last is None or not now - PAUSE <= last <= now:
            self._watching_since = now
            self._seen_since.clear()
        return self._watching_since

    def _is_due(self, screen_id: int, kind: ScreenAlertKind, found: Finding, now: datetime) -> bool:
        """Whether a finding is certain, and a fault has been seen for long enough."""
        if not found.wrong:
            self._seen_since.pop((screen_id, kind), None)
            return found.wrong is not None
        hold = _HOLD.get(kind)
        if hold is None or found.is_certain:
            return True
        return now - self._seen_since.setdefault((screen_id, kind), now) >= hold
