"""What the person of the current request sees of the library: the one way to its folders and ads.

What they may not see is not there for them: the answer is 404, as for what does not exist. Tested
with the pages, in `test_library.py`.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from db.hub.library import catalogue, folders
from db.hub.library.contents import LibraryError, NotInLibraryError
from monitor.languages import lazy
from monitor.web.hub.accounts import current_user
from monitor.web.request.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from db.hub.library.contents import CreativeInfo, FolderInfo, Scope, Version
    from monitor.hub.library.media_store import MediaStoreError

logger = logging.getLogger(__name__)


def scope() -> Scope:
    """Return what the person sees."""
    return folders.scope_of(current_user())


def seen_folder(connection: Connection, uid: str) -> FolderInfo:
    """Return a folder that the person sees.

    Raises:
        ProblemError: There is none of this uid, for them.
    """
    with explained():
        return folders.find_folder(connection, scope(), uid)


def seen_creative(connection: Connection, uid: str) -> CreativeInfo:
    """Return a creative that the person sees; see `seen_folder`."""
    with explained():
        return catalogue.find_creative(connection, scope(), uid)


def seen_version(connection: Connection, uid: str, number: int) -> tuple[CreativeInfo, Version]:
    """Return a version that the person sees; see `seen_folder`."""
    with explained():
        return catalogue.find_version(connection, scope(), uid, number)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the library refuses into answers."""
    try:
        yield
    except NotInLibraryError:
        raise ProblemError(
            404,
            "not_found",
            lazy("The library has nothing at this address. Its first page lists what there is."),
        ) from None
    except LibraryError as error:
        raise ProblemError(409, "in_use", str(error)) from error


def store_away(error: MediaStoreError) -> ProblemError:
    """Return the answer while the media store cannot be used; its address is for the log only."""
    logger.warning("%s", error)
    return ProblemError(
        503,
        "store_away",
        lazy("The place where pictures and videos lie cannot be used now. Try again in a minute."),
        retry_after_s=30,
    )
