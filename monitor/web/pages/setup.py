"""The set-up pages of a new kiosk, for anyone who has the secret that its window shows.

The secret is behind the # of the link, which no server sees in a log. One browser at a time may set
up; when it is done, the secret is void.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, session, url_for

from db.engine import writing
from db.hub.audit import note
from db.hub.people import accounts
from detector.sources.passwords import hide_passwords
from monitor.errors import MonitorError
from monitor.hub.people.passwords import MIN_LENGTH, PasswordError, hash_password
from monitor.languages import _, lazy
from monitor.session.first_run import (
    DEMO,
    NO_CAMERA,
    ads_folder,
    ads_in,
    finish,
    is_address,
    remove_ad,
    sources,
    take_ads,
)
from monitor.settings.forms import problem_with
from monitor.settings.time_zone import local_zone, zone_names
from monitor.ui.texts import languages as window_languages
from monitor.ui.texts import texts_for
from monitor.web.hub.changes import now
from monitor.web.request.rights import for_people, open_to_all
from monitor.web.services import hub_services

if TYPE_CHECKING:
    from pathlib import Path

    from werkzeug.wrappers import Response

    from monitor.web.hub.accounts import AccountGate
    from monitor.web.kiosk_console import Console

STEPS = {
    "camera": lazy("Camera"),
    "ads": lazy("Ads"),
    "notice": lazy("Notice"),
    "place": lazy("Site and account"),
    "check": lazy("Done"),
}
"""The pages of the set-up, in their order."""

ADMINISTRATOR = "admin"


def setup_pages(console: Console, gate: AccountGate) -> Blueprint:
    """Return the pages of the set-up of a console's kiosk."""
    pages = _SetupPages(console, gate)
    blueprint = Blueprint("setup", __name__, url_prefix="/setup")
    for path, view in {
        "": pages.entrance,
        "/camera": pages.camera,
        "/ads": pages.ads,
        "/notice": pages.notice,
        "/place": pages.place,
        "/check": pages.check,
        "/done": pages.done,
    }.items():
        # The secret, not an account, opens them.
        marked = open_to_all(for_people(_unbound(view)))
        name = path.strip("/") or "entrance"
        blueprint.add_url_rule(path, name, marked, methods=["GET", "POST"])
    return blueprint


def _unbound(method: Any) -> Any:
    """Return a function, which can carry marks, for a method, which cannot."""

    def view() -> Any:
        return method()

    return view


