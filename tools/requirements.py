"""Print what pip has to install for this project, read from setup.cfg.

MediaPipe's metadata asks for JAX (360 MB), which the parts that are used here never import, and for
a second OpenCV (91 MB), whose modules beyond those of the first nobody imports either. It is
therefore installed without its dependencies; those that it needs are in `install_requires`.

    python tools/requirements.py [EXTRA ...]      everything but these two, with these extras
    python tools/requirements.py --alone          MediaPipe, to be installed with --no-deps
"""

from __future__ import annotations

import sys
from configparser import ConfigParser
from pathlib import Path

SECOND_OPENCV = "opencv-contrib-python"


def main() -> None:
    """Print one requirement a line."""
    config = ConfigParser(interpolation=None)
    config.read(Path(__file__).parents[1] / "setup.cfg", encoding="utf-8")
    alone = sys.argv[1:] == ["--alone"]
    texts = [config["options"]["install_requires"]]
    if not alone:
        texts += [config["options.extras_require"][extra] for extra in sys.argv[1:]]
    lines = [line for text in texts for line in text.split("\n") if line]
    for line in lines:
        if alone == line.startswith("mediapipe") and not line.startswith(SECOND_OPENCV):
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
