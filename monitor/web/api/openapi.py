"""The description of the API (OpenAPI 3.1), made from the models that its answers go through."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from monitor.analytics.measures import MEASURES
from monitor.version import VERSION
from monitor.web.api import schemas
from monitor.web.request.problems import API_PREFIX

if TYPE_CHECKING:
    from pydantic import BaseModel

PICTURE = "picture"

_SCHEMAS = "#/components/schemas/"
_BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}
_EMPTY = {
    202: "Not yet: ask again after `Retry-After`.",
    304: "Nothing has changed since the answer with the `ETag` that was sent.",
}


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call of the API.

    Attributes:
        method: `get` or `post`.
        name: Its stable name.
        answer: The model of its answer; `None` for a document that is described elsewhere.
        problems: The statuses with which it can fail, and when, besides `EVERYWHERE`.
        parameters: As OpenAPI describes them.
        kind: Content type of the answer.
        examples: How to call it, with curl; `$SERVER` stands for the server's address.
        sends: The model of what is sent, or the type of content that `about` describes; `PICTURE`
            for a picture in any form.
        key: `token`, `kiosk` for the key of a kiosk, or empty for none.
        status: That of success.
        others: Further statuses that are no problem, each with the same answer and what it means,
            or without an answer.
    """

    method: str
    path: str
    name: str
    summary: str
    about: str
    answer: type[BaseModel] | None
    problems: dict[int, str] = field(default_factory=dict)
    parameters: tuple[dict[str, Any], ...] = ()
    kind: str = "application/json"
    examples: tuple[str, ...] = ()
    sends: type[BaseModel] | str | None = None
    key: str = "token"
    status: int = 200
    others: dict[int, str | None] = field(default_factory=dict)


def parameter(where: str, name: str, about: str, *, required: bool = False, **schema: Any) -> Any:
    """Return a parameter as OpenAPI describes it; the keywords are its JSON schema."""
    found = {"name": name, "in": where, "description": about, "schema": schema}
    return found | ({"required": True} if required else {})


_SESSION = parameter(
    "path", "session_id", "Id of the session.", required=True, type="integer", minimum=1
)
_TWO_IDS: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "minItems": 2}
_NAMES: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_OF_SCREENS = (
    parameter("query", "group", "Group of a hub's screens; may be repeated.", **_NAMES),
    parameter("query", "tag", "Tag of a hub's screens; may be repeated.", **_NAMES),
)
_MEASURE: dict[str, Any] = {"type": "string", "enum": list(MEASURES), "default": "valence"}
_NO_DATABASE = {503: "There is no database."}

CALLS = (
    Call(
        "post",
        f"{API_PREFIX}classify",
        "classify",
        "Classify the faces of a picture",
        "Send the address of a picture as JSON, a form with a file in the field `image`, or the "
        "bytes of a picture. The answer has the keys of `ad-monitor classify --json`. Nothing is "
        "kept.",
        schemas.Classified,
        {
            400: "There is no picture in the request, or it cannot be understood.",
            413: "The picture is too large.",
            415: "This kind of content cannot be read.",
            422: "The picture cannot be fetched, or is none.",
            503: "Too many pictures are waiting; `Retry-After` says when to try again.",
        },
        examples=(
            "curl -H 'Content-Type: application/json' "
            '-d \'{"url": "https://example.org/faces.jpg"}\' '
            f"$SERVER{API_PREFIX}classify",
            f"curl -F image=@faces.jpg $SERVER{API_PREFIX}classify",
            "curl -H 'Content-Type: image/jpeg' --data-binary @faces.jpg "
            f"$SERVER{API_PREFIX}classify",
        ),
        sends=PICTURE,
    ),
    Call(
        "get",
        f"{API_PREFIX}sessions",
        "sessions",
        "List the sessions",
        "Latest first, 25 on a page.",
        schemas.Sessions,
        {400: "The page is not a number.", 404: "There is no such page."} | _NO_DATABASE,
        (
            parameter("query", "site", "Part of the site's name, in any case.", **_NAMES),
            *_OF_SCREENS,
            parameter("query", "page", "Page, from 1.", type="integer", minimum=1, default=1),
        ),
        examples=(f"curl '$SERVER{API_PREFIX}sessions?site=foyer'",),
    ),
    Call(
        "get",
        f"{API_PREFIX}sessions/{{session_id}}/report",
        "report",
        "The report of a session",
        "As `ad-monitor report --format json` writes it.",
        schemas.Report,
        {404: "There is no such session."} | _NO_DATABASE,
        (_SESSION,),
        examples=(f"curl $SERVER{API_PREFIX}sessions/1/report",),
    ),
    Call(
        "get",
        "/sessions/{session_id}/events",
        "events",
        "Follow a running session",
        "Server-sent events: one JSON document a second, until the session is over. 204 for a "
        "finished one.",
        schemas.Live,
        {404: "There is no such session.", 503: "Too many are listening, or there is no database."},
        (_SESSION,),
        "text/event-stream",
        ("curl -N -H 'Accept: text/event-stream' $SERVER/sessions/1/events",),
    ),
    Call(
        "get",
        f"{API_PREFIX}compare",
        "compare",
        "Compare ads",
        "Every pair of the named ads: how much one is better, and how sure that is.",
        schemas.Compared,
        {
            400: "Fewer than two ads were named, or the measure is unknown.",
            404: "There is no such ad.",
        }
        | _NO_DATABASE,
        (
            parameter("query", "ad", "Id of an ad; at least two.", required=True, **_TWO_IDS),
            parameter("query", "measure", "What the ads are compared by.", **_MEASURE),
            parameter("query", "site", "Only sessions at this site; may be repeated.", **_NAMES),
            *_OF_SCREENS,
        ),
        examples=(f"curl '$SERVER{API_PREFIX}compare?ad=summer&ad=winter'",),
    ),
    Call(
        "get",
        f"{API_PREFIX}health",
        "health",
        "Is it working?",
        "For monitoring. 503 with the same document where the classifier is broken.",
        schemas.Health,
        examples=(f"curl $SERVER{API_PREFIX}health",),
    ),
    Call(
        "get",
        f"{API_PREFIX}openapi.json",
        "openapi",
        "This description",
        "OpenAPI 3.1.",
        None,
        examples=(f"curl $SERVER{API_PREFIX}openapi.json",),
    ),
)
"""All calls, in the order of the page."""