class _SetupPages:
    """The pages; the answers are the console's."""

    def __init__(self, console: Console, gate: AccountGate) -> None:
        self._console = console
        self._gate = gate

    @property
    def _ads(self) -> Path:
        return ads_folder(self._console.order.database)

    def entrance(self) -> str | tuple[str, int] | Response:
        """Take the secret, which a script sends by itself."""
        if request.method != "POST":
            if self._is_visitor():
                return redirect(url_for("setup.camera"), 303)
            return self._page("entrance", wrong=False)
        expected = self._console.order.setup
        given = request.form.get("secret", "").strip()
        is_right = self._gate.is_right(given, None if expected is None else expected.encode())
        if not is_right or self._console.is_done:
            return self._page("entrance", wrong=True), 403
        session.clear()
        session["setup"] = self._console.admit()
        return redirect(url_for("setup.camera"), 303)

    def camera(self) -> str | Response:
        """Choose what measures."""
        if (refusal := self._refusal()) is not None:
            return refusal
        draft, problem = self._console.draft, None
        before = draft.source if draft.source and is_address(draft.source) else ""
        address, is_typed = hide_passwords(before), bool(before)
        if request.method == "POST":
            chosen = request.form.get("source", "")
            is_typed = chosen == "address"
            if is_typed:
                typed = request.form.get("address", "").strip()
                chosen = before if typed == address else typed
                address = typed
                problem = problem_with("camera.source", chosen or None)
                if not is_address(chosen) and problem is None:
                    problem = _("Expected an address that begins with http, https or rtsp.")
            if problem is None:
                draft.source = chosen or None
                return redirect(url_for("setup.ads"), 303)
        found = sources()
        known = [source for source, _name in found] + [DEMO, NO_CAMERA]
        return self._page(
            "camera",
            cameras=found,
            chosen=draft.source if draft.source in known else known[0],
            is_address=is_typed,
            address=address,
            problem=problem,
        )

    def ads(self) -> str | Response:
        """Choose between the samples and ads of one's own, which come as files."""
        if (refusal := self._refusal()) is not None:
            return refusal
        draft = self._console.draft
        problems: list[str] = []
        if request.method == "POST":
            if "remove" in request.form:
                remove_ad(self._ads, request.form["remove"])
                draft.own_ads = bool(ads_in(self._ads))
                return redirect(url_for("setup.ads"), 303)
            files = [file for file in request.files.getlist("files") if file.filename]
            if files:
                sent = [(str(file.filename), file.stream) for file in files]
                problems = take_ads(self._ads, sent)
                draft.own_ads = bool(ads_in(self._ads))
            if not files:
                draft.own_ads = request.form.get("ads") == "own"
                if not draft.own_ads or ads_in(self._ads):
                    return redirect(url_for("setup.notice"), 303)
                problems = [
                    _("There are no ads of your own yet: choose files, or take the samples.")
                ]
            elif not problems:
                return redirect(url_for("setup.ads"), 303)
        return self._page(
            "ads", own=ads_in(self._ads), folder=self._ads, chosen=draft.own_ads, problems=problems
        )

    def notice(self) -> str | Response:
        """Choose how people in front of the screen are informed."""
        if (refusal := self._refusal()) is not None:
            return refusal
        draft, problem = self._console.draft, None
        if request.method == "POST":
            known = window_languages()
            draft.languages = tuple(
                code for code in request.form.getlist("languages") if code in known
            )
            draft.required = "required" in request.form
            draft.url = request.form.get("url", "").strip()
            problem = problem_with("notice.url", draft.url or None)
            if problem is None:
                return redirect(url_for("setup.place"), 303)
        texts = {code: texts_for(code)["notice"] for code in window_languages()}
        return self._page("notice", texts=texts, problem=problem)

    def place(self) -> str | Response:
        """Ask for the site, and for the first account if there is none."""
        if (refusal := self._refusal()) is not None:
            return refusal
        draft = self._console.draft
        problems: dict[str, str] = {}
        if request.method == "POST":
            draft.site = " ".join(request.form.get("site", "").split())
            draft.time_zone = request.form.get("time_zone", "").strip()
            draft.shared = "shared" in request.form
            wrong = {
                "site": problem_with("data.site", draft.site or None),
                "time_zone": problem_with("data.timezone", draft.time_zone or None),
            }
            if not draft.site:
                wrong["site"] = _("Expected a name for the site, such as Shop 12.")
            if not self._has_account():
                wrong["password"] = self._make_account()
            problems = {name: why for name, why in wrong.items() if why}
            if not problems:
                return redirect(url_for("setup.check"), 303)
        return self._page(
            "place",
            problems=problems,
            form={"site": draft.site, "time_zone": draft.time_zone or local_zone().key},
            zones=zone_names(),
            has_account=self._has_account(),
            min_length=MIN_LENGTH,
            account=ADMINISTRATOR,
        )

    def check(self) -> str | Response:
        """Show the answers, and write them."""
        if (refusal := self._refusal()) is not None:
            return refusal
        if not self._has_account() or not self._console.draft.site:
            return redirect(url_for("setup.place"), 303)
        problem = None
        if request.method == "POST":
            try:
                finish(self._console.order.settings_file, self._console.draft, self._ads)
            except MonitorError as error:
                problem = str(error)
            else:
                return self._finished()
        cameras = dict(sources())
        return self._page(
            "check",
            cameras=cameras,
            source=hide_passwords(self._console.draft.source or ""),
            demo=DEMO,
            none=NO_CAMERA,
            own=ads_in(self._ads),
            file=self._console.order.settings_file,
            problem=problem,
        )

    def done(self) -> str | Response:
        """Show where everything is."""
        if not self._console.is_done:
            return redirect(url_for("setup.entrance"), 303)
        return self._page("done", file=self._console.order.settings_file)

    def _finished(self) -> Response:
        console = self._console
        is_owner = console.made_by is not None and console.made_by == console.visitor
        console.is_done, console.visitor = True, None
        engine, at = hub_services().engine, now()
        with writing(engine) as connection:
            note(connection, ADMINISTRATOR, "kiosk.set_up", "settings file", at)
            [account] = [
                member.account
                for member in accounts.members(connection)
                if member.account.has_password and member.account.role == "admin"
            ][:1]
        session.clear()
        response = redirect(url_for("setup.done"), 303)
        # The secret is no password: it opens only the account that this browser has just made.
        if is_owner:
            self._gate.let_in(response, account, "first run")
        console.start_again()
        return response

    def _make_account(self) -> str | None:
        """Make the first account; return what is wrong with its password."""
        password = request.form.get("password", "")
        if password != request.form.get("again", ""):
            return _("The two passwords differ: type the same one twice.")
        try:
            with self._gate.checking.taken():
                password_hash = hash_password(password)
        except PasswordError as error:
            return str(error)
        at = now()
        with writing(hub_services().engine) as connection:
            token, account = accounts.invite(connection, ADMINISTRATOR, "admin", at)
            accounts.set_password(connection, token, password_hash, at)
            after = {"role": account.role}
            note(connection, account.name, "user.set_password", account.name, at, after=after)
        self._console.made_by = self._console.visitor
        return None

    @staticmethod
    def _has_account() -> bool:
        with hub_services().engine.connect() as connection:
            found = accounts.members(connection)
        return any(one.account.has_password and one.account.role == "admin" for one in found)

    def _is_visitor(self) -> bool:
        mark, own = session.get("setup"), self._console.visitor
        return bool(mark and own and hmac.compare_digest(str(mark), own))

    def _refusal(self) -> Response | None:
        if self._is_visitor():
            return None
        return redirect(url_for("setup.entrance"), 303)

    def _page(self, step: str, **values: Any) -> str:
        return render_template(
            f"setup_{step}.html", step=step, steps=STEPS, draft=self._console.draft, **values
        )
