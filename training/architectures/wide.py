"""A teacher for `compact`: the same network, wider and deeper, and half as fast."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from training.architectures import compact
from training.fit.schedule import Stage

RECIPE = replace(compact.RECIPE, stages=(Stage(32, 20), Stage(40, 12), Stage(48, 16)))

build = partial(compact.build, name="wide", widths=(64, 128, 256), blocks=(1, 2, 2), dropout=0.35)
