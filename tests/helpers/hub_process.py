"""A real process of a hub, for tests and measurements."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def hub_process(
    url: str, log: Path, *arguments: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `ad-monitor hub serve`, by default on any free port; yield its address and process.

    Args:
        url: Of its database.
        log: Gets what it says.
        arguments: Further options.
    """
    command = [sys.executable, "-m", "monitor", "hub", "serve", "--db", url, "--port", "0"]
    with log.open("w") as errors:
        process = subprocess.Popen([*command, *arguments], stderr=errors, text=True)
    try:
        found = None
        while found is None:
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)
            found = re.search(r"https?://\S+:\d+(?=/ )", log.read_text())
        yield found[0], process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(300)
