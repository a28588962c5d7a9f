"""The settings as text: the commented file of `config init`, and docs/reference/settings.md."""

from __future__ import annotations

import sys
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from monitor.settings.models import SECTIONS
from monitor.settings.sources import all_settings, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.settings.sources import Setting

_WIDTH = 100

_INTRODUCTION = """\
# Settings

<!-- Made by `python -m monitor.settings.page`; do not edit. -->

All settings of the program, with their options, environment variables and defaults.

`ad-monitor config init kiosk.yaml` writes a file with every setting, commented out, and
`ad-monitor config check kiosk.yaml` lists mistakes with their lines. `run`, `replay`, `serve`,
`hub serve`, `train` and `install` read the file with `--config kiosk.yaml`. Without `--config`,
they read `~/.config/ad-monitor/kiosk.yaml` if it exists. The set-up of a new kiosk and the
page Settings of a kiosk write that file: they keep comments, order and all other lines, and save
the previous version beside it as `kiosk.yaml.bak`.

A setting takes its value from the first of these that has one: option, environment variable,
settings file, the kiosk's hub ([a few settings](../explanation/hub.md#the-way-down)), default.
`ad-monitor config show --config kiosk.yaml` prints each value and where it comes from. Relative
paths in the file start at its folder, except for `camera.source`. In an environment variable,
separate the items of a list with commas.
"""


def settings_file() -> str:
    """Return a settings file with every setting, its default and one sentence, commented out."""
    lines = [
        "# Settings of the ad-reaction monitor. Remove the # before a setting to change it.",
        "# Options and environment variables override this file; see docs/reference/settings.md.",
    ]
    for section, settings in _sections():
        lines += ["", f"# {SECTIONS[section]}", f"{section}:"]
        for setting in settings:
            fallback = f" Default: {setting.fallback}." if setting.fallback else ""
            lines += textwrap.wrap(
                f"{setting.help}{fallback}", _WIDTH, initial_indent="  # ", subsequent_indent="  # "
            )
            value = None if setting.fallback else setting.field.get_default()
            default = "" if value is None else f" {shown(value)}"
            lines.append(f"  #{setting.key.split('.')[1]}:{default}")
    return "\n".join(lines) + "\n"


def reference_page() -> str:
    """Return docs/reference/settings.md."""
    parts = [_INTRODUCTION]
    for section, settings in _sections():
        parts.append(f"\n## `{section}`: {SECTIONS[section].lower().replace('`', '')}\n")
        for setting in settings:
            names = [setting.key, *([setting.option] if setting.option else []), setting.variable]
            default = "none" if setting.default_text in {"[]", "''"} else setting.default_text
            lines = [
                f"- {' · '.join(f'`{name}`' for name in names)}<br>",
                f"  {setting.help}<br>",
                f"  Default: {default} · Expected: {setting.expected}",
            ]
            parts += [
                textwrap.fill(
                    line,
                    _WIDTH,
                    subsequent_indent="  ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
                for line in lines
            ]
    return "\n".join(parts) + "\n"


def _sections() -> Iterator[tuple[str, list[Setting]]]:
    settings = all_settings().values()
    for section, members in groupby(settings, lambda setting: setting.key.split(".")[0]):
        yield section, list(members)


if __name__ == "__main__":
    sys.stdout.write(reference_page())
