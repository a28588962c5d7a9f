"""What this installation does, in rows of a table: from its settings, in the language spoken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ads.policies import ADAPTIVE_NAMES
from db.upkeep.inventory import WORDS
from detector.sources.passwords import hide_passwords
from monitor.languages import _, lazy, listed, ngettext
from monitor.languages.words import word
from monitor.legal.recipients import recipients
from monitor.reports.formatting import decimal

if TYPE_CHECKING:
    from detector.emotion.model_card import ModelCard
    from monitor.legal.recipients import Recipient
    from monitor.settings.models import RunSettings

Rows = tuple[tuple[str, ...], ...]

ABOUT_PEOPLE = {
    "readings": True,
    "viewers": False,
    "exposures": False,
    "exposure_seconds": False,
}
"""Tables about people, and whether single readings' retention applies to them."""

GETS = {
    "sums": lazy("sums of each stay in view, and the state of the moment; no single readings"),
    "cells": lazy("sums over several viewers, by ad, hour and second, and the state of the moment"),
    "state": lazy("the state of the moment: how many are in view, how many look, and their mood"),
    "readings": lazy("all readings: the database is there"),
}


def measuring(settings: RunSettings, card: ModelCard) -> Rows:
    """Return what is measured and how: fact, this kiosk, setting."""
    detection = settings.detection
    reach = (
        (_("faces of %(number)s pixels and more", number=exact(detection.smallest_face_px)))
        if detection.farthest_m is None
        else _("people up to %(number)s m away", number=exact(detection.farthest_m))
    )
    camera = hide_passwords(settings.source or _("the camera that was chosen, else the first one"))
    return (
        (
            _("Camera"),
            camera if settings.camera else _("off: nobody is measured"),
            "camera.source, camera.enabled",
        ),
        (_("Hours"), hours(settings), "data.measure_hours"),
        (_("Part of the picture"), zones(settings), "faces.zones"),
        (_("Reach"), reach, "faces.smallest_face_px, faces.farthest_m"),
        (
            _("Expressions"),
            _(
                "%(labels)s, read by the model %(name)s",
                labels=listed([word(label) for label in card.labels]),
                name=card.name,
            ),
            "faces.model",
        ),
        (
            _("Readings"),
            _(
                "at most %(number)s a second of each face",
                number=exact(settings.readings_per_second),
            ),
            "data.readings_per_second",
        ),
        (_("Choice of the next ad"), choice(settings), "ads.policy"),
        (_("Notice on the screen"), notice(settings), "notice.mode, window.headless"),
    )


def exact(value: float) -> str:
    """Write a number with as many decimals as it has, up to six digits."""
    return decimal(value, len(f"{value:g}".partition(".")[2]))


def hours(settings: RunSettings) -> str:
    """Say when is measured."""
    if not settings.measure_hours:
        return _("whenever the kiosk runs")
    return listed([one.replace("-", "\N{EN DASH}") for one in settings.measure_hours])


def zones(settings: RunSettings) -> str:
    """Say where in the picture is measured."""
    if settings.zones is None:
        return _("the whole picture")
    return _("limited by the zones of %(file)s", file=settings.zones.name)


def choice(settings: RunSettings) -> str:
    """Say whether the audience has a say in the next ad."""
    if settings.policy in ADAPTIVE_NAMES:
        return _(
            "%(policy)s: it follows the audience that is there, as a group", policy=settings.policy
        )
    return _("%(policy)s: it does not depend on the audience", policy=settings.policy)


def notice(settings: RunSettings) -> str:
    """Say how the screen informs people."""
    if settings.headless:
        return _("none, because the kiosk has no window")
    if settings.notice == "required":
        return _("alone before measuring begins, then below the ads")
    return _("below the ads")


def retention(settings: RunSettings) -> str:
    """Say how long single readings are kept."""
    days = settings.retention_days
    if not days:
        return _("without a time limit")
    return ngettext("%(num)s day", "%(num)s days", days)


def stored(settings: RunSettings) -> Rows:
    """Return what is stored about people: what, its meaning, for how long."""
    until = _("until somebody deletes it (ad-monitor purge)")
    return tuple(
        (name, str(WORDS[name][0]), retention(settings) if is_limited else until)
        for name, is_limited in ABOUT_PEOPLE.items()
    )


def sent(settings: RunSettings) -> Rows:
    """Return who gets something besides this machine: host, what, encrypted."""
    return tuple((one.host, str(GETS[one.gets]), encryption(one)) for one in recipients(settings))


def encryption(recipient: Recipient) -> str:
    """Say whether the way to a recipient is encrypted."""
    if recipient.is_encrypted is None:
        return _("as the database's address says")
    return _("encrypted") if recipient.is_encrypted else _("not encrypted")
