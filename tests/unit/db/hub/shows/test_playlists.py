"""Playlists in the database: drafts, revisions, and two people at the same time."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest

from db.engine import open_database, writing
from db.hub.audit import note
from db.hub.shows import playlists
from db.hub.shows.playlists import CHANGED, PlaylistChangedError, target_of, token_of

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@pytest.fixture
def connection(tmp_path):
    engine = open_database(str(tmp_path / "hub.db"))
    with writing(engine) as connection:
        yield connection
    engine.dispose()


def body(*ads):
    return {"ads": [{"creative": ad} for ad in ads]}


def save(connection, uid, content, seen=None):
    state = playlists.find_playlist(connection, uid, change=True)
    playlists.save_draft(connection, state, content, seen=seen or state.token, by="eva", now=NOW)
    return playlists.find_playlist(connection, uid)


def publish(connection, uid):
    state = playlists.find_playlist(connection, uid, change=True)
    playlists.publish_draft(connection, state, "eva", NOW)
    return playlists.find_playlist(connection, uid)


def test_a_draft_is_changed_and_published_and_the_next_one_is_another_revision(connection):
    made = playlists.create_playlist(connection, "Usual", "eva", NOW)
    assert playlists.find_playlist(connection, made.uid).newest.body == body()
    state = save(connection, made.uid, body("a"))
    assert (state.draft.number, state.published) == (1, None)
    state = publish(connection, made.uid)
    assert (state.draft, state.published.number, state.published.published_by) == (None, 1, "eva")
    state = save(connection, made.uid, body("a", "b"))
    assert (state.draft.number, state.published.number) == (2, 1)
    assert save(connection, made.uid, body("a")).draft is None, "as it is published"
    save(connection, made.uid, body("b"))
    publish(connection, made.uid)
    revisions = playlists.list_revisions(connection, made)
    assert [(one.number, one.body) for one in revisions] == [(2, body("b")), (1, body("a"))]


def test_a_state_that_nobody_sees_any_more_is_not_overwritten(connection):
    uid = playlists.create_playlist(connection, "Usual", "eva", NOW, body("a")).uid
    seen = token_of(body("a"))
    save(connection, uid, body("a", "b"), seen)
    with pytest.raises(PlaylistChangedError):
        save(connection, uid, body("c"), seen)
    assert playlists.find_playlist(connection, uid).newest.body == body("a", "b")


def test_what_others_changed_is_in_the_audit_log(connection):
    states = [body(), body("a"), body("a", "b"), body("b")]
    for before, after in itertools.pairwise(states):
        tokens = {"draft": token_of(before)}, {"draft": token_of(after)}
        note(connection, "eva", CHANGED, target_of("x"), NOW, before=tokens[0], after=tokens[1])
    found = {
        seen: [one.after["draft"] for one in playlists.changes_since(connection, "x", seen)]
        for seen in [*map(token_of, states), "unknown"]
    }
    tokens = [token_of(state) for state in states]
    assert [found[token] for token in tokens] == [tokens[1:], tokens[2:], tokens[3:], []]
    assert found["unknown"] == []
    assert playlists.changes_since(connection, "y", tokens[0]) == []


def test_lists_are_sorted_by_name_and_archived_ones_apart(connection):
    made = {
        name: playlists.create_playlist(connection, name, "eva", NOW) for name in ("b", "A", "c")
    }
    playlists.archive_playlist(connection, made["c"], NOW)
    names = [one.info.name for one in playlists.list_playlists(connection)]
    assert names == ["A", "b"]
    archived = playlists.list_playlists(connection, archived=True)
    assert [one.info.name for one in archived] == ["c"]
    with pytest.raises(playlists.NoSuchPlaylistError):
        playlists.find_playlist(connection, "0" * 32)
    with pytest.raises(playlists.NoSuchPlaylistError):
        playlists.find_revision(connection, made["b"], 1)
