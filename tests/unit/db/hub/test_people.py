"""What the database says of accounts, logins, second factors, keys and the audit log.

The modules `accounts`, `logins`, `second_factor`, `api_keys`, `identities`, `secrets` and `audit`.
"""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from db.engine import writing
from db.errors import AccountError
from db.hub.audit import AuditSearch, count_entries, find_entries, forget_entries, note
from db.hub.library.agency_figures import agency_figures
from db.hub.library.contents import EVERYTHING
from db.hub.people import accounts, api_keys, identities, logins, second_factor
from db.hub.secrets import shared_secret
from tests.helpers.hub_rows import NOON

DAY = timedelta(days=1)


def add(engine, name, role="viewer", **options):
    with writing(engine) as connection:
        token, _ = accounts.invite(connection, name, role, NOON, **options)
        return accounts.set_password(connection, token, "hash", NOON)


def test_two_administrators_who_disable_each_other_leave_one(engine):
    names = ["ann", "ben"]
    for name in names:
        add(engine, name, "admin")
    ready, refused = threading.Barrier(2), []

    def disable(name):
        ready.wait()
        try:
            with writing(engine) as connection:
                accounts.disable(connection, name, NOON)
        except AccountError:
            refused.append(name)

    threads = [threading.Thread(target=disable, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    with engine.connect() as connection:
        assert accounts.has_administrator(connection)


def test_an_agency_is_limited_to_a_folder(engine):
    agency = add(engine, "ann", "agency")
    assert agency.folder_scope == accounts.NO_FOLDER
    assert add(engine, "ben").folder_scope is None
    with writing(engine) as connection, pytest.raises(AccountError, match="Choose the folder"):
        accounts.change_account(connection, agency.id, role="agency", folder_id=None, email="")


def test_logins_end_and_one_stays(engine):
    ann, ben = add(engine, "ann"), add(engine, "ben")
    with writing(engine) as connection:
        kept = accounts.begin_login(connection, ann, NOON, address="192.0.2.1", agent="A" * 500)
        accounts.begin_login(connection, ann, NOON)
        accounts.begin_login(connection, ben, NOON)
        found = logins.open_logins(connection, NOON, user_id=ann.id, this=kept)
        assert [(one.is_this, len(one.agent)) for one in found] == [(False, 0), (True, 300)]
        assert logins.end_logins(connection, ann.id, keep=kept) == 1
        assert logins.end_logins(connection, ben.id, login_id=found[1].id) == 0
        assert len(logins.open_logins(connection, NOON)) == 2
        assert logins.open_logins(connection, NOON + DAY) == []


def test_a_code_works_once_and_a_password_by_link_keeps_the_factor(engine):
    ann = add(engine, "ann")
    with writing(engine) as connection:
        codes = ["one", "two"]
        second_factor.set_second_factor(connection, ann.id, "S", 5, NOON, recovery_codes=codes)
        used = [second_factor.use_step(connection, ann.id, step) for step in (5, 6, 6, 5)]
        assert used == [False, True, False, False]
        assert second_factor.use_recovery_code(connection, ann.id, "one")
        assert not second_factor.use_recovery_code(connection, ann.id, "one")
    assert add(engine, "ann").has_second_factor
    with writing(engine) as connection:
        assert second_factor.recovery_codes_left(connection, ann.id) == 1
        assert second_factor.remove_second_factor(connection, ann.id)
        assert not second_factor.remove_second_factor(connection, ann.id)


def test_keys_work_until_they_end(engine):
    ann = add(engine, "ann")
    with writing(engine) as connection:
        key = api_keys.make_key(
            connection, ann.id, "backup", NOON, scopes=["read"], expires_at=NOON + DAY
        )
        account, known = api_keys.owner_of(connection, key, NOON)
        assert (account.name, known.scopes, known.works(NOON)) == ("ann", ("read",), True)
        assert api_keys.owner_of(connection, key, NOON + DAY) is None
        assert api_keys.revoke_key(connection, ann.id + 1, known.id, NOON) is None
        assert api_keys.revoke_key(connection, ann.id, known.id, NOON).name == "backup"
        assert api_keys.owner_of(connection, key, NOON) is None


def test_a_disabled_account_that_works_again_has_no_keys(engine):
    ann = add(engine, "ann")
    with writing(engine) as connection:
        key = api_keys.make_key(
            connection, ann.id, "leaked", NOON, scopes=["read"], expires_at=None
        )
        accounts.disable(connection, "ann", NOON)
    add(engine, "ann")
    with engine.connect() as connection:
        assert api_keys.owner_of(connection, key, NOON) is None
        (known,) = api_keys.keys_of(connection, ann.id)
        assert known.revoked_at == NOON


def test_single_sign_on_ends_the_link_that_would_set_a_password(engine):
    with writing(engine) as connection:
        token, _ = accounts.invite(connection, "ann", "admin", NOON, email="ann@example.com")
        account = identities.invited_by_mail(connection, "ann@example.com")
        identities.link(connection, account, "https://sso.example 1")
        assert accounts.invited(connection, token, NOON) is None


def test_an_identity_gets_a_free_name(engine):
    add(engine, "ann")
    with writing(engine) as connection:
        made = [
            identities.create(connection, NOON, name=name, email="", role="viewer", subject=name)
            for name in ("ann", "ann\n", "\n", "x" * 300)
        ]
    assert [account.name[:10] for account in made] == ["ann 2", "ann 3", "somebody", "x" * 10]
    assert all(len(account.name) <= accounts.MAX_NAME_LENGTH for account in made)
    with engine.connect() as connection:
        assert identities.account_of_subject(connection, "ann")[0].name == "ann 2"
        assert identities.invited_by_mail(connection, "") is None


def test_all_share_one_secret(engine):
    with writing(engine) as connection:
        first = shared_secret(connection, "one")
        assert shared_secret(connection, "one") == first
        assert shared_secret(connection, "two") != first


def test_entries_are_found_counted_and_forgotten(engine):
    with writing(engine) as connection:
        note(connection, "ann", "screen.edit", "50% of it", NOON, after={"site": "Köln"})
        note(connection, "ben", "user.invite", "cid", NOON + DAY)
        for search, actions in (
            (AuditSearch(), ["user.invite", "screen.edit"]),
            (AuditSearch(text="köln".title()), ["screen.edit"]),
            (AuditSearch(text="0%"), ["screen.edit"]),
            (AuditSearch(text="_"), []),
            (AuditSearch(actor="ben", action="user."), ["user.invite"]),
            (AuditSearch(since=NOON, until=NOON + DAY), ["screen.edit"]),
        ):
            found = [entry.action for entry in find_entries(connection, search)]
            assert found == actions, search
            assert count_entries(connection, search) == len(actions)
        assert forget_entries(connection, NOON + DAY) == 1
        assert [entry.actor for entry in find_entries(connection, AuditSearch())] == ["ben"]


def test_a_hub_without_ads_has_no_figures(engine):
    with engine.connect() as connection:
        assert agency_figures(connection, EVERYTHING, NOON, NOON + DAY, 5) == []
