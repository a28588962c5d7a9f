"""Logins, accounts and their administration, which no key for a program opens; agencies."""

from tests.helpers.hub_routes.table import ADMINS, EVERYBODY, OPEN, get, post

ACCOUNT, ADMIN = "/admin/accounts/{user_id}", "/admin"

ROUTES = [
    get("/", EVERYBODY),
    get("/my-ads", ADMINS | {"agency"}),
    get("/login", OPEN, None),
    post("/login", OPEN),
    get("/login/code", OPEN, None),
    post("/login/code", OPEN),
    get("/login/single-sign-on", OPEN, None),
    get("/login/single-sign-on/done", OPEN, None),
    post("/logout", EVERYBODY),
    get("/invitation", OPEN, None),
    post("/invitation", OPEN),
    get("/account", EVERYBODY, None),
    post("/account/details", EVERYBODY),
    post("/account/password", EVERYBODY),
    get("/account/second-factor", EVERYBODY, None),
    post("/account/second-factor", EVERYBODY),
    post("/account/second-factor/codes", EVERYBODY),
    post("/account/second-factor/remove", EVERYBODY),
    post("/account/logins/{login_id}/end", EVERYBODY),
    post("/account/logins/end-others", EVERYBODY),
    post("/account/keys", EVERYBODY),
    post("/account/keys/{key_id}/revoke", EVERYBODY),
    get(f"{ADMIN}/accounts", ADMINS, None),
    post(f"{ADMIN}/accounts", ADMINS),
    get(ACCOUNT, ADMINS, None),
    post(ACCOUNT, ADMINS),
    post(f"{ACCOUNT}/link", ADMINS),
    post(f"{ACCOUNT}/disable", ADMINS),
    post(f"{ACCOUNT}/second-factor/remove", ADMINS),
    post(f"{ACCOUNT}/logins/end", ADMINS),
    post(f"{ACCOUNT}/keys/{{key_id}}/revoke", ADMINS),
    get(f"{ADMIN}/logins", ADMINS, None),
    post(f"{ADMIN}/logins/{{login_id}}/end", ADMINS),
    get(f"{ADMIN}/audit", ADMINS, None),
    get(f"{ADMIN}/audit/log.{{ending}}", ADMINS, None),
]
