"""Settings of the policies. The docstring of a field is its help on the command line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PolicySettings(BaseModel):
    """How a policy chooses. A policy ignores what does not concern it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0)
    """Seed of the policy's draws; the same seed and situations give the same choices."""
    holdout: float = Field(0.1, ge=0, le=1)
    """Share of the choices of mood and learn that ignore the audience, in steps of 0.001."""
    floor: float = Field(0.05, ge=0, le=1)
    """Share of every choice of mood and learn that is spread evenly over the ads."""
    wash_out_s: float = Field(0.0, ge=0, le=60)
    """Seconds without a picture between two ads, so that reactions do not spill over."""
    min_audience: int = Field(1, ge=1)
    """Viewers from which mood and learn look at the audience."""
    blocked: tuple[str, ...] = ()
    """Ids of ads that mood and learn leave out while any other ad may play."""
