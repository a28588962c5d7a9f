"""The kiosk with its window, drawn into memory, that notes when it painted which picture of which
ad.

    python painted_kiosk.py SOURCE PLAYLIST DATABASE PAINTS

It runs until it gets SIGTERM, and then writes a list of [nanoseconds of the monotonic clock, play,
position in ms].
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from monitor.kiosk import app
from monitor.settings.models import RunSettings


def main() -> None:
    source, playlist, database, out = sys.argv[1:]
    paints: list[tuple[int, int, float]] = []
    open_window = app._open_window

    def open_and_watch(*parts):
        window = open_window(*parts)
        window.ad_view.painted.connect(
            lambda picture: paints.append(
                (time.monotonic_ns(), picture.play_number, picture.position_ms)
            )
        )
        return window

    app._open_window = open_and_watch
    app.run_window(
        RunSettings(source=source, playlist=Path(playlist), database=database), offscreen=True
    )
    Path(out).write_text(json.dumps(paints))


if __name__ == "__main__":
    main()
