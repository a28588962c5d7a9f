"""Everything that users and programs can name is found in the reference."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from monitor.cli.main import cli
from monitor.cli.shared.errors import callers_mistakes, known_failures
from monitor.cli.shared.options import STATUSES
from monitor.settings.sources import all_settings
from monitor.web.api.hub_calls import HUB_CALLS
from monitor.web.api.openapi import CALLS, description
from monitor.web.request.problems import TITLES
from tests.helpers.hub_routes import table
from tests.helpers.hub_routes.table import all_routes
from tools.docs_site import commands
from tools.docs_site.commands import UndocumentedError, all_commands, commands_page
from tools.docs_site.exit_statuses import exit_statuses_page
from tools.docs_site.http_api import http_api_page

DOCS = Path(__file__).parents[4] / "docs"


@pytest.fixture(scope="module")
def command_sections():
    parts = re.split(r"^## `([^`]+)` \{ #[\w-]+ \}$", commands_page(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.fixture(scope="module")
def http_api():
    return http_api_page()


def leaves(command, name, context):
    """Yield the commands below one, found by Click's own ways."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    for part in command.list_commands(context):
        yield from leaves(command.get_command(context, part), f"{name} {part}", context)


def test_every_command_and_option_is_in_the_reference(command_sections):
    found = list(leaves(cli, "ad-monitor", click.Context(cli)))
    assert len(found) > 40
    for name, command in found:
        section = command_sections[name]
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("-") and not getattr(parameter, "hidden", False):
                    assert re.search(rf"^\| `[^`]*{re.escape(option)}\b", section, re.MULTILINE), (
                        f"{name} {option}"
                    )


@pytest.mark.parametrize(
    ("command", "lacks"),
    [
        (click.Command("new", epilog="Example: new"), "no help"),
        (click.Command("new", help="New."), "no example"),
        (
            click.Command("new", help="New.", epilog="x", params=[click.Option(["--bare"])]),
            "--bare",
        ),
    ],
)
def test_what_is_not_documented_fails(monkeypatch, command, lacks):
    monkeypatch.setattr(commands, "all_commands", lambda: iter([("ad-monitor new", command)]))
    with pytest.raises(UndocumentedError, match=lacks):
        commands_page()


def test_every_setting_is_in_the_reference():
    page = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    for key, setting in all_settings().items():
        names = [key, setting.variable, *([setting.option] if setting.option else [])]
        assert all(f"`{name}`" in page for name in names), key


def test_every_exit_status_and_error_is_in_the_reference():
    page = exit_statuses_page()
    assert re.findall(r"^\| (\d) \|", page, re.MULTILINE) == [str(one) for one in STATUSES]
    for error in (*callers_mistakes(), *known_failures()):
        base = str(error.__doc__).startswith("Base")
        assert base or f"(`{error.__name__}`)" in page


def test_every_call_of_the_api_is_in_the_reference(http_api):
    for call in (*CALLS, *HUB_CALLS):
        assert f"### `{call.method.upper()} {call.path}`" in http_api


def test_every_route_is_in_the_reference_with_its_rights(http_api):
    found = re.findall(
        r"^\| `([A-Z]+) (/\S*)` \| ([\w, ]+) \| (`\w+`)? *\|", http_api, re.MULTILINE
    )
    shown = {(method, path): (roles, scope.strip("`")) for method, path, roles, scope in found}
    unnamed = re.compile(r"/api/v1/(\{rest\})?$|/static/|/favicon")
    for route in all_routes():
        if unnamed.match(route.path):
            continue
        roles, scope = shown[route.method, route.path]
        if route.roles == table.OPEN:
            assert roles in {"no login", "kiosks"}
        else:
            assert {*roles.split(", "), "admin"} == route.roles, route.path
            assert scope == (route.scope or ""), route.path


def test_every_key_parameter_and_code_of_the_api_is_in_the_reference(http_api):
    found = description((*CALLS, *HUB_CALLS))
    for name, schema in found["components"]["schemas"].items():
        section = http_api.partition(f"### {name} {{")[2].partition("\n### ")[0]
        for key in schema.get("properties", {}):
            assert f"| `{key}` |" in section, f"{name}.{key}"
    for operation in (one for path in found["paths"].values() for one in path.values()):
        for parameter in operation.get("parameters", ()):
            assert f"| `{parameter['name']}` |" in http_api
    assert all(f"| `{code}` |" in http_api for code in TITLES)


def test_links_within_a_page_lead_somewhere(http_api):
    for page in (commands_page(), http_api):
        anchors = set(re.findall(r"\{ #([\w-]+) \}", page))
        assert set(re.findall(r"\]\(#([\w-]+)\)", page)) <= anchors


def test_help_explains_what_it_lists():
    for name, command in all_commands():
        options = command.get_help(click.Context(command, info_name=name)).partition("ptions:\n")[2]
        assert "RANGE" not in options, name
        assert re.search(r"^  \[?[A-Z|]+\]?$", options, re.MULTILINE) is None, name
