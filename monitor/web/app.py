"""The application behind `ad-monitor serve`, put together from its parts; nothing here is global."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask, Response, current_app
from jinja2 import StrictUndefined
from markupsafe import Markup, escape

from monitor.reports import formatting as shown
from monitor.version import VERSION
from monitor.web import api
from monitor.web.asking import MemoryRequest
from monitor.web.classifying import PictureWorker, load_looker
from monitor.web.errors import answer_errors
from monitor.web.pages import api as api_page
from monitor.web.pages import classify as classify_pages
from monitor.web.pages import live as live_pages
from monitor.web.pages import sessions as session_pages
from monitor.web.security import LARGEST_UPLOAD, SecuritySettings, install_security
from monitor.web.services import EXTENSION, Services

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.web.classifying import Looker
    from monitor.web.settings import WebSettings


def create_app(settings: WebSettings, make_looker: Callable[[], Looker] | None = None) -> Flask:
    """Put the application together and start its classifier's thread.

    Whoever makes it closes it with `close_app`.

    Args:
        settings: How the page is served.
        make_looker: Makes what finds and names faces, on the thread that uses it. Defaults to the
            model of the settings.
    """
    app = Flask(__name__)
    app.request_class = MemoryRequest
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_UPLOAD
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {
        "signed": shown.signed,
        "percent": shown.percent,
        "duration": shown.duration,
        "whole": shown.whole,
        "code": code,
        "day": day,
        "minute": minute,
    }
    app.jinja_env.globals |= {"version": VERSION, "unknown": shown.UNKNOWN}
    for pages in (classify_pages, session_pages, live_pages, api, api_page):
        app.register_blueprint(pages.blueprint)
    app.add_url_rule("/favicon.ico", "icon", _icon)
    answer_errors(app)
    install_security(
        app,
        SecuritySettings(
            token=settings.token,
            allowed_hosts=settings.allowed_hosts,
            rate_limit=settings.rate_limit,
            secure_cookies=settings.secure_cookies,
        ),
    )
    make = make_looker or partial(load_looker, settings.model, settings.device)
    app.extensions[EXTENSION] = Services(settings, PictureWorker(make))
    return app


def close_app(app: Flask) -> None:
    """End what an application runs, its classifier's thread and its live pages, and free its database."""
    app.extensions[EXTENSION].close()


def _icon() -> Response:
    """For the report's page, which names no icon of its own."""
    return current_app.send_static_file("icon.svg")


def code(text: str) -> Markup:
    """A text in which what stands between backticks is set as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped before)


def day(moment: datetime | None) -> str:
    """`2 November 2026` in UTC."""
    if moment is None:
        return shown.UNKNOWN
    at = moment.astimezone(timezone.utc)
    return f"{at.day} {at:%B %Y}"


def minute(moment: datetime | None) -> str:
    """`14:03` in UTC."""
    return shown.UNKNOWN if moment is None else f"{moment.astimezone(timezone.utc):%H:%M}"
