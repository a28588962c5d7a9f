"""What kiosks and their hub say to each other, for the description of a hub's API."""

from __future__ import annotations

from monitor.uplink.documents import CommandResult, DesiredReport, SignedDocument
from monitor.uplink.messages import (
    HUB_API,
    Claim,
    JoinRequest,
    Membership,
    PairingOffer,
    PairingRequest,
    Receipt,
)
from monitor.web.api.openapi import Call, parameter

_LOCKED_OUT = {429: "Too many codes were tried or asked for; `Retry-After` says when to go on."}
_KNOWN = {409: "The kiosk fills another screen, and did not show its key."}
_BAD = {400: "The message is not as described."}
_NO_KEY = {401: "The key is unknown, or was revoked."}
_AWAY = {503: "The database does not answer now; `Retry-After` says when to try again."}

HUB_CALLS = (
    Call(
        "post",
        f"{HUB_API}envelopes",
        "envelopes",
        "Send sums",
        "For kiosks, with their key. An envelope is JSON, packed with zstd: `version` (1), "
        "`kiosk`, `epoch`, `base`, `first`, `last`, `revision`, `records` and `health`. It needs "
        "`Content-Type: application/json`, `Content-Encoding: zstd` and `Content-Digest` (RFC "
        "9530, sha-256). Records up to `watermark` are stored and may be forgotten; what is sent "
        "twice is stored once. An envelope whose records are wrong is set aside, and the watermark "
        "moves past it.",
        Receipt,
        {
            400: "The envelope was damaged on the way (`damaged`: send it again), or is none.",
            401: "The key is unknown, or was revoked.",
            403: "The envelope is of another kiosk than the key.",
            413: "The envelope is larger than 8 MiB.",
            415: "It is not JSON packed with zstd.",
            429: "Another envelope of this kiosk is being stored.",
            503: "The hub is busy, its database is away, or it is older than the kiosk; "
            "`Retry-After` says when to try again.",
        },
        sends="application/json",
        key="kiosk",
        others={409: "Records before these are missing: go on from `expected`."},
    ),
    Call(
        "post",
        f"{HUB_API}pairings",
        "ask_to_join",
        "Ask to join",
        "For a kiosk that shows the code until somebody accepts it on the hub's page of screens.",
        PairingOffer,
        _BAD | _KNOWN | _LOCKED_OUT | _AWAY,
        sends=PairingRequest,
        key="",
        status=201,
    ),
    Call(
        "post",
        f"{HUB_API}pairings/claim",
        "collect_key",
        "Collect the key",
        "For a kiosk that asked to join, once its code was accepted. 202 while nobody has.",
        Membership,
        _BAD | _AWAY | {410: "The code has expired, or the key was collected and used."},
        sends=Claim,
        key="",
        others={202: None},
    ),
    Call(
        "post",
        f"{HUB_API}join",
        "join",
        "Join by the code of a screen",
        "For a kiosk at which somebody typed the code that the hub shows for a screen.",
        Membership,
        _BAD | _KNOWN | _LOCKED_OUT | _AWAY | {403: "The code is wrong, was used, or has expired."},
        sends=JoinRequest,
        key="",
    ),
    Call(
        "post",
        f"{HUB_API}leave",
        "leave",
        "Leave the hub",
        "For a kiosk, with its key, which is void from then on. What it sent stays.",
        None,
        _AWAY | {401: "The key is unknown, or was revoked."},
        sends=None,
        key="kiosk",
        status=204,
    ),
    Call(
        "get",
        f"{HUB_API}desired",
        "desired",
        "What to show",
        "For kiosks, with their key: what the screen is to show, and commands. Ask every 30 s, and "
        "at once when a receipt names another `serial`; with `If-None-Match` the answer is 304 "
        "while nothing has changed. The document is a JSON text: `version`, `serial`, `made_at`, "
        "`screen`, `name`, `playlist` (the keys of a playlist file, or null for the kiosk's own), "
        "`media`, `settings` and `commands`.",
        SignedDocument,
        _AWAY | _NO_KEY,
        key="kiosk",
        others={304: None},
    ),
    Call(
        "get",
        f"{HUB_API}media/{{sha256}}",
        "media",
        "Fetch a media file",
        "For kiosks, with their key: a file that the screen's document names, in pieces of 1 MiB "
        "at most, whatever `Range` asks for; without it, the whole file. `ETag` is the SHA-256.",
        None,
        {
            404: "The screen's document names no such file.",
            416: "The file is shorter than that.",
            503: "Too many kiosks fetch files, or the media store is away; `Retry-After` says when "
            "to try again.",
        }
        | _NO_KEY,
        (
            parameter("path", "sha256", "Of the file.", required=True, type="string"),
            parameter("header", "Range", "Such as `bytes=0-1048575`.", type="string"),
        ),
        kind="application/octet-stream",
        key="kiosk",
        others={206: "The piece that `Content-Range` names."},
    ),
    Call(
        "post",
        f"{HUB_API}desired/report",
        "report_desired",
        "Say what became of the document",
        "For kiosks, with their key: while it fetches media, and when the document is applied or "
        "refused.",
        None,
        _BAD | _AWAY | _NO_KEY | {409: "There is no such version for this screen."},
        sends=DesiredReport,
        key="kiosk",
        status=204,
    ),
    Call(
        "post",
        f"{HUB_API}commands/{{uid}}",
        "finish_command",
        "Say what became of a command",
        "For kiosks, with their key. Only the first answer counts; repeating it is harmless.",
        None,
        {400: "The message is not as described, or the attachment is not what it says."}
        | _AWAY
        | _NO_KEY
        | {
            404: "This screen was not asked to do that.",
            413: "The attachment is larger than 8 MiB.",
        },
        (parameter("path", "uid", "Of the command.", required=True, type="string"),),
        sends=CommandResult,
        key="kiosk",
        status=204,
    ),
)
"""The calls of kiosks, in the order of the page."""
