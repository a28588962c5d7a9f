"""Accounts as administrators type them, and what people set for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from db.hub.people.accounts import MAX_NAME_LENGTH
from monitor.hub.forms import FormError, Message, Name, mail_address, read_form
from monitor.languages import languages, lazy

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE_WORDS = {
    "viewer": lazy("Viewer"),
    "editor": lazy("Editor"),
    "approver": lazy("Approver"),
    "operator": lazy("Operator"),
    "admin": lazy("Administrator"),
    "agency": lazy("Agency"),
}

ROLE_RIGHTS = {
    "viewer": lazy("sees everything, changes nothing"),
    "editor": lazy("also library, playlists, campaigns, reports"),
    "approver": lazy("also approves or rejects ads"),
    "operator": lazy("also screens, the calendar, commands, alerts"),
    "admin": lazy("everything, also accounts"),
    "agency": lazy("only the ads of its own folder, and their figures"),
}
"""What each role may do, in a few words."""

KEY_DAYS = (30, 90, 365)
"""How long a key for a program may work; without a choice it does not expire."""


class AccountForm(BaseModel):
    """What an administrator decides about an account.

    Attributes:
        role: One of `db.hub.tables.people.ROLES`.
        folder: Id of the folder of an agency; `None` for none.
        email: Address for mail; may be empty.
    """

    role: str
    folder: Annotated[int | None, BeforeValidator(lambda text: text or None)] = None
    email: Annotated[str, AfterValidator(lambda text: text and mail_address(text))] = ""


class InvitationForm(AccountForm):
    """A new account."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]


class KeyForm(BaseModel):
    """A new key for a program; see `db.hub.people.api_keys`."""

    name: Name
    scopes: Annotated[tuple[str, ...], Field(min_length=1)]
    days: int | None


_MESSAGES: dict[str, Message] = {
    "string_too_short": lambda **values: lazy("Give a name.", **values),
    "int_parsing": lambda **values: lazy("Choose one of the list.", **values),
    "too_short": lambda **values: lazy("Choose what the key is for.", **values),
}


def read_account(form: Mapping[str, str]) -> AccountForm:
    """Return what was typed about an account.

    Raises:
        FormError: A field cannot be used.
    """
    return read_form(AccountForm, _values(form, "role", "folder", "email"), _MESSAGES)


def read_invitation(form: Mapping[str, str]) -> InvitationForm:
    """Return the account that was typed into a form.

    Raises:
        FormError: A field cannot be used.
    """
    values = _values(form, "name", "role", "folder", "email")
    return read_form(InvitationForm, values, _MESSAGES)


def read_details(form: Mapping[str, str]) -> tuple[str, str]:
    """Return the mail address and the language that somebody chose; both may be empty.

    Raises:
        FormError: A field cannot be used.
    """
    language = form.get("language", "")
    if language and language not in languages():
        raise FormError({"language": lazy("Choose a language of the list.")})
    values = _values(form, "email") | {"role": ""}
    return read_form(AccountForm, values, _MESSAGES).email, language


def read_key(form: Mapping[str, str], scopes: list[str], known: tuple[str, ...]) -> KeyForm:
    """Return the key that somebody wants to make.

    Args:
        form: With `name` and `days`; no days: it does not expire.
        scopes: That were chosen.
        known: All there are.

    Raises:
        FormError: A field cannot be used.
    """
    days = form.get("days", "")
    if not set(scopes) <= set(known) or days not in {"", *map(str, KEY_DAYS)}:
        raise FormError({"scopes": lazy("Choose from the lists.")})
    values = {"name": form.get("name", ""), "scopes": tuple(scopes), "days": days or None}
    return read_form(KeyForm, values, _MESSAGES)


def _values(form: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: form.get(name, "").strip() for name in names}