EVERYWHERE = {
    401: "A token is needed: send it as `Authorization: Bearer TOKEN`.",
    403: "The server's name or the request's origin is not one that is allowed.",
    429: "Too many requests; `Retry-After` says when to try again.",
}
"""How every call can fail."""


@cache
def description(calls: tuple[Call, ...] = CALLS) -> dict[str, Any]:
    """Return the whole description of these calls."""
    models: list[type[BaseModel]] = [schemas.PictureAddress, schemas.ProblemDocument]
    models += [call.answer for call in calls if call.answer is not None]
    models += [call.sends for call in calls if isinstance(call.sends, type)]
    _, found = models_json_schema(
        [(model, "serialization") for model in models], ref_template=_SCHEMAS + "{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ad reaction monitor",
            "version": VERSION,
            "description": "Classify the faces of pictures, and read what was measured in front of "
            "ad screens.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "paths": paths,
        "components": {
            "schemas": found["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Only where the server was given a token. A hub also takes "
                    "a key that somebody made for a program on the page of their account: it does "
                    "what it was made for (`read`, `reports`, `library`, `screens`), and never "
                    "more than its owner may.",
                },
                "kiosk": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The key that a kiosk got when it joined a hub.",
                },
            },
        },
        "security": [{"token": []}, {}],
    }


def _operation(call: Call) -> dict[str, Any]:
    answer = _BINARY if call.kind == _BINARY["contentMediaType"] else {"type": "object"}
    if call.answer is not None:
        answer = _reference(call.answer)
    success = f"{call.summary.rstrip('?')}."
    responses: dict[str, Any] = {str(call.status): _response(success, call.kind, answer)}
    if call.status == 204:
        responses["204"] = {"description": success}
    for status, meaning in call.others.items():
        if meaning is None:
            responses[str(status)] = {"description": _EMPTY[status]}
        else:
            responses[str(status)] = _response(meaning, call.kind, answer)
    everywhere = EVERYWHERE if call.key == "token" else {}
    for status, why in sorted((everywhere | call.problems).items()):
        problem = _reference(schemas.ProblemDocument)
        responses[str(status)] = _response(why, "application/problem+json", problem)
    if call.name == "events":
        responses["204"] = {"description": "The session is over."}
    if call.name == "health":
        responses["503"] = _response("The classifier is broken.", call.kind, answer)
    operation: dict[str, Any] = {
        "operationId": call.name,
        "summary": call.summary,
        "description": call.about,
        "responses": responses,
    }
    if call.parameters:
        operation["parameters"] = list(call.parameters)
    if call.key != "token":
        operation["security"] = [{call.key: []}] if call.key else []
    if call.sends is not None:
        operation["requestBody"] = {"required": True, "content": _content(call.sends)}
    return operation


def _content(sends: type[BaseModel] | str) -> dict[str, Any]:
    if sends == PICTURE:
        form = {"type": "object", "required": ["image"], "properties": {"image": _BINARY}}
        return {
            "application/json": {"schema": _reference(schemas.PictureAddress)},
            "multipart/form-data": {"schema": form},
            "image/*": {"schema": _BINARY},
        }
    if isinstance(sends, str):
        return {sends: {"schema": _BINARY}}
    return {"application/json": {"schema": _reference(sends)}}


def _reference(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _SCHEMAS + model.__name__}


def _response(description: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": schema}}}
