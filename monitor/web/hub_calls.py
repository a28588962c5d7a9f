"""What kiosks and their hub say to each other, for the description of a hub's API."""

from __future__ import annotations

from monitor.uplink.messages import (
    HUB_API,
    Claim,
    JoinRequest,
    Membership,
    PairingOffer,
    PairingRequest,
    Receipt,
)
from monitor.web.openapi import Call

_LOCKED_OUT = {429: "Too many codes were tried or asked for; `Retry-After` says when to go on."}
_KNOWN = {409: "The kiosk fills another screen, and did not show its key."}
_BAD = {400: "The message is not as described."}
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
)
"""The calls of kiosks, in the order of the page."""
