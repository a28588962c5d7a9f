"""The duties of a hub, and how often each is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.hub.alerts import AlertDuty
from monitor.hub.delivery import DeliveryDuty
from monitor.hub.duties import Duty
from monitor.hub.senders import policy_of, send

if TYPE_CHECKING:
    from datetime import datetime

    from db.hub.channels import KnownChannel
    from monitor.hub.messages import Message
    from monitor.settings.models import HubSettings


def hub_duties(settings: HubSettings) -> tuple[Duty, ...]:
    """Return what a hub does by itself."""
    policy = policy_of(settings.networks)

    def deliver(channel: KnownChannel, message: Message, now: datetime) -> None:
        send(channel, message, policy, now)

    return (
        Duty("alerts", 15, AlertDuty().run),
        Duty("deliveries", 5, DeliveryDuty(deliver).run),
    )
