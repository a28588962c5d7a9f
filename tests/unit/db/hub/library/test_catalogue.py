"""The library: folders, creatives, versions, and which of them were approved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from db.engine import writing
from db.hub.library import catalogue, folders, media
from db.hub.library.contents import (
    EVERYTHING,
    SORTS,
    Choice,
    Decision,
    LibraryError,
    NewVersion,
    NotInLibraryError,
    Scope,
    Shown,
)
from db.hub.people import accounts
from db.hub.shows.desired import read_plan
from db.hub.shows.playlists import playlists_with
from db.hub.tables.library import CreativeVersion
from db.hub.tables.people import User
from db.hub.tables.shows import PlaylistPlan, PlaylistRevision
from tests.helpers.library import a_file, add_creative

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def connection(engine):
    with writing(engine) as connection:
        yield connection


def approve(connection, uid, number, approval="approved"):
    _, version = catalogue.find_version(connection, EVERYTHING, uid, number)
    catalogue.decide(connection, version, Decision(approval, NOW, "Ann", "as agreed"))


def find(connection, uid, scope=EVERYTHING):
    return catalogue.find_creative(connection, scope, uid)


def on_screens(connection):
    creatives = read_plan(connection).creatives.values()
    return {one.uid: one.approved for one in creatives if one.approved and not one.is_archived}


def test_a_creative_waits_for_approval_and_is_shown_after_it(connection):
    uid = add_creative(connection, "Summer", NOW)
    found = find(connection, uid)
    assert (found.name, found.ad_id, found.created_by) == ("Summer", "Summer", "Ed")
    assert found.newest.decision == Decision("pending")
    assert found.approved is None
    assert catalogue.waiting_creatives(connection, EVERYTHING) == [found]
    assert on_screens(connection) == {}
    approve(connection, uid, 1)
    found = find(connection, uid)
    assert found.newest.decision == Decision("approved", NOW, "Ann", "as agreed")
    assert found.approved == 1
    assert catalogue.waiting_creatives(connection, EVERYTHING) == []
    assert on_screens(connection)[uid].sha256 == found.newest.media.sha256


def test_the_approved_version_stays_on_the_screens_until_the_next_one_is_approved(connection):
    uid = add_creative(connection, "Summer", NOW)
    approve(connection, uid, 1)
    old = find(connection, uid).newest
    assert catalogue.add_version(connection, find(connection, uid), a_file("new"), LATER) == 2
    new = find(connection, uid).newest
    assert new.decision.approval == "pending"
    assert find(connection, uid).approved == 1
    assert on_screens(connection)[uid].sha256 == old.media.sha256
    approve(connection, uid, 2, "rejected")
    assert find(connection, uid).approved == 1
    assert on_screens(connection)[uid].sha256 == old.media.sha256
    approve(connection, uid, 2)
    assert find(connection, uid).approved == 2
    assert on_screens(connection)[uid].sha256 == new.media.sha256
    approve(connection, uid, 2, "rejected")
    assert on_screens(connection)[uid].sha256 == old.media.sha256


def test_an_edit_needs_approval_again(connection):
    uid = add_creative(connection, "Summer", NOW)
    approve(connection, uid, 1, "rejected")
    shown = Shown(7.5, (1.0, 2.5), ("happy",), date(2026, 6, 1), date(2026, 8, 31))
    assert catalogue.change_shown(connection, find(connection, uid), shown, "Ed", NOW) == 1
    newest = find(connection, uid).newest
    assert newest.shown == shown
    assert newest.length_s == 7.5
    assert newest.decision == Decision("pending")
    approve(connection, uid, 1)
    other = Shown(last_day=date(2026, 7, 31))
    assert catalogue.change_shown(connection, find(connection, uid), other, "Flo", LATER) == 2
    found = find(connection, uid)
    assert (found.newest.shown, found.newest.uploaded_by, found.approved) == (other, "Flo", 1)
    kept = on_screens(connection)[uid]
    days = kept.first_day, kept.last_day
    assert Shown(kept.duration_s, kept.brand_at_s, kept.moods, *days) == shown


def test_an_older_version_can_become_the_newest_again(connection):
    uid = add_creative(connection, "Summer", NOW)
    catalogue.add_version(connection, find(connection, uid), a_file("new"), LATER)
    creative, first = catalogue.find_version(connection, EVERYTHING, uid, 1)
    assert catalogue.copy_version(connection, creative, first, "Ed", LATER) == 3
    versions = catalogue.list_versions(connection, creative)
    assert [one.number for one in versions] == [3, 2, 1]
    assert versions[0].media == versions[2].media != versions[1].media
    assert versions[0].decision.approval == "pending"


def test_an_archived_creative_leaves_lists_and_screens_and_comes_back(connection):
    uid = add_creative(connection, "Summer", NOW)
    approve(connection, uid, 1)
    catalogue.archive_creative(connection, find(connection, uid), NOW)
    assert on_screens(connection) == {}
    assert catalogue.list_creatives(connection, EVERYTHING) == ([], 0)
    assert catalogue.list_creatives(connection, EVERYTHING, Choice(archived=True))[1] == 1
    catalogue.archive_creative(connection, find(connection, uid), None)
    assert list(on_screens(connection)) == [uid]


def test_lists_are_searched_filtered_sorted_and_cut(connection):
    uids = {
        name: add_creative(connection, name, NOW + timedelta(minutes=place), folder, kind=kind)
        for place, (name, folder, kind) in enumerate(
            [
                ("beta 50%", "North", "image"),
                ("Alpha", "South", "video"),
                ("gamma", "North", "video"),
            ]
        )
    }
    approve(connection, uids["gamma"], 1)
    north = next(one for one in folders.list_folders(connection, EVERYTHING) if one.name == "North")
    assert north.creatives == 2

    def names(limit=None, offset=0, **choice):
        found, count = catalogue.list_creatives(
            connection, EVERYTHING, Choice(**choice), limit=limit, offset=offset
        )
        assert limit is not None or count == len(found)
        return [one.name for one in found]

    assert names() == ["gamma", "Alpha", "beta 50%"]
    assert names(sort="name") == ["Alpha", "beta 50%", "gamma"]
    assert names(sort="name", limit=1, offset=1) == ["beta 50%"]
    assert names(folder=north.uid) == ["gamma", "beta 50%"]
    assert names(search="AMM") == ["gamma"]
    assert names(search="%") == ["beta 50%"]
    assert names(kind="video", approval="pending") == ["Alpha"]
    assert all(names(sort=sort) for sort in SORTS)


def test_an_agency_sees_its_folder_only(connection):
    mine, theirs = (add_creative(connection, name, NOW, name) for name in ("Mine", "Theirs"))
    known = {one.name: one for one in folders.list_folders(connection, EVERYTHING)}
    _, account = accounts.invite(connection, "Agency", "agency", NOW)
    nothing = folders.scope_of(account)
    assert nothing == Scope(0)
    assert catalogue.list_creatives(connection, nothing) == ([], 0)
    which = update(User).where(User.id == account.id)
    connection.execute(which.values(folder_id=known["Mine"].id))
    scope = folders.scope_of(replace(account, folder_id=known["Mine"].id))
    assert [one.name for one in folders.list_folders(connection, scope)] == ["Mine"]
    assert [one.name for one in catalogue.list_creatives(connection, scope)[0]] == ["Mine"]
    assert [one.name for one in catalogue.waiting_creatives(connection, scope)] == ["Mine"]
    assert find(connection, mine, scope).name == "Mine"
    assert catalogue.list_creatives(connection, scope, Choice(folder=known["Theirs"].uid))[1] == 0
    for call in (
        lambda: find(connection, theirs, scope),
        lambda: catalogue.find_version(connection, scope, theirs, 1),
        lambda: folders.find_folder(connection, scope, known["Theirs"].uid),
        lambda: catalogue.find_version(connection, scope, mine, 2),
    ):
        with pytest.raises(NotInLibraryError):
            call()
    assert folders.agencies(connection) == {known["Mine"].id: ["Agency"]}


def test_ids_of_ads_are_unique_and_survive_another_name(connection):
    first, second = (add_creative(connection, "Summer", NOW) for _ in range(2))
    assert [find(connection, uid).ad_id for uid in (first, second)] == ["Summer", "Summer 2"]
    catalogue.rename_creative(connection, find(connection, first), "Spring")
    assert find(connection, first).name == "Spring"
    assert find(connection, first).ad_id == "Summer"


def test_folders_are_made_renamed_and_deleted_when_empty(connection):
    uid = add_creative(connection, "Summer", NOW, "North")
    north = find(connection, uid).folder
    south = folders.create_folder(connection, "South", NOW)
    with pytest.raises(LibraryError, match="folder north already"):
        folders.create_folder(connection, "north", NOW)
    with pytest.raises(LibraryError, match="already"):
        folders.rename_folder(connection, south.uid, "North")
    assert folders.rename_folder(connection, south.uid, "SOUTH").name == "South"
    with pytest.raises(LibraryError, match="holds 1 ads"):
        folders.delete_folder(connection, north.uid)
    catalogue.move_creative(connection, find(connection, uid), south)
    assert find(connection, uid).folder.name == "SOUTH"
    assert folders.delete_folder(connection, north.uid).name == "North"
    _, account = accounts.invite(connection, "Agency", "agency", NOW)
    empty = folders.create_folder(connection, "Empty", NOW)
    connection.execute(update(User).where(User.id == account.id).values(folder_id=empty.id))
    with pytest.raises(LibraryError, match="agency account Agency"):
        folders.delete_folder(connection, empty.uid)
    accounts.disable(connection, "Agency", NOW)
    folders.delete_folder(connection, empty.uid)
    other = folders.create_folder(connection, "Of another agency", NOW)
    _, account = accounts.invite(connection, "Agency", None, NOW)
    assert account.folder_scope != other.id


def test_playlists_that_list_a_creative(connection):
    uid = add_creative(connection, "Summer", NOW)

    def add(name, *revisions, archived=None):
        values = {"uid": name * 32, "name": name, "created_at": NOW, "created_by": "Ed"}
        row = connection.execute(insert(PlaylistPlan).values(**values, archived_at=archived))
        for number, (published, has) in enumerate(revisions, start=1):
            connection.execute(
                insert(PlaylistRevision).values(
                    playlist_id=row.inserted_primary_key[0],
                    number=number,
                    body={"ads": [{"creative": uid if has else "other"}]},
                    changed_at=NOW,
                    changed_by="Ed",
                    published_at=NOW if published else None,
                    published_by="Ed" if published else None,
                )
            )

    add("a", (True, True), (False, False))
    add("b", (True, False), (False, True))
    add("c", (True, True), (True, False))
    add("d", (True, True), archived=NOW)
    assert playlists_with(connection, uid) == [
        ("a" * 32, "a", True),
        ("b" * 32, "b", False),
    ]


def test_files_that_nothing_shows_are_forgotten_after_a_while(connection):
    uid = add_creative(connection, "Summer", NOW)
    other = add_creative(connection, "Winter", NOW)
    kept = find(connection, other).newest.media.sha256
    sha256 = find(connection, uid).newest.media.sha256
    assert media.known_media(connection) == {sha256, kept}
    assert media.drop_unused_media(connection, LATER, []) == []
    catalogue.delete_creative(connection, find(connection, uid))
    assert connection.scalars(select(CreativeVersion.number)).all() == [1]
    assert media.drop_unused_media(connection, NOW, []) == []
    assert media.drop_unused_media(connection, LATER, [sha256]) == []
    assert media.drop_unused_media(connection, LATER, []) == [sha256]
    assert media.known_media(connection) == {kept}


def test_who_may_approve(connection):
    assert catalogue.approvers(connection) == []
    for name, role in (("Ann", "approver"), ("Bo", "admin"), ("Cy", "editor")):
        accounts.invite(connection, name, role, NOW)
    for name in ("Ann", "Cy"):
        connection.execute(update(User).where(User.name == name).values(subject=name))
    assert catalogue.approvers(connection) == ["Ann"]


def test_a_file_is_known_once_and_keeps_its_pictures(connection):
    uid = add_creative(connection, "Summer", NOW)
    version = find(connection, uid).newest
    assert media.read_picture(connection, version, "thumbnail") == b"small Summer"
    again = NewVersion(version.media, "copy.png", "Ed")
    assert catalogue.add_version(connection, find(connection, uid), again, LATER) == 2
    assert len(media.known_media(connection)) == 1
    assert media.read_picture(connection, find(connection, uid).newest, "strip") == b"strip Summer"
