"""`hub channel`: adding and testing a channel, as typed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from db.engine import open_database, writing
from db.hub.alerts.channels import add_channel, find_channel
from db.hub.alerts.deliveries import delivery_log
from monitor.cli.main import cli
from monitor.cli.shared.errors import is_callers_mistake
from tests.helpers.webhook_receiver import receiver


@pytest.fixture
def engine(tmp_path):
    engine = open_database(str(tmp_path / "hub.db"))
    yield engine
    engine.dispose()


@pytest.fixture
def run(tmp_path, engine):
    def invoke(*arguments, typed=None):
        named = ["--db", str(engine.url.database), "--allow-network", "127.0.0.0/8"]
        return CliRunner().invoke(cli, ["hub", "channel", *arguments, *named], input=typed)

    return invoke


def test_a_channel_is_added_and_tested(run, engine):
    with receiver() as (url, received):
        hours = ("--quiet-hours", "22:00-07:00", "--time-zone", "Europe/Berlin")
        added = run("add", "night", f"{url}/secret", "--alerts", "disk", *hours)
        assert added.exit_code == 0, added.output
        assert "hub channel test night" in added.stderr
        tested = run("test", "night")
    assert tested.exit_code == 0, tested.output
    with engine.connect() as connection:
        channel = find_channel(connection, "night")
        [logged], _ = delivery_log(connection)
    assert added.stdout == f"{channel.secret}\n"
    assert (channel.quiet_hours, channel.alert_kinds) == (("22:00-07:00",), ("disk",))
    [(headers, body)] = received
    assert json.loads(body)["event"] == "test"
    assert headers["webhook-id"] == logged.event


def test_channels_are_listed_without_their_secrets(engine):
    def listed():
        named = ["--db", str(engine.url.database)]
        return CliRunner().invoke(cli, ["hub", "channel", "list", *named])

    assert "There is no channel yet" in listed().stderr
    with writing(engine) as connection:
        values = {"url": "https://example.org/secret", "secret": "whsec_c2VjcmV0"}
        now = datetime.now(UTC)
        add_channel(connection, now, name="desk", kind="webhook", **values)
    assert listed().stdout == "desk: https://example.org/…; all alerts\n"


def test_an_unknown_channel_is_the_callers_mistake(run):
    error = run("test", "night").exception
    assert "There is no channel 'night'" in str(error)
    assert is_callers_mistake(error)


def test_an_address_can_be_typed_where_nobody_sees_it(run, engine):
    assert run("add", "night", "-", typed="http://127.0.0.1:9/hook\n").exit_code == 0
    with engine.connect() as connection:
        assert find_channel(connection, "night").url == "http://127.0.0.1:9/hook"


def test_a_test_that_does_not_arrive_fails(run):
    with receiver(503) as (url, _):
        run("add", "night", url)
        tested = run("test", "night")
    assert tested.exit_code == 1
    assert "status 503" in str(tested.exception)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("add", "x", "nothing://y"), "no address of Apprise"),
        (("add", "x", "anna@example.com"), "mailto://anna:PASSWORD@example.com"),
        (("add", "x", "http://10.0.0.1/hook"), "for `hub serve` and for `hub channel`"),
        (("add", "x", "http://127.0.0.1/", "--alerts", "rain"), "'silent', 'camera'"),
        (("add", "x", "http://127.0.0.1/", "--quiet-hours", "late"), "08:00-12:00"),
        (("add", "x", "http://127.0.0.1/", "--time-zone", "Mars"), "Europe/Berlin"),
    ],
)
@pytest.mark.logs_errors  # Apprise does, to a log that is not shown.
def test_what_cannot_be_used_is_said(run, arguments, expected):
    pytest.importorskip("apprise", reason="needs Apprise: install the extra hub")
    done = run(*arguments)
    assert done.exit_code == 2
    assert expected in " ".join(done.stderr.split())
