"""Reports that people put together: shown, saved, sent by mail, and shared by a link."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, render_template, request, url_for

from db.engine import snapshot, writing
from db.hub import reports
from db.hub.reports import KEEPING
from db.read.ads import known_ads
from db.read.scope import Scope
from db.read.sessions import site_zones
from monitor.analytics.breakdown import COUNTS
from monitor.hub.forms import FormError
from monitor.hub.reports.query import (
    PERIODS,
    RHYTHMS,
    ReportQuery,
    next_sending,
    read_keeping,
    read_query,
)
from monitor.languages import _, lazy
from monitor.reports import formatting as shown
from monitor.settings.time_zone import local_zone
from monitor.web.hub.accounts import current_user
from monitor.web.hub.changes import back, changing, done, now
from monitor.web.reports.documents import (
    DOWNLOADS,
    content_type_of,
    file_of,
    report_page,
    with_policy,
)
from monitor.web.reports.kept import (
    figures_csv,
    figures_of,
    report_on,
    report_sender,
    scope_of,
    whole_report,
)
from monitor.web.request.chosen import choices, zone_of
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import open_to_all, requires
from monitor.web.request.security import is_local
from monitor.web.services import hub_address, hub_services

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection
    from werkzeug.wrappers import Response as AnyResponse

    from db.hub.reports import KeptReport

MAX_LISTED_ADS = 200
LINK_DAYS = (1, 7, 30, 90)
"""How long a link can be valid."""

WORDS = {
    "plays": lazy("Plays"),
    "viewers": lazy("Viewers"),
    "attention": lazy("Attention, share of the time in view"),
    "valence": lazy("Valence, from negative to happy"),
    "dwell": lazy("Seconds in view"),
    "happy_share": lazy("Happy faces"),
    "surprise_share": lazy("Surprised faces"),
    "negative_share": lazy("Negative faces"),
    "expressiveness": lazy("Expressiveness"),
}
"""The measures on offer, in words."""

DIVISIONS = {
    "none": lazy("Nothing: one figure for each ad"),
    "site": lazy("Site"),
    "screen": lazy("Screen"),
    "day": lazy("Day"),
    "hour": lazy("Hour of the day"),
}

DONE = {
    "saved": lazy("The report was saved."),
    "deleted": lazy("The report was deleted."),
    "sent": lazy("The report was sent."),
    "revoked": lazy("The link no longer works, and its document was deleted."),
}

blueprint = Blueprint("builder", __name__)


@blueprint.get("/reports")
def listing() -> str:
    """The saved reports, the links, and the form for another report."""
    return _listing(_typed(request.args))


@blueprint.get("/reports/figures")
def figures() -> str | tuple[str, int]:
    """What the form asks for, as a table."""
    return _figures_page(_typed(request.args))


@blueprint.get("/reports/figures.csv")
def figures_file() -> Response:
    """The same for spreadsheets."""
    here, query = hub_services(), _asked(request.args)
    with here.reports.taken():
        found = figures_of(here.engine, query, here.settings.min_viewers, now())
    return Response(
        figures_csv(found).encode("utf-8-sig"),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="figures.csv"'},
    )


@blueprint.get("/reports/whole")
def whole() -> Response:
    """The whole report on the same plays, below a bar with the way back and the downloads."""
    here, query = hub_services(), _asked(request.args)
    bar = render_template(
        "report_bar.html",
        session_id=None,
        endpoint="builder.download",
        query=_arguments(query),
        formats=DOWNLOADS,
    )
    with here.reports.taken():
        document, _ = report_on(here.engine, query, here.settings, now())
        page, policy = report_page(document, bar, here.settings.folders)
    return Response(page, headers={"Content-Security-Policy": policy})


@blueprint.get("/reports/whole.<ending>")
def download(ending: str) -> Response:
    """The whole report on the same plays as a file."""
    content_type = content_type_of(ending)
    here, query = hub_services(), _asked(request.args)
    with here.reports.taken():
        made = report_on(here.engine, query, here.settings, now())
        content = file_of(*made, ending, here.settings.folders)
    return Response(
        content,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="report.{ending}"'},
    )


@blueprint.post("/reports")
@requires(*KEEPING, scope="reports")
def save() -> AnyResponse | str | tuple[str, int]:
    """Keep a report, and send it by mail if that is asked for."""
    typed = _typed(request.form)
    try:
        query = read_query(typed)
        keeping = read_keeping({**request.form})
        if keeping.rhythm and hub_services().settings.mail is None:
            wrong = _("The hub has no mail server yet: it is the setting hub.mail.")
            raise FormError({"rhythm": wrong})
    except FormError as error:
        return _figures_page(typed, request.form, error.problems)
    with changing() as change:
        following = None
        if keeping.rhythm is not None:
            zone = zone_of(hub_services().engine, scope_of(hub_services().engine, query, change.at))
            following = next_sending(keeping.rhythm, change.at, zone)
        asked = query.model_dump(mode="json")
        reports.save_report(
            change.connection,
            change.user.id,
            keeping.name,
            asked,
            keeping.rhythm,
            keeping.recipients,
            following,
            change.at,
        )
        sent = {"rhythm": keeping.rhythm, "recipients": list(keeping.recipients)}
        change.note("report.save", f"report {keeping.name}", after={"query": asked} | sent)
    return back("builder.listing", "saved")


@blueprint.post("/reports/<string(length=32):uid>/delete")
@requires(*KEEPING, scope="reports")
def delete(uid: str) -> AnyResponse:
    """Delete a saved report."""
    with changing() as change:
        report = _found(change.connection, uid)
        reports.delete_report(change.connection, uid)
        before = {"query": report.query, "recipients": list(report.recipients)}
        change.note("report.delete", f"report {report.name}", before=before)
    return back("builder.listing", "deleted")


@blueprint.post("/reports/<string(length=32):uid>/send")
@requires(*KEEPING, scope="reports")
def send(uid: str) -> AnyResponse:
    """Send a report to its recipients at once."""
    here = hub_services()
    with changing() as change:
        report = _found(change.connection, uid)
        change.note("report.send", f"report {report.name}", after={"to": list(report.recipients)})
    if not report.recipients:
        raise ProblemError(
            409, "in_use", lazy("This report has no recipients: save it again with some.")
        )
    with here.reports.taken():
        failure = report_sender(hub_services().settings).send(here.engine, report, now())
    if failure is not None:
        raise ProblemError(502, "not_sent", failure)
    return back("builder.listing", "sent")


@blueprint.post("/reports/share")
@requires(*KEEPING, scope="reports")
def share() -> str | tuple[str, int]:
    """Freeze the whole report on some plays, and show the link to it, once."""
    here, typed = hub_services(), _typed(request.form)
    title = " ".join(request.form.get("title", "").split())[:80]
    days = request.form.get("days", "30")
    try:
        query = read_query(typed)
        if days not in map(str, LINK_DAYS) or not title:
            raise FormError(
                {"title": str(lazy("Give the link a title, and say how long it works."))}
            )
    except FormError as error:
        return _figures_page(typed, request.form, error.problems)
    with here.reports.taken():
        page = whole_report(here.engine, query, here.settings, now())
    with changing() as change:
        uid, token = reports.share_document(
            change.connection,
            title,
            page,
            change.user.name,
            change.at,
            change.at + timedelta(days=int(days)),
        )
        after = {"title": title, "days": int(days), "query": query.model_dump(mode="json")}
        change.note("link.create", f"link {uid[:8]}", after=after)
    link = hub_address() + url_for("builder.shared", token=token)
    page = render_template(
        "shared_link.html",
        link=link,
        title=title,
        days=int(days),
        is_local=is_local(urlsplit(link).hostname or ""),
    )
    return page, 201


@blueprint.post("/reports/links/<string(length=32):uid>/revoke")
@requires(*KEEPING, scope="reports")
def revoke(uid: str) -> AnyResponse:
    """Make a link void, and delete its document."""
    with changing() as change:
        author = None if change.user.role == "admin" else change.user.name
        known = {link.uid: link for link in reports.shared_links(change.connection, author=author)}
        if uid not in known:
            raise ProblemError(404, "not_found", lazy("There is no such link of yours."))
        reports.revoke_link(change.connection, uid, change.at)
        change.note("link.revoke", f"link {uid[:8]}", before={"title": known[uid].title})
    return back("builder.listing", "revoked")


@blueprint.get("/shared/<token>")
@open_to_all
def shared(token: str) -> Response:
    """A finished report, for anyone who has its link."""
    page = None
    if len(token) == 43:  # 256 bits
        with writing(hub_services().engine) as connection:
            page = reports.open_shared(connection, token, now())
    if page is None:
        raise ProblemError(
            404,
            "not_found",
            lazy(
                "There is no document behind this link: it was revoked, is too old, or was not "
                "copied completely. Ask the person who sent it for another one."
            ),
        )
    page, policy = with_policy(page)
    return Response(
        page,
        headers={
            "Content-Security-Policy": policy,
            # The address is the key: no other site and no search engine may learn it.
            "Referrer-Policy": "no-referrer",
            "X-Robots-Tag": "noindex, nofollow, noarchive",
        },
    )


@blueprint.app_template_filter("measured")
def measured(value: float, name: str, has_sign: bool = True) -> str:
    """Write a figure of a measure; `has_sign` is false for half of an interval."""
    if name in COUNTS:
        return shown.whole(round(value))
    if name == "dwell":
        return shown.duration(value)
    if name == "valence" and has_sign:
        return shown.signed(value)
    return shown.decimal(value) if name == "valence" else shown.percent(value)


def _listing(typed: dict[str, Any]) -> str:
    user = current_user()
    is_admin = user.role == "admin"
    with snapshot(hub_services().engine) as connection:
        kept = reports.kept_reports(connection, owner_id=None if is_admin else user.id)
        links = reports.shared_links(connection, author=None if is_admin else user.name)
    at = now()
    return render_template(
        "reports.html",
        kept=[(report, _arguments(ReportQuery.model_validate(report.query))) for report in kept],
        links=links,
        rhythms=RHYTHMS,
        now=at,
        zone=local_zone(),
        may_keep=user.may(*KEEPING),
        is_admin=is_admin,
        done=done(DONE),
        **_choices(typed),
    )


def _figures_page(
    typed: dict[str, Any],
    form: Mapping[str, str] | None = None,
    problems: Mapping[str, str] | None = None,
) -> str | tuple[str, int]:
    """Return the page of figures; with problems in the form to keep them, 400."""
    here = hub_services()
    wrong, found, problem, query = dict(problems or {}), None, None, None
    try:
        query = read_query(typed)
        with here.reports.taken():
            found = figures_of(here.engine, query, here.settings.min_viewers, now())
    except FormError as error:
        wrong |= error.problems
    except ProblemError as error:
        problem = error
    page = render_template(
        "report_figures.html",
        found=found,
        problem=problem,
        problems=wrong,
        form=form or {},
        arguments={} if query is None else _arguments(query),
        reach=_reach(found),
        date_of=date.fromisoformat,
        rhythms=RHYTHMS,
        link_days=LINK_DAYS,
        min_viewers=here.settings.min_viewers,
        may_keep=current_user().may(*KEEPING),
        has_mail=hub_services().settings.mail is not None,
        formats=DOWNLOADS,
        **_choices(typed),
    )
    return (page, 400) if wrong else page if problem is None else (page, problem.status)


def _choices(typed: dict[str, Any]) -> dict[str, Any]:
    """Return what the form offers, and what is chosen in it."""
    engine = hub_services().engine
    ads = sorted(known_ads(engine, Scope()), key=lambda ad: -ad.plays)
    named = [ad for ad in ads if ad.ad_id in typed["ads"]]
    others = [ad for ad in ads if ad.ad_id not in typed["ads"]]
    return {
        "typed": typed,
        "ads": (named + others)[:MAX_LISTED_ADS],
        "ad_count": len(ads),
        "sites": sorted(site_zones(engine)),
        **choices(engine),
        "measures": WORDS,
        "divisions": DIVISIONS,
        "periods": PERIODS,
    }


def _typed(values: Any) -> dict[str, Any]:
    """Return the question in a form or address, as it was typed."""
    lists = {"ad": "ads", "site": "sites", "group": "groups", "tag": "tags"}
    return {
        **{key: tuple(values.getlist(name)) for name, key in lists.items()},
        "period": values.get("period", "week"),
        "first": values.get("from", "").strip(),
        "last": values.get("to", "").strip(),
        "measure": values.get("measure", "attention"),
        "division": values.get("division", "none"),
    }


def _asked(values: Any) -> ReportQuery:
    try:
        return read_query(_typed(values))
    except FormError as error:
        raise ProblemError(400, "bad_request", str(error)) from None


def _arguments(query: ReportQuery) -> dict[str, Any]:
    """Return a question for an address."""
    values = {
        "ad": query.ads,
        "site": query.sites,
        "group": query.groups,
        "tag": query.tags,
        "period": query.period,
        "from": query.first,
        "to": query.last,
        "measure": query.measure,
        "division": query.division,
    }
    return {name: value for name, value in values.items() if value}


def _reach(found: Any) -> float:
    """Return the largest figure of a table, for its bars; never 0."""
    values = [abs(row.total.value) for row in (found.rows if found else ()) if row.total.value]
    return max(values, default=1.0)


def _found(connection: Connection, uid: str) -> KeptReport:
    report, user = reports.find_report(connection, uid), current_user()
    if report is None or (report.owner_id != user.id and user.role != "admin"):
        raise ProblemError(404, "not_found", lazy("There is no such report of yours."))
    return report
