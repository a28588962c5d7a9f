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

Made by `python -m monitor.settings.page`; do not edit.

`ad-monitor config init kiosk.yaml` writes a file with every setting, commented out.
`ad-monitor config check kiosk.yaml` names each mistake with its line. `run`, `replay`,
`serve`, `hub serve`, `train` and `install` read it with `--config kiosk.yaml`. Without `--config`
they read `~/.config/ad-monitor/kiosk.yaml` if it is there; the set-up of a new kiosk and the
console's page of settings write that file. They change only what was changed there: comments,
order and all other lines stay, and the file as it was before lies beside it as `kiosk.yaml.bak`.

A setting comes from the first of these that has it: option, environment variable, settings file,
the kiosk's hub ([a few](../explanation/hub.md#the-way-down)), default. `ad-monitor config show
--config kiosk.yaml` prints each value and where it comes from. Relative paths in the file begin in
its folder, except for `camera.source`. In an environment variable, commas separate the items of a
list.
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
            names = [f"`{setting.key}`", *([f"`{setting.option}`"] if setting.option else [])]
            facts = f"Default: {setting.default_text}. Expected: {setting.expected}."
            text = f"- {', '.join([*names, f'`{setting.variable}`'])}: {setting.help} {facts}"
            parts.append(
                textwrap.fill(
                    text,
                    _WIDTH,
                    subsequent_indent="  ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
    return "\n".join(parts) + "\n"


def _sections() -> Iterator[tuple[str, list[Setting]]]:
    settings = all_settings().values()
    for section, members in groupby(settings, lambda setting: setting.key.split(".")[0]):
        yield section, list(members)


if __name__ == "__main__":
    sys.stdout.write(reference_page())
