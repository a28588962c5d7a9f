"""The command line."""

import os

# The search for plugins takes a tenth of the time of `--help`.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from monitor.cli.main import main

__all__ = ["main"]
