"""The reference of the HTTP API, from its OpenAPI description."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from monitor.web.api.hub_calls import HUB_CALLS
from monitor.web.api.openapi import CALLS, EVERYWHERE, description
from monitor.web.request.problems import TITLES
from tools.docs_site.routes import routes_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from monitor.web.api.openapi import Call

INTRODUCTION = """\
# HTTP API

All calls of `ad-monitor serve` and of a hub, with their parameters, answers and documents. A
server also describes them as OpenAPI 3.1 at `/api/v1/openapi.json`, and shows them on its page
`/api` with examples for that server. [The web page](../how-to/web.md#for-programs) says how to log
in and how much one visitor may ask for; [Ads on many screens](../how-to/hub/ads.md#library) says
how programs send files to a hub's library. Later versions may add keys to documents.
"""

PARTS = {
    "Calls of every server": CALLS,
    "Calls between kiosks and their hub": HUB_CALLS,
}


def http_api_page() -> str:
    """Return the page."""
    found = description((*CALLS, *HUB_CALLS))
    parts = [INTRODUCTION]
    for title, calls in PARTS.items():
        parts.append(f"\n## {title}\n\n| call | what it does |\n|---|---|\n")
        parts += [f"| [`{_name(one)}`](#call-{one.name}) | {one.summary} |\n" for one in calls]
        parts += [_call(one, found["paths"][one.path][one.method]) for one in calls]
    parts.append(routes_part())
    parts.append("\n## Every call\n\n")
    parts.append(_table(("status", "when"), EVERYWHERE.items()))
    parts.append("\n## Documents\n")
    parts += [_document(name, one) for name, one in sorted(found["components"]["schemas"].items())]
    parts.append("\n## Codes of errors\n\nThe key `code` of a problem document; it is stable.\n\n")
    parts.append(
        _table(("code", "meaning"), ((f"`{code}`", text) for code, text in TITLES.items()))
    )
    return "".join(parts)


def _name(call: Call) -> str:
    return f"{call.method.upper()} {call.path}"


def _call(call: Call, operation: Mapping[str, Any]) -> str:
    lines = [f"\n### `{_name(call)}` {{ #call-{call.name} }}\n\n{_text(call.about)}\n"]
    if call.key == "kiosk":
        lines.append("\nNeeds the key of a kiosk.\n")
    if "parameters" in operation:
        rows = (
            (
                f"`{one['name']}`",
                one["in"] + (", required" if one.get("required") else ""),
                _kind(one["schema"]),
                one["description"],
            )
            for one in operation["parameters"]
        )
        lines.append("\n" + _table(("parameter", "where", "type", "meaning"), rows))
    if "requestBody" in operation:
        kinds = operation["requestBody"]["content"].items()
        sent = ", ".join(f"`{kind}` ({_kind(one['schema'])})" for kind, one in kinds)
        lines.append(f"\nSends {sent}.\n")
    answers = []
    for status, answer in sorted(operation["responses"].items()):
        if int(status) not in EVERYWHERE or int(status) in call.problems:
            bodies = answer.get("content", {}).items()
            body = ", ".join(f"`{kind}` ({_kind(one['schema'])})" for kind, one in bodies)
            answers.append((status, answer["description"], body))
    lines.append("\n" + _table(("status", "meaning", "content"), answers))
    if call.examples:
        shown = "\n".join(call.examples).replace("$SERVER", "http://localhost:8080")
        lines.append(f"\n```bash\n{shown}\n```\n")
    return "".join(lines)


def _document(name: str, schema: Mapping[str, Any]) -> str:
    about = _text(schema.get("description", ""))
    needed = schema.get("required", ())
    rows = (
        (f"`{key}`", _kind(one), "yes" if key in needed else "", one.get("description", ""))
        for key, one in schema.get("properties", {}).items()
    )
    table = _table(("key", "type", "always", "is"), rows)
    values = "".join(f"- `{one}`\n" for one in schema.get("enum", ()))
    body = table if schema.get("properties") else values
    return f"\n### {name} {{ #document-{name.lower()} }}\n\n{about}\n\n{body}"


def _kind(schema: Mapping[str, Any]) -> str:
    """Say in a few words what a JSON schema takes; documents are links."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#document-{name.lower()})"
    if either := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(_kind(one) for one in either)
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return ", ".join(f"`{json.dumps(one)}`" for one in values)
    kind = "bytes" if "contentMediaType" in schema else schema.get("type", "anything")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    inner = schema.get("additionalProperties")
    return f"object of {_kind(inner)}" if isinstance(inner, dict) else kind


def _table(heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"]
    lines += [f"| {' | '.join(_text(str(cell)) for cell in row)} |\n" for row in rows]
    return "".join(lines)


def _text(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
