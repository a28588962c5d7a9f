"""The Jinja environment of the papers' templates."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


@functools.cache
def environment() -> Environment:
    """Return the environment; it escapes all values."""
    import jinja2  # noqa: PLC0415 - slow to import

    from monitor.languages.jinja import install_texts  # noqa: PLC0415 - imports Jinja

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install_texts(found)
    return found
