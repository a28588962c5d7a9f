"""Reports that people put together."""

from tests.helpers.hub_routes.table import ADMINS, OPEN, get, post

KEEPERS = ADMINS | {"editor", "approver", "operator"}

ROUTES = [
    get("/reports"),
    get("/reports/figures"),
    get("/reports/figures.csv"),
    get("/reports/whole"),
    get("/reports/whole.{ending}"),
    post("/reports", KEEPERS, "reports"),
    post("/reports/share", KEEPERS, "reports"),
    post("/reports/{uid}/delete", KEEPERS, "reports"),
    post("/reports/{uid}/send", KEEPERS, "reports"),
    post("/reports/links/{uid}/revoke", KEEPERS, "reports"),
    get("/shared/{token}", OPEN),
]
