"""Login by single sign-on, against a provider that this test runs, and attacks on it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

pytest.importorskip("authlib", reason="the extra `hub` is not installed")

from joserfc.jwk import RSAKey

from db.engine import open_database, writing
from db.hub.people import accounts
from db.hub.tables.people import ROLES, AuditEntry, User
from monitor.settings.models import HubSettings
from monitor.web.app import close_app
from monitor.web.hub_app import create_hub_app
from monitor.web.pages.single_sign_on import PROVIDER
from tests.helpers.identity_provider import CLIENT, SECRET, IdentityProvider

BEGIN, DONE = "/login/single-sign-on", "/login/single-sign-on/done"


@pytest.fixture
def provider():
    made = IdentityProvider()
    yield made
    made.close()


@pytest.fixture
def app(provider, tmp_path):
    settings = HubSettings(
        database=str(tmp_path / "hub.db"),
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=SECRET,
        oidc_groups=("shop-admins=admin", "shop-editors=editor", "shop=viewer"),
    )
    app = create_hub_app(settings)
    yield app
    close_app(app)


@pytest.fixture
def engine(app, tmp_path):
    engine = open_database(str(tmp_path / "hub.db"))
    yield engine
    engine.dispose()


def begin(app, following="/"):
    """Return a browser at the provider, and its address there."""
    browser = app.test_client()
    answer = browser.get(f"{BEGIN}?next={following}")
    assert answer.status_code == 303, answer.text
    return browser, answer.location


def log_in(app, provider, following="/"):
    browser, address = begin(app, following)
    browser.answer = browser.get(provider.approve(address))
    return browser


def people(engine):
    with engine.connect() as connection:
        query = select(User.name, User.role, User.email).order_by(User.id)
        return [tuple(row) for row in connection.execute(query)]


def test_the_first_login_makes_an_account_with_the_role_of_the_groups(app, provider, engine):
    browser, address = begin(app, "/screens")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert address.startswith(f"{provider.issuer}/auth?")
    assert asked["response_type"], asked["code_challenge_method"] == ("code", "S256")
    assert asked["redirect_uri"] == f"http://localhost{DONE}"
    assert "groups" in asked["scope"].split()
    answer = browser.get(provider.approve(address))
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/screens">' in answer.text
    assert people(engine) == [("anna", "editor", "anna@example.com")]
    assert browser.get("/account").status_code == 200
    assert [len(form["code_verifier"]) for form in provider.asked] == [64]
    with engine.connect() as connection:
        actions = connection.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["user.create", "user.login"]


def test_the_role_follows_the_groups_at_every_login(app, provider, engine):
    log_in(app, provider)
    provider.person["groups"] = ["shop", "shop-admins"]
    provider.person["preferred_username"] = "anna-renamed"
    log_in(app, provider)
    assert people(engine) == [("anna", "admin", "anna@example.com")]
    provider.person["groups"] = ["others"]
    refused = log_in(app, provider)
    assert refused.answer.status_code == 403
    assert "None of your groups may use this hub" in refused.answer.text
    assert refused.get("/account").status_code == 401


def test_another_person_of_the_same_name_gets_another_account(app, provider, engine):
    now = datetime.now(UTC)
    with writing(engine) as connection:
        token, _ = accounts.invite(connection, "anna", "admin", now, email="anna@example.com")
        accounts.set_password(connection, token, "unused", now)
    log_in(app, provider)
    assert people(engine) == [
        ("anna", "admin", "anna@example.com"),
        ("anna 2", "editor", "anna@example.com"),
    ]


@pytest.mark.parametrize(("verified", "count"), [(True, 1), (False, 2), ("true", 2)])
def test_an_invited_account_is_linked_by_a_verified_address(app, provider, engine, verified, count):
    with writing(engine) as connection:
        now = datetime.now(UTC)
        accounts.invite(connection, "Anna B.", "viewer", now, email="anna@example.com")
    provider.person["email_verified"] = verified
    log_in(app, provider)
    assert len(people(engine)) == count
    assert people(engine)[0][1] == ("editor" if count == 1 else "viewer")


def test_a_disabled_account_stays_out(app, provider, engine):
    log_in(app, provider)
    with writing(engine) as connection:
        accounts.disable(connection, "anna", datetime.now(UTC))
    refused = log_in(app, provider)
    assert refused.answer.status_code == 403
    assert "Your account is disabled" in refused.answer.text


ATTACKS = {
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "another-client"},
    "no audience": {"aud": None},
    "for another party": {"aud": [CLIENT, "x"], "azp": "x"},
    "expired": {"exp": int(time.time()) - 300},
    "no end": {"exp": None},
    "from the future": {"iat": int(time.time()) + 3600},
    "nobody": {"sub": None},
    "a list for a subject": {"sub": ["4711"]},
}


@pytest.mark.parametrize("changes", ATTACKS.values(), ids=ATTACKS)
def test_a_token_that_is_not_right_lets_nobody_in(app, provider, engine, changes):
    provider.changes = changes
    refused = log_in(app, provider)
    assert refused.answer.status_code == 403
    assert "cannot be believed" in refused.answer.text
    assert refused.get("/account").status_code == 401
    assert people(engine) == []


@pytest.mark.parametrize("how", ["none", "HS256", "another key"])
def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(app, provider, engine, how):
    if how == "another key":
        provider.signs_with = RSAKey.generate_key(2048, parameters={"kid": "first"})
    else:
        provider.algorithm = how
    assert log_in(app, provider).answer.status_code == 403
    assert people(engine) == []


def test_a_new_key_of_the_provider_is_fetched(app, provider, engine, monkeypatch):
    monkeypatch.setattr("monitor.hub.people.single_sign_on.MIN_REFETCH_S", -1.0)
    log_in(app, provider)
    provider.replace_key()
    assert log_in(app, provider).answer.status_code == 200


def test_an_answer_belongs_to_the_browser_that_asked_and_works_once(app, provider, engine):
    browser, address = begin(app)
    back = provider.approve(address)
    stranger = app.test_client()
    assert stranger.get(back).status_code == 400
    other, _ = begin(app)
    assert other.get(back).status_code == 403
    assert people(engine) == []
    kept = browser.get_cookie("ad_monitor_hub_flow").value
    assert browser.get(back).status_code == 200
    assert browser.get(back).status_code == 400
    browser.set_cookie("ad_monitor_hub_flow", kept)
    assert browser.get(back).status_code == 403, "the provider takes no code twice"
    browser.set_cookie("ad_monitor_hub_flow", kept[:-2] + "xx")
    assert browser.get(back).status_code == 400


@pytest.mark.parametrize("added", ["&iss=https://evil.example", "&error=access_denied"])
def test_what_the_browser_brings_is_checked(app, provider, engine, added):
    browser, address = begin(app)
    back = provider.approve(address).replace("&iss=", "&old=") + added
    assert browser.get(back).status_code == 403
    assert people(engine) == []


@pytest.mark.parametrize(
    "facts",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://evil.example/auth"},
        {"authorization_endpoint": None},
    ],
)
def test_a_provider_that_is_not_as_expected_is_not_used(app, provider, facts):
    provider.facts = facts
    answer = app.test_client().get(BEGIN)
    assert (answer.status_code, answer.location) == (503, None)


@pytest.mark.parametrize("path", ["/elsewhere", "/huge"])
def test_redirects_and_huge_answers_are_refused(app, provider, engine, path):
    provider.facts = {"jwks_uri": provider.issuer.replace("/realms/shop", path)}
    refused = log_in(app, provider)
    assert refused.answer.status_code == 403
    assert "cannot be used now" in refused.answer.text


def test_a_provider_that_is_away_leaves_the_local_accounts(app, provider, engine):
    provider.close()
    app.extensions[PROVIDER][0]._facts = None
    assert app.test_client().get(BEGIN).status_code == 503
    page = app.test_client().get("/login")
    assert page.status_code == 200
    assert BEGIN in page.text


def test_logging_out_leads_to_the_providers_logout(app, provider, engine):
    browser = log_in(app, provider)
    answer = browser.post("/logout", headers={"Origin": "http://localhost"})
    page = browser.get(answer.location).text
    assert f"{provider.issuer}/logout?client_id={CLIENT}" in page
    assert browser.get("/account").status_code == 401


def test_a_hub_without_one_offers_none(tmp_path):
    app = create_hub_app(HubSettings(database=str(tmp_path / "other.db")))
    assert app.test_client().get(BEGIN).status_code == 404
    assert BEGIN not in app.test_client().get("/login").text
    close_app(app)


@pytest.mark.parametrize("text", ["admins", "=admin", "x=king", "x=agency"])
def test_groups_are_checked(text):
    with pytest.raises(ValueError, match="GROUP=ROLE"):
        HubSettings(oidc_groups=(text,))
    assert set(ROLES) - {"agency"} == {
        HubSettings(oidc_groups=(f"a=b={role}",)).oidc_groups[0].rpartition("=")[2]
        for role in ROLES
        if role != "agency"
    }
