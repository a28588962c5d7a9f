"""What has to be right in the environment before Qt starts. Imports no Qt, so it may be asked first."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

FOREIGN_VARIABLES = ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_PLUGIN_PATH", "QT_QPA_FONTDIR")
"""What importing OpenCV sets: its own Qt plugins, with which a PyQt5 application aborts, and a folder of fonts."""

HEADLESS_PLATFORMS = ("offscreen", "minimal")
"""Qt platforms that draw into memory only."""


def prepare(environ: MutableMapping[str, str] | None = None, *, offscreen: bool = False) -> bool:
    """Makes the environment fit for PyQt5; call it after OpenCV was imported and before the application is made.

    A path that points into OpenCV is taken out; one that a person set on purpose stays.

    Args:
        environ: The environment to change; the process's own by default.
        offscreen: Draw into memory, whether or not there is a screen.

    Returns:
        Whether a screen is there to show a window on. Without one, `QT_QPA_PLATFORM` is set to
        `offscreen`.
    """
    environ = os.environ if environ is None else environ
    for name in FOREIGN_VARIABLES:
        value = environ.get(name)
        if value is not None and "cv2" in value.replace("\\", "/").split("/"):
            del environ[name]
    if offscreen or not screen_available(environ):
        environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        if offscreen:
            environ["QT_QPA_PLATFORM"] = "offscreen"
        return False
    return True


def screen_available(environ: MutableMapping[str, str] | None = None) -> bool:
    """Whether a window would be seen by anybody.

    Args:
        environ: The environment to look at; the process's own by default.

    Returns:
        On Linux: whether a display is named or a platform that needs none (such as `eglfs`) was
        chosen; elsewhere always, unless a platform without a screen was chosen.
    """
    environ = os.environ if environ is None else environ
    platform = environ.get("QT_QPA_PLATFORM", "").split(":")[0]
    if platform:
        return platform not in HEADLESS_PLATFORMS
    if sys.platform.startswith("linux"):
        return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
    return True
