"""What the tables of a hub hold, in plain words; `db.upkeep.inventory` shows them with the rest."""

from __future__ import annotations

from db.schema import SCORE_COLUMNS, SUM_COLUMNS

WORDS: dict[str, tuple[str, dict[str, str]]] = {
    "screens": (
        "One row for each screen; nothing about people.",
        {
            "id, uid, name": "number and names of the screen",
            "site, group_name, tags, venue_type": "where it is, and how it is grouped",
            "time_zone, opening": "its time zone and opening hours",
            "created_at, retired_at": "since when, and until when",
        },
    ),
    "kiosk_keys": (
        "Which kiosk may speak for which screen.",
        {
            "id, kiosk, screen_id": "which kiosk, which screen",
            "key_sha256": "checksum of the kiosk's key",
            "created_at, created_by, revoked_at, last_seen_at": "who let it in, and until when",
        },
    ),
    "pairings": (
        "Codes by which kiosks were joined to screens.",
        {
            "id, code, claim_sha256": "the code, and the checksum of the kiosk's secret",
            "kiosk, facts, address, screen_id": "which machine, and which screen",
            "created_at, expires_at, accepted_at, accepted_by, collected_at": "when, and by whom",
        },
    ),
    "failed_attempts": (
        "Wrong codes and passwords of the last hours.",
        {"id, kind, address, at": "what was tried, from which network address, and when"},
    ),
    "screen_states": (
        "How each screen was when it last said so; viewers only as a number.",
        {
            "id, screen_id, received_at, clock_offset_s": "which screen, and when",
            "health": "ad on air, camera, notice, number of viewers, state of the machine",
        },
    ),
    "state_changes": (
        "What each screen was doing; nothing about people.",
        {
            "id, screen_id, at": "which screen, from which moment on",
            "state, camera, notice_shown, detail": "whether it measured, and whether it said so",
        },
    ),
    "alerts": (
        "Faults of screens; nothing about people in front of them.",
        {
            "id, uid, screen_id, kind, detail": "what was wrong with which screen",
            "raised_at, ended_at": "from when to when",
        },
    ),
    "channels": (
        "Where alerts are sent, for example somebody's mail address.",
        {
            "id, name, kind, url, secret": "the address, and by which secret events are signed",
            "alert_kinds, quiet_hours, time_zone": "what is sent there, and when not",
            "created_at, disabled_at": "since when, and until when",
        },
    ),
    "deliveries": (
        "Which alert was sent where, and whether it arrived.",
        {
            "id, channel_id, event, payload": "what was sent where",
            "created_at, attempts, next_at, done_at, error": "when, how often, and what went wrong",
        },
    ),
    "leases": (
        "Which process of the hub does what only one may do.",
        {"id, name, holder, until": "the work, the process, and until when"},
    ),
    "users": (
        "People with an account.",
        {
            "id, name, role": "what they are called, and what they may do",
            "password_hash": "a checksum of their password",
            "created_at, disabled_at": "since when, and until when",
        },
    ),
    "user_tokens": (
        "Browsers that are logged in, and links to set a password.",
        {
            "id, user_id, kind, token_sha256": "whose, and the checksum of the token",
            "created_at, expires_at, last_seen_at": "when it was made, used, and ends",
        },
    ),
    "audit_entries": (
        "Who changed what on the hub.",
        {"id, at, actor, action, target, before, after": "who, when, what, before and after"},
    ),
    "set_aside": (
        "What a kiosk sent and the hub could not store.",
        {
            "id, origin_id, at, first, last": "from which kiosk, when, and which records",
            "reason, envelope": "the reason, and the original bytes",
        },
    ),
    "cells": (
        "Sums by ad and hour over at least as many viewers as the kiosk demands.",
        {
            "id, origin_id, ad_version_id, hour, second": "which ad, where, when",
            "viewers, readings, emotion_readings, attentive": "how many were added up",
            "exposures, watchers, watchers_2s, dwell_s, attention_s": "how long people looked",
            ", ".join(SUM_COLUMNS[: -len(SCORE_COLUMNS)]): "their expressions, added up",
            ", ".join(SCORE_COLUMNS): "the same, corrected for what the model mixes up",
        },
    ),
}
"""Each table and its columns; a test compares them with the schema."""
