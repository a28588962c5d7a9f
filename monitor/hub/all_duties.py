"""The duties of a hub, and how often each is due."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from monitor.hub.alerts.delivery import DeliveryDuty
from monitor.hub.alerts.rules import AlertDuty
from monitor.hub.alerts.senders import sender
from monitor.hub.bookings.behind import campaign_watch
from monitor.hub.duties import Duty
from monitor.hub.people.upkeep import account_upkeep
from monitor.hub.shows.publishing import renew

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from monitor.settings.models import HubSettings

logger = logging.getLogger(__name__)


def hub_duties(settings: HubSettings) -> tuple[Duty, ...]:
    """Return what a hub does by itself.

    Raises:
        LakeError: The settings name a lake that is none.
        MediaStoreError: The settings name a media store that is none.
    """
    deliveries = DeliveryDuty(sender(settings), language=settings.message_language)
    return (
        Duty("alerts", 15, AlertDuty().run),
        Duty("campaigns", 900, campaign_watch(settings.min_viewers)),
        Duty("deliveries", 5, deliveries.run),
        Duty("shows", 900, renew),
        Duty("media", 10_800, media_cleaner(settings)),
        Duty("upkeep", 3600, account_upkeep(settings.audit_days)),
        *(() if settings.lake is None else (Duty("lake", 600, lake_writer(settings)),)),
        *(() if settings.mqtt is None else (Duty("mqtt", 10, publisher(settings.mqtt, settings)),)),
    )


def media_cleaner(settings: HubSettings) -> Callable[[Engine, datetime], None]:
    """Return what deletes the files of the media store that nothing shows.

    Raises:
        MediaStoreError: The settings name no store.
    """
    from monitor.hub.library.media_cleanup import cleaner  # noqa: PLC0415 (slow to import)
    from monitor.hub.library.media_store import media_store  # noqa: PLC0415

    return cleaner(media_store(settings))


def publisher(address: str, settings: HubSettings) -> Callable[[Engine, datetime], None]:
    """Return what publishes the screens to the broker at an address."""
    from monitor.hub.monitoring.mqtt import MqttDuty  # noqa: PLC0415 (rarely needed)

    prefix = settings.mqtt_discovery
    return MqttDuty(address, None if prefix == "none" else prefix, settings.min_viewers).run


def lake_writer(settings: HubSettings) -> Callable[[Engine, datetime], None]:
    """Return what writes the lake of the settings where a night has come and it is not done yet.

    Raises:
        LakeError: The settings name no lake.
    """
    from monitor.hub.lake.errors import LakeError  # noqa: PLC0415
    from monitor.hub.lake.store import Lake  # noqa: PLC0415 (slow to import)
    from monitor.hub.lake.writing import write_due  # noqa: PLC0415

    lake = Lake(settings.lake or "")

    def write(engine: Engine, now: datetime) -> None:
        try:
            write_due(engine, lake, now, min_viewers=settings.min_viewers)
        except LakeError as error:
            logger.warning("%s Trying again in ten minutes.", error)

    return write
