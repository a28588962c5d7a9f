"""The page that classifies a picture; all of it works without a script."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template, request

from monitor.languages import lazy
from monitor.web.api.sent_pictures import picture_at, picture_in, show
from monitor.web.request.problems import ProblemError
from monitor.web.request.rights import READERS, requires
from monitor.web.services import services

blueprint = Blueprint("classify", __name__)


@blueprint.get("/")
def form() -> str:
    """The empty form."""
    return render_template("classify.html", picture=None, problem=None, url="")


@blueprint.post("/")
@requires(*READERS, scope="read")
def classify() -> Response:
    """The form, and above it the picture with its faces or what is wrong with it."""
    url = request.form.get("url", "").strip()
    file = request.files.get("image")
    try:
        with services().pictures.taken():
            if file is not None and file.filename:
                found = picture_in(file)
            elif url:
                found = picture_at(url)
            else:
                raise ProblemError(
                    400, "no_picture", lazy("Give the address of a picture, or choose a file.")
                )
    except ProblemError as problem:
        page = render_template("classify.html", picture=None, problem=problem, url=url)
        return make_response(page, problem.status, problem.headers())
    return make_response(
        render_template("classify.html", picture=show(found), problem=None, url=url)
    )
