"""The tables of a hub; in a kiosk's own database they are empty."""

from db.hub.tables import alerts, intake, library, people, reports, screens, shows

__all__ = ["alerts", "intake", "library", "people", "reports", "screens", "shows"]
