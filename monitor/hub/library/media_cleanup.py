"""Delete what the media store need not keep: files that nothing shows, broken-off uploads."""

from __future__ import annotations

import json
import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING

from db.engine import writing
from db.hub.library import media, uploads
from monitor.hub.library.media_store import MediaStoreError
from monitor.hub.library.uploads import KEPT_FOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

    from monitor.hub.library.media_store import MediaStore

logger = logging.getLogger(__name__)

GRACE = timedelta(days=2)
"""How long a file is kept that nothing refers to: an upload may be about to."""


def cleaner(store: MediaStore) -> Callable[[Engine, datetime], None]:
    """Return what cleans a store up, as a duty of the hub."""

    def clean(engine: Engine, now: datetime) -> None:
        try:
            clean_up(engine, store, now)
        except MediaStoreError as error:
            logger.warning("%s Trying again in three hours.", error)

    return clean


def clean_up(engine: Engine, store: MediaStore, now: datetime) -> int:
    """Delete what is no longer needed; return how many media files that were.

    Files stay that a version of an ad shows, that the document of a screen names, or that are
    younger than `GRACE`.

    Raises:
        MediaStoreError: The store cannot be used.
    """
    with writing(engine) as connection:
        uploads.drop_old(connection, now - KEPT_FOR)
        going_on = uploads.known_uids(connection)
    for uid in store.waiting_uploads() - going_on:
        store.drop_parts(uid)
    store.clean_up(KEPT_FOR)
    old = now - GRACE
    # What is there is listed first: a file that comes meanwhile is then not among it.
    found = [one.name for one in store.stored() if one.written_at and one.written_at < old]
    with writing(engine) as connection:
        named = _named_by_documents(connection)
        media.drop_unused_media(connection, old, named)
        kept = media.known_media(connection) | named
    unused = [name for name in found if name not in kept]
    for name in unused:
        store.delete(name)
    if unused:
        logger.info("Deleted %d files of the media store that nothing shows", len(unused))
    return len(unused)


def _named_by_documents(connection: Connection) -> set[str]:
    found: set[str] = set()
    for document in media.shown_documents(connection):
        found.update(re.findall(r"\b[0-9a-f]{64}\b", json.dumps(document)))
    return found
