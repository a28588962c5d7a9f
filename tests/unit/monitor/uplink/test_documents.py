"""What a hub and a kiosk say to each other about the show."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from db.hub.digests import key_digest
from monitor.uplink.documents import (
    MAX_ATTACHMENT_BYTES,
    CommandResult,
    DesiredDocument,
    DesiredReport,
    DocumentError,
    SignedDocument,
    files_of,
    sign,
    verify,
)

KEY = key_digest("the key of this kiosk")
CLIP = "a" * 64
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def document(**changes: Any) -> DesiredDocument:
    values: dict[str, Any] = {
        "version": 3,
        "serial": 4,
        "made_at": NOW,
        "screen": "b" * 32,
        "name": "Entrance, Zürich",
        "playlist": {"ads": [{"id": "coffee", "file": f"{CLIP}.mp4"}]},
        "media": [{"sha256": CLIP, "size": 1000, "ending": ".mp4"}],
        "settings": {"window.volume": 0.5},
        "experiments": [
            {
                "name": "tea",
                "treatment": ["tea"],
                "control": ["water", "milk"],
                "block_s": 600,
                "starts": [1_777_888_800, 1_777_889_400],
                "arms": "ct",
            }
        ],
        "commands": [
            {"uid": "c" * 32, "kind": "identify", "author": "anna", "expires_at": NOW},
        ],
    }
    return DesiredDocument.model_validate(values | changes)


def test_what_was_signed_is_read_as_it_was() -> None:
    signed = SignedDocument.model_validate_json(sign(document(), KEY).model_dump_json())
    assert verify(signed, KEY) == document()


@pytest.mark.parametrize("spoil", ["text", "signature", "key"])
def test_a_changed_or_foreign_document_is_refused(spoil: str) -> None:
    signed = sign(document(), KEY)
    key = KEY
    if spoil == "text":
        signed = signed.model_copy(update={"document": signed.document.replace("coffee", "coffin")})
    elif spoil == "signature":
        signed = signed.model_copy(update={"signature": "0" * 64})
    else:
        key = key_digest("the key of another kiosk")
    with pytest.raises(DocumentError, match="signature"):
        verify(signed, key)


def test_a_signed_text_that_is_no_document_is_refused() -> None:
    nonsense = SignedDocument(document="{}", signature=sign_text("{}"))
    with pytest.raises(DocumentError, match=r"version: Field required\."):
        verify(nonsense, KEY)


def sign_text(text: str) -> str:
    return hmac.digest(bytes.fromhex(KEY), text.encode(), "sha256").hex()


@pytest.mark.parametrize(
    "changes",
    [
        {"media": []},
        {"playlist": None},
        {"playlist": {"ads": [{"file": f"{CLIP}.png"}]}},
        {"playlist": {"ads": "all"}},
        {"playlist": {"ads": [{"file": f"{CLIP}.mp4"}], "filler": "d.png"}},
        {"media": [{"sha256": CLIP, "size": 1, "ending": ending} for ending in (".mp4", ".mov")]},
        {"media": [{"sha256": CLIP, "size": 1, "ending": "/../x"}]},
    ],
)
def test_a_document_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        document(**changes)


def test_files_are_named_once_and_a_colour_is_none() -> None:
    ads = [{"file": "a.mp4"}, {"file": "b.png"}, {"file": "a.mp4"}]
    assert files_of({"ads": ads, "filler": "#203040"}) == ["a.mp4", "b.png"]
    assert files_of({"ads": ads, "filler": "c.png"}) == ["a.mp4", "b.png", "c.png"]


def test_a_newer_hub_may_say_more() -> None:
    newer = json.loads(document().model_dump_json()) | {"mode": "quiet"}
    assert DesiredDocument.model_validate(newer) == document()


def test_a_report_has_a_known_state_and_a_short_reason() -> None:
    DesiredReport(version=1, state="fetching", progress=0.5)
    with pytest.raises(ValidationError):
        DesiredReport(version=1, state="refused", reason="x" * 501)
    with pytest.raises(ValidationError):
        DesiredReport(version=1, state="fetching", progress=2)


def test_an_attachment_travels_in_base_64_and_is_bounded() -> None:
    sent = {
        "succeeded": True,
        "attachment_type": "image/png",
        "attachment": base64.b64encode(b"\x89PNG").decode(),
    }
    result = CommandResult.model_validate(sent)
    assert result.attachment == b"\x89PNG"
    assert CommandResult.model_validate_json(result.model_dump_json()) == result
    largest = base64.b64encode(bytes(MAX_ATTACHMENT_BYTES)).decode()
    CommandResult.model_validate(sent | {"attachment": largest})
    too_large = base64.b64encode(bytes(MAX_ATTACHMENT_BYTES + 1)).decode()
    with pytest.raises(ValidationError):
        CommandResult.model_validate(sent | {"attachment": too_large})


@pytest.mark.parametrize(
    "odd", [{"attachment_type": "image/png"}, {"attachment": "AAAA"}, {"attachment_type": "x"}]
)
def test_an_attachment_and_its_type_belong_together(odd: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        CommandResult.model_validate({"succeeded": True} | odd)


def test_an_experiment_has_its_blocks_with_the_ads_that_each_leaves_out() -> None:
    first, second = document().experiments[0].blocks()
    assert (first.number, first.arm, first.withheld) == (1, "control", {"tea"})
    assert (second.number, second.arm, second.withheld) == (2, "treatment", {"water", "milk"})
    assert first.starts_at == datetime(2026, 5, 4, 10, tzinfo=UTC)
    assert first.ends_at == second.starts_at


def test_each_block_has_an_arm() -> None:
    [experiment] = json.loads(document().model_dump_json())["experiments"]
    with pytest.raises(ValidationError, match="an arm for each of its blocks"):
        document(experiments=[experiment | {"arms": "c"}])
