"""The description of the interface for programs (OpenAPI 3.1), made from the models that its answers go through."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from monitor.analytics.comparison import MEASURES
from monitor.version import VERSION
from monitor.web.problems import API_PREFIX
from monitor.web.schemas import (
    Classified,
    Compared,
    Health,
    Live,
    PictureAddress,
    ProblemDocument,
    Report,
    Sessions,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

SCHEMAS = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a call.

    Attributes:
        name: Its name.
        place: `path` or `query`.
        about: What it means.
        schema: What may be given.
        required: Whether it has to be given.
    """

    name: str
    place: str
    about: str
    schema: dict[str, Any]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the interface.

    Attributes:
        method: `get` or `post`.
        path: Below the server's address.
        name: Its stable name.
        summary: What it does, in a few words.
        about: What else there is to know.
        answer: The model of its answer; `None` for a document that is described elsewhere.
        kind: Content type of the answer.
        problems: The statuses with which it can fail, and when; those of every call left out.
        parameters: What can be asked for.
        examples: How to call it, with curl; `$SERVER` stands for the server's address.
    """

    method: str
    path: str
    name: str
    summary: str
    about: str
    answer: type[BaseModel] | None
    problems: dict[int, str] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    kind: str = "application/json"
    examples: tuple[str, ...] = ()


SESSION = Parameter(
    "session_id", "path", "Id of the session.", {"type": "integer", "minimum": 1}, required=True
)
NO_DATABASE = {503: "There is no database."}

CALLS = (
    Call(
        "post",
        f"{API_PREFIX}classify",
        "classify",
        "Classify the faces of a picture",
        "Send the address of a picture as JSON, a form with a file in the field `image`, or the bytes of a picture. The "
        "answer has the keys of `ad-monitor classify --json`. Nothing is kept.",
        Classified,
        {
            400: "There is no picture in the request, or it cannot be understood.",
            413: "The picture is too large.",
            415: "This kind of content cannot be read.",
            422: "The picture cannot be fetched, or is none.",
            503: "Too many pictures are waiting; `Retry-After` says when to try again.",
        },
        examples=(
            "curl -H 'Content-Type: application/json' -d '{\"url\": \"https://example.org/faces.jpg\"}' "
            f"$SERVER{API_PREFIX}classify",
            f"curl -F image=@faces.jpg $SERVER{API_PREFIX}classify",
            f"curl -H 'Content-Type: image/jpeg' --data-binary @faces.jpg $SERVER{API_PREFIX}classify",
        ),
    ),
    Call(
        "get",
        f"{API_PREFIX}sessions",
        "sessions",
        "List the sessions",
        "The latest recorded one first, 25 on a page.",
        Sessions,
        {400: "The page is no number.", 404: "There is no such page."} | NO_DATABASE,
        (
            Parameter("site", "query", "Part of the site's name, in any case.", {"type": "string"}),
            Parameter(
                "page",
                "query",
                "Which page, from 1.",
                {"type": "integer", "minimum": 1, "default": 1},
            ),
        ),
        examples=(f"curl '$SERVER{API_PREFIX}sessions?site=foyer'",),
    ),
    Call(
        "get",
        f"{API_PREFIX}sessions/{{session_id}}/report",
        "report",
        "The report of a session",
        "As `ad-monitor report --format json` writes it.",
        Report,
        {404: "There is no such session."} | NO_DATABASE,
        (SESSION,),
        examples=(f"curl $SERVER{API_PREFIX}sessions/1/report",),
    ),
    Call(
        "get",
        "/sessions/{session_id}/events",
        "events",
        "Follow a running session",
        "Server-sent events: one JSON document a second, until the session is over. 204 for one that is over already.",
        Live,
        {404: "There is no such session.", 503: "Too many are listening, or there is no database."},
        (SESSION,),
        "text/event-stream",
        ("curl -N -H 'Accept: text/event-stream' $SERVER/sessions/1/events",),
    ),
    Call(
        "get",
        f"{API_PREFIX}compare",
        "compare",
        "Compare ads",
        "Every pair of the ads that are named: how much one is better, and how sure that is.",
        Compared,
        {
            400: "Fewer than two ads were named, or the measure is unknown.",
            404: "There is no such ad.",
        }
        | NO_DATABASE,
        (
            Parameter(
                "ad",
                "query",
                "Id of an ad; at least two.",
                {"type": "array", "items": {"type": "string"}, "minItems": 2},
                required=True,
            ),
            Parameter(
                "measure",
                "query",
                "What they are compared by.",
                {"type": "string", "enum": list(MEASURES), "default": "valence"},
            ),
        ),
        examples=(f"curl '$SERVER{API_PREFIX}compare?ad=summer&ad=winter'",),
    ),
    Call(
        "get",
        f"{API_PREFIX}health",
        "health",
        "Is it working?",
        "For whoever watches over the server. 503 with the same document where the classifier is broken.",
        Health,
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
"""All calls, in the order in which the page lists them."""

EVERYWHERE = {
    401: "A token is needed: send it as `Authorization: Bearer TOKEN`.",
    403: "The server's name or the request's origin is not one that is allowed.",
    429: "Too many requests; `Retry-After` says when to try again.",
}
"""How every call can fail."""


@cache
def description() -> dict[str, Any]:
    """The whole description, as it goes into JSON."""
    models: list[type[BaseModel]] = [PictureAddress, ProblemDocument]
    models += [call.answer for call in CALLS if call.answer is not None]
    _, schemas = models_json_schema(
        [(model, "serialization") for model in models], ref_template=SCHEMAS + "{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ad reaction monitor",
            "version": VERSION,
            "description": "Classify the faces of pictures, and read what was measured in front of ad screens.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Only where the server was given a token.",
                }
            },
        },
        "security": [{"token": []}, {}],
    }


def _operation(call: Call) -> dict[str, Any]:
    answer: dict[str, Any] = (
        {"type": "object"} if call.answer is None else {"$ref": SCHEMAS + call.answer.__name__}
    )
    responses: dict[str, Any] = {
        "200": {"description": call.summary + ".", "content": {call.kind: {"schema": answer}}}
    }
    for status, why in sorted((call.problems | EVERYWHERE).items()):
        problem = {"schema": {"$ref": SCHEMAS + ProblemDocument.__name__}}
        responses[str(status)] = {
            "description": why,
            "content": {"application/problem+json": problem},
        }
    if call.name == "events":
        responses["204"] = {"description": "The session is over."}
    if call.name == "health":
        responses["503"] = {
            "description": "The classifier is broken.",
            "content": {call.kind: {"schema": answer}},
        }
    operation: dict[str, Any] = {
        "operationId": call.name,
        "summary": call.summary,
        "description": call.about,
        "responses": responses,
    }
    if call.parameters:
        operation["parameters"] = [
            {
                "name": p.name,
                "in": p.place,
                "description": p.about,
                "required": p.required,
                "schema": p.schema,
            }
            for p in call.parameters
        ]
    if call.method == "post":
        binary = {"type": "string", "contentMediaType": "application/octet-stream"}
        operation["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": SCHEMAS + PictureAddress.__name__}},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["image"],
                        "properties": {"image": binary},
                    }
                },
                "image/*": {"schema": binary},
            },
        }
    return operation
