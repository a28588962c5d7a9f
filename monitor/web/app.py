"""The application behind `ad-monitor serve`; nothing here is global."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask
from jinja2 import StrictUndefined
from markupsafe import Markup, escape
from werkzeug.routing import IntegerConverter

from detector.names import printable
from monitor.languages import lazy, long_date, numeral, short_date
from monitor.languages.jinja import spoken
from monitor.languages.recognition import translated
from monitor.languages.words import word
from monitor.reports import formatting as shown
from monitor.settings.time_zone import common_zone, zone_words
from monitor.version import VERSION
from monitor.web.api import routes as api
from monitor.web.api.sent_pictures import MemoryRequest
from monitor.web.pages import classify as classify_pages
from monitor.web.pages import live as live_pages
from monitor.web.pages import scope_report as report_pages
from monitor.web.pages import sessions as session_pages
from monitor.web.pictures.process import PictureProcess
from monitor.web.pictures.reader import PictureReader
from monitor.web.pictures.worker import PictureWorker
from monitor.web.request.gates import TokenGate
from monitor.web.request.language import install_languages
from monitor.web.request.problems import install_problems
from monitor.web.request.rights import open_to_all
from monitor.web.request.security import install_security
from monitor.web.services import EXTENSION, Services

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo

    from werkzeug.routing import Map

    from monitor.languages import LazyText
    from monitor.settings.models import WebSettings
    from monitor.web.pictures.reader import FaceFinder
    from monitor.web.pictures.worker import Reader
    from monitor.web.request.gates import Gate


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """A page in the menu: its name, the endpoint it leads to, and others that belong to it.

    Entries with `is_more` are in a separate menu at the end.
    """

    name: LazyText
    endpoint: str
    others: tuple[str, ...] = ()
    is_more: bool = False


NAVIGATION = (
    NavigationEntry(lazy("Classify"), "classify.form", ("classify.classify",)),
    NavigationEntry(lazy("Sessions"), "sessions.listing"),
    NavigationEntry(lazy("Live"), "live.latest", ("live.page",)),
    NavigationEntry(lazy("Compare"), "sessions.compare"),
    NavigationEntry(lazy("API"), "api.page"),
)


def create_app(settings: WebSettings, load: Callable[[], FaceFinder] | None = None) -> Flask:
    """Build the application and start what reads pictures; end it with `close_app`.

    By default that is a child process with the model of the settings. `load` instead makes a
    classifier in this process, on the thread that uses it.
    """
    if load is None:
        make_reader: Callable[[], Reader] = partial(PictureProcess, settings.model, settings.device)
    else:
        make_reader = lambda: PictureReader(load())  # noqa: E731
    return make_app(settings, TokenGate(settings.token), make_reader, Services)


def make_app(
    settings: WebSettings,
    gate: Gate,
    make_reader: Callable[[], Reader],
    make_services: Callable[[WebSettings, PictureWorker], Services],
    *,
    navigation: Sequence[NavigationEntry] = NAVIGATION,
    classify_prefix: str | None = None,
) -> Flask:
    """Build an application with the pages of `serve`.

    Args:
        settings: Of the pages.
        gate: Lets visitors in.
        make_reader: Makes what reads pictures, on the thread that uses it.
        make_services: Makes what the pages share.
        navigation: The menu.
        classify_prefix: Where the page is that classifies a picture; by default it is the home
            page.
    """
    app = page_app(settings, gate, navigation)
    app.url_map.converters["session"] = SessionNumber
    app.register_blueprint(classify_pages.blueprint, url_prefix=classify_prefix)
    for pages in (session_pages, report_pages, live_pages, api):
        app.register_blueprint(pages.blueprint)
    app.extensions[EXTENSION] = make_services(settings, PictureWorker(make_reader))
    return app


def page_app(settings: WebSettings, gate: Gate, navigation: Sequence[NavigationEntry]) -> Flask:
    """Build an application without pages: languages, the templates' filters, security, problems.

    Args:
        settings: Of the pages.
        gate: Lets visitors in.
        navigation: The menu.
    """
    app = Flask(__name__)
    app.request_class = MemoryRequest
    # By default `//` leads to a redirect, which names the host that was asked for.
    app.url_map.merge_slashes = False
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {
        "signed": spoken(shown.signed),
        "percent": spoken(shown.percent),
        "duration": spoken(shown.duration),
        "whole": spoken(shown.whole),
        "code": code,
        "day": spoken(day),
        "short_date": spoken(short_date),
        "minute": minute,
        "numeral": spoken(numeral),
        "word": spoken(word),
        "translated": spoken(translated),
        "zone": lambda session: common_zone([session.timezone]),
        "zone_words": zone_words,
    }
    app.jinja_env.finalize = printable_value
    app.jinja_env.globals |= {
        "version": VERSION,
        "unknown": shown.UNKNOWN,
        "long_date": long_date,
        "navigation": navigation,
    }
    install_languages(app, gate, secure_cookies=settings.secure_cookies)
    # For the report's page, which names no icon.
    app.add_url_rule("/favicon.ico", "icon", open_to_all(lambda: app.send_static_file("icon.svg")))
    install_problems(app)
    install_security(
        app,
        gate,
        settings.allowed_hosts,
        rate_limit=settings.rate_limit,
        read_limit=settings.read_limit,
        secure_cookies=settings.secure_cookies,
    )
    return app


class SessionNumber(IntegerConverter):
    """A session's number in an address: ASCII digits, no larger than the database can hold."""

    regex = "[0-9]+"

    def __init__(self, map: Map) -> None:  # noqa: A002 (werkzeug's name)
        super().__init__(map, max=(1 << 31) - 1)


def close_app(app: Flask) -> None:
    """End an application's threads and live pages, and close its database."""
    app.extensions[EXTENSION].close()


def printable_value(value: object) -> object:
    """Return a value as templates show it: translated, and without control characters."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(str(value), keep="\n\t")
    return value


def code(text: str) -> Markup:
    """Set as code what stands between backticks."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped before)


def day(moment: datetime | None, zone: tzinfo = UTC) -> str:
    """Write a date as `2 November 2026`."""
    if moment is None:
        return shown.UNKNOWN
    return long_date(moment.astimezone(zone))


def minute(moment: datetime | None, zone: tzinfo = UTC) -> str:
    """Write a time as `14:03`."""
    return shown.UNKNOWN if moment is None else f"{moment.astimezone(zone):%H:%M}"
