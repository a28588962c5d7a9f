"""Settings of the policies, importable without NumPy."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PolicySettings(BaseModel):
    """How a policy chooses. A policy ignores what does not concern it.

    Attributes:
        seed: Of all draws: the same seed and situations give the same choices.
        holdout: Share of the adaptive policies' choices that ignore the audience, 0 to 1, in steps
            of 0.001.
        floor: Share of every adaptive choice that is spread evenly, 0 to 1, so that each of n
            candidates has a probability of at least `floor / n`.
        wash_out_s: Seconds without a picture between two plays, 0 to 60, so that reactions do not
            spill over. Applied by `VirtualShow` and `AdPlayer`.
        min_audience: Adaptive policies look at the audience only from this many viewers on.
        blocked: Ids of ads that adaptive policies leave out while any other ad may play.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0)
    holdout: float = Field(0.1, ge=0, le=1)
    floor: float = Field(0.05, ge=0, le=1)
    wash_out_s: float = Field(0.0, ge=0, le=60)
    min_audience: int = Field(1, ge=1)
    blocked: tuple[str, ...] = ()
