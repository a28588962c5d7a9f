"""Heads of known direction."""

from __future__ import annotations

import math

import numpy as np


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Head to camera (x right, y up, z to the camera): roll first, then pitch, then yaw, in
    degrees.
    """
    y, p, r = map(math.radians, (yaw, pitch, roll))
    turn = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    nod = np.array([[1, 0, 0], [0, math.cos(p), math.sin(p)], [0, -math.sin(p), math.cos(p)]])
    lean = np.array([[math.cos(r), math.sin(r), 0], [-math.sin(r), math.cos(r), 0], [0, 0, 1]])
    return turn @ nod @ lean
