"""Login by single sign-on: to the provider, and back with an account."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer

from db.engine import writing
from db.hub.audit import note
from db.hub.people import identities
from db.hub.secrets import shared_secret
from monitor.hub.people.single_sign_on import Flow, Provider, SingleSignOnError
from monitor.languages import lazy
from monitor.web.hub.accounts import account_gate
from monitor.web.request.gates import following_page
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import open_to_all
from monitor.web.services import EXTENSION, Places, hub_address, hub_services

if TYPE_CHECKING:
    from flask.blueprints import BlueprintSetupState
    from sqlalchemy.engine import Connection
    from werkzeug.wrappers import Response

    from db.hub.people.accounts import Account
    from monitor.hub.people.single_sign_on import Identity

PROVIDER = "ad-monitor-provider"
"""Key of the provider among the extensions of an application, and of the places for its answers."""

FLOW_FOR = timedelta(minutes=10)
COOKIE = "ad_monitor_hub_flow"

blueprint = Blueprint("single_sign_on", __name__, url_prefix="/login/single-sign-on")


@blueprint.record_once
def _make_provider(state: BlueprintSetupState) -> None:
    settings = state.app.extensions[EXTENSION].settings
    if settings.oidc_issuer is not None:
        provider = Provider(
            settings.oidc_issuer,
            settings.oidc_client_id,
            settings.oidc_client_secret,
            settings.oidc_groups,
        )
        state.app.extensions[PROVIDER] = provider, Places(4, waiting=12, each=2, limit_s=20)


@blueprint.app_context_processor
def _template_values() -> dict[str, Any]:
    found = current_app.extensions.get(PROVIDER)
    logout = None
    if found is not None and request.endpoint == "login" and "out" in request.args:
        logout = found[0].logout_address(hub_address() + url_for("login"))
    return {"has_single_sign_on": found is not None, "single_sign_on_logout": logout}


@blueprint.get("")
@open_to_all
def begin() -> Response:
    """Send the browser to the provider."""
    provider, places = _provider()
    try:
        with places.taken():
            address, flow = provider.begin(_own_address(), following_page())
    except SingleSignOnError as error:
        raise _refusal(503, error) from error
    response = redirect(address, 303)
    secure = hub_services().settings.secure_cookies
    # Not Strict: the browser comes back from the provider's page.
    response.set_cookie(
        _cookie(),
        _signer().dumps(asdict(flow)),
        max_age=FLOW_FOR,
        secure=secure,
        httponly=True,
        samesite="Lax",
    )
    return response


@blueprint.get("/done")
@open_to_all
def finish() -> Response:
    """Let in who came back from the provider, with the role of their groups."""
    provider, places = _provider()
    flow = _kept_flow()
    try:
        with places.taken():
            identity = provider.finish(flow, _own_address(), request.args)
        account = _account(provider, identity)
    except SingleSignOnError as error:
        account_gate().note_failure("", "single sign-on")
        raise _refusal(403, error) from error
    # A page, not a redirect: after one, browsers would not send the new cookie, which is Strict.
    page = render_template("single_sign_on.html", name=account.name, following=flow.following)
    response = make_response(page)
    account_gate().let_in(response, account, "single sign-on")
    secure = hub_services().settings.secure_cookies
    response.delete_cookie(_cookie(), secure=secure, httponly=True, samesite="Lax")
    return response


def _account(provider: Provider, identity: Identity) -> Account:
    """Return the account of somebody, made or changed as their groups say."""
    role = provider.role_of(identity)
    if role is None:
        raise SingleSignOnError(
            lazy(
                "None of your groups may use this hub. Ask whoever manages the groups of the "
                "single sign-on, or an administrator of the hub."
            )
        )
    with writing(hub_services().engine) as connection:
        return _stored_account(connection, identity, role, datetime.now(UTC))


def _stored_account(
    connection: Connection, identity: Identity, role: str, now: datetime
) -> Account:
    found = identities.account_of_subject(connection, identity.subject)
    if found is None:
        account = identities.invited_by_mail(connection, identity.email)
        if account is None:
            account = identities.create(
                connection,
                now,
                name=identity.name,
                email=identity.email,
                role=role,
                subject=identity.subject,
            )
            after = {"role": role, "email": identity.email, "by": "single sign-on"}
            note(connection, account.name, "user.create", account.name, now, after=after)
            return account
        identities.link(connection, account, identity.subject)
        note(connection, account.name, "user.link_single_sign_on", account.name, now)
    else:
        account, is_disabled = found
        if is_disabled:
            raise SingleSignOnError(
                lazy("Your account is disabled. Ask an administrator of the hub.")
            )
    if account.role == role:
        return account
    before, after = {"role": account.role}, {"role": role}
    note(connection, "single sign-on", "user.change", account.name, now, before=before, after=after)
    return identities.follow_groups(connection, account, role)


def _kept_flow() -> Flow:
    """Return the login that this browser began."""
    try:
        kept = _signer().loads(
            request.cookies.get(_cookie(), ""), max_age=int(FLOW_FOR.total_seconds())
        )
    except BadSignature:
        why = lazy("This login took too long, or began in another browser. Begin again.")
        raise _refusal(400, SingleSignOnError(why)) from None
    return Flow(**kept)


def _signer() -> URLSafeTimedSerializer:
    with writing(hub_services().engine) as connection:
        return URLSafeTimedSerializer(shared_secret(connection, "single sign-on"), salt="flow")


def _provider() -> tuple[Provider, Places]:
    found = current_app.extensions.get(PROVIDER)
    if found is None:
        raise ProblemError(404, "not_found", lazy("This hub has no single sign-on."))
    return cast("tuple[Provider, Places]", found)


def _own_address() -> str:
    return hub_address() + url_for("single_sign_on.finish")


def _cookie() -> str:
    return ("__Host-" if hub_services().settings.secure_cookies else "") + COOKIE


def _refusal(status: int, error: SingleSignOnError) -> ProblemError:
    return ProblemError(
        status, "login_needed", error.args[0], title=lazy("You cannot be logged in")
    )
