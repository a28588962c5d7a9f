"""What a hub answers to kiosks that send envelopes, and what it stores."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import zstandard
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from sqlalchemy import func, select, update

from db.engine import writing
from db.hub.tables.intake import SetAside
from db.hub.tables.screens import KioskKey, ScreenState
from db.schema import Exposure, Play
from db.transfer.envelope import MAX_BYTES, digest, pack
from monitor.settings.models import HubSettings
from monitor.uplink.messages import HUB_API
from monitor.web.api.hub_calls import HUB_CALLS
from monitor.web.api.openapi import description
from monitor.web.app import close_app
from monitor.web.hub_app import create_hub_app
from monitor.web.services import HubServices
from tests.helpers.simulated_kiosks import PATH, SimulatedKiosk


@pytest.fixture
def kiosk(here: HubServices) -> SimulatedKiosk:
    kiosk = SimulatedKiosk(1)
    kiosk.join(here.engine)
    kiosk.play(2)
    return kiosk


def send(hub: FlaskClient, kiosk: SimulatedKiosk, packed: bytes, **headers: str) -> Any:
    return hub.post(PATH, data=packed, headers=kiosk.headers(packed) | headers)


def packed_json(document: Any) -> bytes:
    return zstandard.compress(json.dumps(document).encode())


def count(here: HubServices, table: Any) -> int:
    with here.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_what_arrives_is_stored_once(hub, here, kiosk):
    packed = pack(kiosk.envelope())
    for _ in range(2):
        answer = send(hub, kiosk, packed)
        assert answer.status_code == 200
        expected = {"watermark": 3, "expected": 4, "time": "", "desired": None}
        assert answer.json | {"time": ""} == expected
        assert (
            abs(datetime.fromisoformat(answer.json["time"]) - datetime.now(UTC)).total_seconds()
            < 300
        )
    assert (count(here, Play), count(here, Exposure)) == (2, 6)
    with here.engine.connect() as connection:
        state = connection.execute(select(ScreenState.__table__)).one()
        seen = connection.scalars(select(KioskKey.last_seen_at)).one()
    assert state.health["state"] == "running"
    assert seen is not None


def test_an_envelope_without_records_carries_health_alone(hub, here, kiosk):
    assert send(hub, kiosk, pack(kiosk.envelope(0))).json["watermark"] == 0
    assert (count(here, ScreenState), count(here, Play)) == (1, 0)


def test_wrong_health_does_not_hold_up_the_records(hub, here, kiosk):
    answer = send(hub, kiosk, pack(kiosk.envelope(health={"at": "yesterday"})))
    assert answer.json["watermark"] == 3
    assert (count(here, ScreenState), count(here, SetAside)) == (0, 0)


def test_a_hole_asks_for_what_is_missing(hub, here, kiosk):
    whole = kiosk.envelope()
    late = whole.model_copy(update={"records": whole.records[1:], "first": 2})
    answer = send(hub, kiosk, pack(late))
    assert (answer.status_code, answer.json["expected"]) == (409, 1)
    assert (count(here, Play), count(here, ScreenState)) == (0, 1)
    assert send(hub, kiosk, pack(whole)).status_code == 200


def test_a_damaged_envelope_is_asked_for_again(hub, here, kiosk):
    packed = pack(kiosk.envelope())
    damaged = packed[:-1] + bytes([packed[-1] ^ 1])
    answer = send(hub, kiosk, damaged, **{"Content-Digest": digest(packed)})
    assert (answer.status_code, answer.json["code"]) == (400, "damaged")
    assert count(here, Play) == count(here, SetAside) == 0


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda document: document["records"][1].pop("row"), "Record 2 cannot be stored"),
        (lambda document: document["records"].__setitem__(2, "x"), "Invalid records.2"),
        (lambda document: document.update(more=1), "Invalid more"),
    ],
)
def test_a_poisoned_envelope_is_set_aside(hub, here, kiosk, spoil, reason):
    document = kiosk.envelope().model_dump(mode="json")
    spoil(document)
    packed = packed_json(document)
    answer = send(hub, kiosk, packed)
    assert (answer.status_code, answer.json["watermark"]) == (200, 3)
    assert count(here, Play) == 0
    with here.engine.connect() as connection:
        kept = connection.execute(select(SetAside.__table__)).one()
    assert (kept.first, kept.last, kept.envelope) == (1, 3, packed)
    assert kept.reason.startswith(reason)
    kiosk.confirm(3)
    kiosk.play()
    assert send(hub, kiosk, pack(kiosk.envelope())).status_code == 200


@pytest.mark.parametrize(
    "packed",
    [b"", b"not zstd", packed_json([]), packed_json({"version": 2}), zstandard.compress(b"{")],
)
def test_what_names_no_records_is_refused(hub, here, kiosk, packed):
    answer = send(hub, kiosk, packed)
    assert (answer.status_code, answer.json["code"]) == (400, "not_an_envelope")
    assert count(here, SetAside) == 0


def test_a_kiosk_speaks_for_itself_alone(hub, here, kiosk):
    other = SimulatedKiosk(2)
    other.join(here.engine, "Exit")
    stolen = pack(other.envelope())
    answer = send(hub, kiosk, stolen)
    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert count(here, ScreenState) == 0


@pytest.mark.parametrize("key", ["", "x" * 43, "\N{SNOWMAN}"])
def test_an_unknown_key_gets_nothing_in(hub, here, kiosk, key):
    packed = pack(kiosk.envelope())
    answer = send(hub, kiosk, packed, Authorization=f"Bearer {key}".encode().decode("latin-1"))
    assert (answer.status_code, answer.json["code"]) == (401, "login_needed")
    assert "ad-monitor join" in answer.json["detail"]
    without = {name: value for name, value in kiosk.headers(packed).items() if name[0] != "A"}
    assert hub.post(PATH, data=packed, headers=without).status_code == 401
    assert count(here, ScreenState) == 0


def test_a_revoked_key_gets_nothing_in(hub, here, kiosk):
    with writing(here.engine) as connection:
        connection.execute(update(KioskKey).values(revoked_at=datetime.now(UTC)))
    assert send(hub, kiosk, pack(kiosk.envelope())).status_code == 401
    assert count(here, ScreenState) == 0


def test_a_kiosk_newer_than_the_hub_keeps_its_records(hub, here, kiosk):
    answer = send(hub, kiosk, pack(kiosk.envelope(revision="9999")))
    assert (answer.status_code, answer.json["code"]) == (503, "hub_too_old")
    assert int(answer.headers["Retry-After"]) > 0
    assert count(here, SetAside) == 0


def test_other_kinds_of_content_are_refused(hub, kiosk):
    packed = pack(kiosk.envelope())
    assert send(hub, kiosk, packed, **{"Content-Encoding": "gzip"}).status_code == 415
    assert send(hub, kiosk, packed, **{"Content-Type": "text/plain"}).status_code == 415
    assert send(hub, kiosk, b"x" * (MAX_BYTES + 1)).status_code == 413


def test_a_database_that_is_away_answers_try_again(hub, here, kiosk, tmp_path):
    with writing(here.engine):  # Nobody else can write meanwhile.
        answer = send(hub, kiosk, pack(kiosk.envelope()))
    assert (answer.status_code, answer.json["code"]) == (503, "database_away")
    assert int(answer.headers["Retry-After"]) > 0
    assert send(hub, kiosk, pack(kiosk.envelope())).status_code == 200


def test_one_envelope_of_a_kiosk_at_a_time(hub, here, kiosk):
    with here.intake.taken(kiosk.kiosk):
        answer = send(hub, kiosk, pack(kiosk.envelope()))
    assert answer.status_code == 429
    assert send(hub, kiosk, pack(kiosk.envelope())).status_code == 200


def test_when_the_hub_stops_a_kiosk_tries_again(hub, here, kiosk):
    here.committer.close()
    answer = send(hub, kiosk, pack(kiosk.envelope()))
    assert (answer.status_code, answer.json["code"]) == (503, "busy")


def test_the_description_has_every_call_of_kiosks(tmp_path):
    token = "a-token-of-some-length"  # noqa: S105 (of this test only)
    app = create_hub_app(HubSettings(database=str(tmp_path / "hub.db"), token=token))
    try:
        client, program = app.test_client(), {"Authorization": f"Bearer {token}"}
        document = client.get("/api/v1/openapi.json", headers=program).json
        page = client.get("/api", headers=program).text
        rules = {
            re.sub(r"<[^<>]*?(\w+)>", r"{\1}", rule.rule)
            for rule in app.url_map.iter_rules()
            if rule.rule.startswith(HUB_API)
        }
    finally:
        close_app(app)
    validate(document)
    assert rules == {path for path in document["paths"] if path.startswith(HUB_API)}
    assert document["paths"][PATH]["post"]["security"] == [{"kiosk": []}]
    assert document["paths"][f"{HUB_API}join"]["post"]["security"] == []
    assert {"200", "400", "401", "403", "409", "413", "415", "429", "503"} == set(
        document["paths"][PATH]["post"]["responses"]
    )
    for call in HUB_CALLS:
        assert f'id="{call.name}"' in page
    assert "`" not in page
    assert not any(path.startswith(HUB_API) for path in description()["paths"])


def of_kind(document: Any, kind: str) -> Any:
    return next(one for one in document["records"] if one["kind"] == kind)


def set_sum(document: Any, value: Any) -> None:
    table = of_kind(document, "play")["exposures"]
    place = table["columns"].index("sum_happy")
    for row in table["rows"]:
        row[place] = value


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: set_sum(document, float("nan")),
        lambda document: set_sum(document, float("inf")),
        lambda document: set_sum(document, 1e300),
        lambda document: set_sum(document, "1"),
        lambda document: of_kind(document, "session")["row"].update(settings="x"),
        lambda document: of_kind(document, "session")["row"].update(settings={"campaign": ["x"]}),
        lambda document: of_kind(document, "session")["row"].update(settings={"skipped_ads": [1]}),
        lambda document: of_kind(document, "session")["row"].update(
            settings={"readings_per_second": "x"}
        ),
        lambda document: of_kind(document, "session")["row"].update(
            started_at="0001-01-01T00:00:00+00:00"
        ),
        lambda document: of_kind(document, "session").update(session=10**30),
        lambda document: of_kind(document, "play")["ad"].update(duration_ms=10**9),
        lambda document: of_kind(document, "play")["ad"].update(name={}),
        lambda document: of_kind(document, "play")["row"].update(number=2**31),
    ],
)
def test_values_on_which_pages_would_fail_are_set_aside(hub, here, kiosk, spoil):
    document = kiosk.envelope().model_dump(mode="json")
    spoil(document)
    answer = send(hub, kiosk, packed_json(document))
    assert (answer.status_code, answer.json["watermark"]) == (200, 3)
    assert (count(here, Play), count(here, SetAside)) == (0, 1)


@pytest.mark.parametrize(
    "wrong", [10**3000, float("nan"), float("inf"), "a\0b", json.loads("[" * 50 + "]" * 50)]
)
def test_health_on_which_pages_would_fail_is_not_stored(hub, here, kiosk, wrong):
    document = kiosk.envelope().model_dump(mode="json")
    document["health"]["disk_free_bytes"] = wrong
    assert send(hub, kiosk, packed_json(document)).json["watermark"] == 3
    assert (count(here, ScreenState), count(here, SetAside)) == (0, 0)


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, 2**80])
def test_numbers_that_no_database_counts_to_are_refused(hub, here, kiosk, number):
    document = kiosk.envelope().model_dump(mode="json") | {"last": number}
    answer = send(hub, kiosk, packed_json(document))
    assert (answer.status_code, answer.json["code"]) == (400, "not_an_envelope")
    assert send(hub, kiosk, pack(kiosk.envelope())).status_code == 200
