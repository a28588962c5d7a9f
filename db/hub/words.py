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
            "settings": "settings that its kiosk gets from the hub",
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
        "Faults of screens, and campaigns that are behind; nothing about people.",
        {
            "id, uid, screen_id, campaign_id, kind, detail": "what was wrong with which of them",
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
            "email, language": "their mail address and language",
            "folder_id": "of an agency: its folder in the library",
            "totp_secret, totp_step": "the secret of their second factor, and its last use",
            "subject": "who they are for the single sign-on",
            "created_at, disabled_at": "since when, and until when",
        },
    ),
    "user_tokens": (
        "Browsers that are logged in, and links to set a password.",
        {
            "id, user_id, kind, token_sha256": "whose, and the checksum of the token",
            "created_at, expires_at, last_seen_at": "when it was made, used, and ends",
            "address, agent": "from which network address, by which browser",
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
    "folders": (
        "Parts of the library.",
        {"id, uid, name, created_at": "what it is called, since when"},
    ),
    "media_files": (
        "Pictures and videos of the library; no pictures of people in front of a screen.",
        {
            "id, sha256, size, ending": "which file",
            "kind, width, height, duration_s, has_sound, warnings": "what it holds",
            "thumbnail, strip, created_at": "small pictures of it, and since when",
        },
    ),
    "creatives": (
        "Ads of the library.",
        {
            "id, uid, folder_id, ad_id, name": "what it is called, and where it is",
            "created_at, created_by, archived_at": "since when, by whom, until when",
        },
    ),
    "creative_versions": (
        "What an ad shows, and who approved it.",
        {
            "id, creative_id, number, media_file_id, file_name": "which file of which ad",
            "duration_s, brand_at_s, moods, first_day, last_day": "what was set for it",
            "uploaded_at, uploaded_by": "when, and by whom",
            "approval, decided_at, decided_by, reason": "whether it may be shown, and who said so",
        },
    ),
    "uploads": (
        "Files on their way into the library.",
        {
            "id, uid, user_id, folder_id, creative_id": "whose, and where to",
            "file_name, fingerprint, size, received, problem": "which file, and how far it is",
            "created_at, touched_at": "when",
        },
    ),
    "playlists": (
        "Playlists.",
        {
            "id, uid, name": "what it is called",
            "created_at, created_by, archived_at": "since when, by whom, until when",
        },
    ),
    "playlist_revisions": (
        "The states of a playlist.",
        {
            "id, playlist_id, number, body": "which ads, and when they play",
            "changed_at, changed_by, published_at, published_by": "when, and by whom",
        },
    ),
    "campaigns": (
        "Ads with a goal.",
        {
            "id, uid, folder_id, name, creatives": "what it is called, and which ads belong to it",
            "first_day, last_day, goal_kind, goal": "from when to when, and what it should reach",
            "created_at, created_by, archived_at": "since when, by whom, until when",
        },
    ),
    "bookings": (
        "Which playlist runs on which screens, and when.",
        {
            "id, uid, playlist_id, campaign_id, target_kind, target": "what runs where",
            "first_day, last_day, days, hours, priority, takeover": "when, and before what",
            "created_at, created_by": "since when, by whom",
        },
    ),
    "desired_states": (
        "What each screen is to show.",
        {
            "id, screen_id, version, serial, document, digest": "what",
            "made_at, made_by": "since when, by whom",
            "is_empty": "whether nothing of what is booked now can be shown",
            "reported_version, reported_state, reason, progress, reported_at": "what the kiosk "
            "said of it",
        },
    ),
    "commands": (
        "What people asked screens to do; pictures show the ad on the screen, never the camera.",
        {
            "id, uid, screen_id, kind, author": "what, of which screen, by whom",
            "created_at, expires_at, done_at, succeeded, detail": "when, and how it ended",
            "attachment, attachment_type": "what the kiosk answered with",
        },
    ),
    "saved_reports": (
        "Reports that people ask for again.",
        {
            "id, uid, user_id, name, query": "whose, and what is asked",
            "rhythm, recipients, created_at, next_at, sent_at, error": "when, and to whom it goes",
        },
    ),
    "shared_documents": (
        "Finished reports that were shared by a link.",
        {
            "id, uid, token_sha256, title, content": "the document, and a checksum of the link",
            "created_at, created_by, expires_at, revoked_at": "since when, by whom, until when",
            "opened, opened_at": "how often it was opened, and when last",
        },
    ),
    "api_keys": (
        "Keys for programs.",
        {
            "id, user_id, name, key_sha256, scopes": "whose, for what, and a checksum",
            "created_at, expires_at, revoked_at, last_used_at": "since when, until when",
        },
    ),
    "hub_secrets": (
        "Secrets of the hub itself.",
        {"id, name, value": "such as the one that signs cookies"},
    ),
}
"""Each table and its columns; a test compares them with the schema."""
