"""What the process of a console has to know about its kiosk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class ConsoleOrder(BaseModel):
    """What the console of one kiosk is to do; travels as JSON from the kiosk to the console.

    Attributes:
        database: File of the kiosk's database.
        settings_file: The settings file, which may not exist yet.
        options: What the kiosk's command line sets, by the name of the option; it is above the
            file.
        host, port: Where to listen.
        site: What the kiosk calls its site; `default` if nobody named it.
        time_zone: Of the site; `None` for the machine's.
        upload, min_viewers: What the kiosk sends, see `db.transfer.uplink.Joining`.
        setup: Secret of the link that leads to the set-up; `None` if nothing is to be set up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: Path
    settings_file: Path
    options: dict[str, Any] = {}
    host: str = "127.0.0.1"
    port: int = 8080
    site: str = "default"
    time_zone: str | None = None
    upload: Literal["sums", "cells"] = "sums"
    min_viewers: int = 5
    setup: str | None = None
