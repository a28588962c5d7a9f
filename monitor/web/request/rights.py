"""Marks on views: which accounts of a hub may use them. Without accounts the marks do nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Blueprint

View = TypeVar("View", bound="Callable[..., Any]")

READERS = ("viewer", "editor", "approver", "operator")
"""Roles that may see pages without a mark; an agency sees only pages marked for it."""

EVERYBODY = (*READERS, "agency")

SCOPES = ("read", "reports", "library", "screens")
"""What a key for a program may be made for; see `requires`."""


def requires(*roles: str, scope: str | None = None) -> Callable[[View], View]:
    """Return a decorator for a view that only accounts with one of these roles may use.

    An administrator may use all. Without it, `READERS` may read, and only administrators send.

    Args:
        roles: Of accounts.
        scope: One of `SCOPES`: a key for a program must have it. By default a key needs `read` to
            read, and cannot send anything.
    """

    def mark(view: View) -> View:
        view.roles = roles  # type: ignore[attr-defined]
        if scope is not None:
            view.scope = scope  # type: ignore[attr-defined]
        return view

    return mark


def for_people(view: View) -> View:
    """Decorate a view that no key for a program opens, such as the pages of accounts."""
    view.is_for_people = True  # type: ignore[attr-defined]
    return view


def view_for_people(blueprint: Blueprint, *roles: str) -> Callable[..., Callable[[View], View]]:
    """Return what registers views of a blueprint that `requires` these roles and are `for_people`.

    It takes the rule of a view and, if that is not `POST`, its method.
    """

    def view(rule: str, method: str = "POST") -> Callable[[View], View]:
        def register(made: View) -> View:
            return blueprint.route(rule, methods=[method])(for_people(requires(*roles)(made)))

        return register

    return view


def open_to_all(view: View) -> View:
    """Decorate a view that needs no login, such as the page that makes one possible."""
    view.is_open = True  # type: ignore[attr-defined]
    return view


def takes_parts(*, max_body: int) -> Callable[[View], View]:
    """Return a decorator for a view that a script calls once for each part of a file.

    Thousands of parts are not thousands of changes, so the limit of requests a minute does not
    count them: the view takes a place for each instead.

    Args:
        max_body: Largest body in bytes.
    """

    def mark(view: View) -> View:
        view.is_uncounted = True  # type: ignore[attr-defined]
        view.max_body = max_body  # type: ignore[attr-defined]
        return view

    return mark


def takes_files(view: View) -> View:
    """Decorate a view with a form whose files go to the disk: to one without a name, so that
    nothing stays; the files of other forms are kept in memory.
    """
    view.has_files_on_disk = True  # type: ignore[attr-defined]
    return view


def for_kiosks(*, max_body: int) -> Callable[[View], View]:
    """Return a decorator for a view that kiosks call; it checks their keys itself.

    No cookie opens such a view, so requests may come from anywhere. Many kiosks may share one
    network address, so the view limits its callers, too.

    Args:
        max_body: Largest body in bytes.
    """

    def mark(view: View) -> View:
        view.is_for_kiosks = True  # type: ignore[attr-defined]
        view.max_body = max_body  # type: ignore[attr-defined]
        return view

    return mark
