"""The places and days that a page or a call of the API is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from flask import request

from db.read.scope import Scope, all_screens
from db.read.sessions import site_zones
from monitor.languages import _, lazy
from monitor.settings.time_zone import SessionZones, local_zone
from monitor.web.request.problems import ProblemError

if TYPE_CHECKING:
    from datetime import tzinfo

    from sqlalchemy.engine import Engine


@dataclass(frozen=True, slots=True)
class Chosen:
    """The sites, groups and tags that the address of a page names."""

    sites: tuple[str, ...]
    groups: tuple[str, ...]
    tags: tuple[str, ...]

    @classmethod
    def asked(cls) -> Chosen:
        """Return those of the current request."""
        return cls(*map(_named, ("site", "group", "tag")))

    @property
    def scope(self) -> Scope:
        """The sessions there; a site is named by its whole name."""
        return Scope(sites=self.sites, groups=self.groups, tags=self.tags)

    @property
    def query(self) -> dict[str, tuple[str, ...]]:
        """The same for another address."""
        named = {"site": self.sites, "group": self.groups, "tag": self.tags}
        return {name: values for name, values in named.items() if values}

    def words(self, *, part: bool = False) -> str:
        """Return ` at “Berlin”, of the group “North”, with the tag “food”`; empty for all.

        Args:
            part: Whether sites are named by a part of their names.
        """
        named = []
        if self.sites:
            names = _any_of(self.sites)
            named.append(
                _("at sites matching %(names)s", names=names)
                if part
                else _("at %(names)s", names=names)
            )
        if self.groups:
            named.append(_("of the group %(names)s", names=_any_of(self.groups)))
        if self.tags:
            named.append(_("with the tag %(names)s", names=_any_of(self.tags)))
        return f" {', '.join(named)}" if named else ""


def _any_of(names: tuple[str, ...]) -> str:
    return _(" or ").join(_("“%(name)s”", name=name) for name in names)


def _named(name: str) -> tuple[str, ...]:
    """The values of a parameter that may be repeated; a form sends empty ones for all."""
    given = (value.strip() for value in request.args.getlist(name))
    return tuple(dict.fromkeys(value for value in given if value))


def choices(engine: Engine) -> dict[str, Any]:
    """Return what a page offers to choose screens by: `groups` and `tags`, and their names."""
    screens = all_screens(engine)
    return {
        "groups": sorted({screen.place.group for screen in screens} - {""}),
        "tags": sorted({tag for screen in screens for tag in screen.place.tags}),
        "screens": {screen.id: screen.place.name for screen in screens},
    }


def with_days(engine: Engine, chosen: Chosen) -> Scope:
    """Return the sessions at the chosen places, on the asked days; see `on_days`.

    Raises:
        ProblemError: A day is no date.
    """
    return on_days(engine, chosen.scope, asked_day("from"), asked_day("to"))


def on_days(engine: Engine, scope: Scope, first: date | None, last: date | None) -> Scope:
    """Return the sessions in a scope whose sites are named by a part, on some days.

    The days are whole ones, both included, in the zone that the places share, else in this
    machine's.
    """
    if scope.sites:
        parts = [part.casefold() for part in scope.sites]
        known = sorted(site_zones(engine))
        named = [site for site in known if any(part in site.casefold() for part in parts)]
        # A name that no site has leaves nothing.
        scope = replace(scope, sites=tuple(named) or scope.sites)
    zone = zone_of(engine, scope)
    return replace(
        scope,
        since=None if first is None else datetime.combine(first, time(), zone),
        until=None if last is None else datetime.combine(last + timedelta(days=1), time(), zone),
    )


def zone_of(engine: Engine, scope: Scope) -> tzinfo:
    """Return the time zone that the places of a scope share, else that of this machine."""
    zones = SessionZones(dict(enumerate(site_zones(engine, scope).values())))
    return zones.common or local_zone()


def asked_day(name: str) -> date | None:
    """Return a day that the address of a page names; `None` for none.

    Raises:
        ProblemError: It is no date between the years 2000 and 2999.
    """
    text = request.args.get(name, "").strip()
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 2000 <= day.year <= 2999:
        raise ProblemError(
            400,
            "bad_request",
            lazy(
                "Invalid %(name)s: expected a date such as 2026-03-01, received %(text)s.",
                name=name,
                text=repr(text[:20]),
            ),
        )
    return day
