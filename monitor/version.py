"""The version of the program, from the installed distribution."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("ad-reaction-monitor")
except PackageNotFoundError:  # run from a folder that was never installed
    VERSION = "0+unknown"
