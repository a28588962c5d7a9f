"""What kiosk and hub say to each other, besides envelopes, as both read it.

Unknown keys are ignored, because one of the two may be newer.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from db.transfer.envelope import MAX_NUMBER

HUB_API = "/hub/v1/"
"""Below it are all calls between kiosk and hub."""

POLL_S = 3
"""How often a kiosk asks whether its code was accepted."""

Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Fact = Annotated[str, StringConstraints(max_length=200)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Secret = Annotated[str, StringConstraints(min_length=20, max_length=200)]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Facts(_Message):
    """What a kiosk says about itself, so that people know which machine they let in."""

    host: Fact = Field("", description="The machine's name.")
    site: Fact = Field("", description="What the kiosk calls its site.")
    os: Fact = Field("", description="Operating system.")
    program_version: Fact = Field("", description="Version of this program.")
    upload: Fact = Field("sums", description="What it will send: `sums` or `cells`.")


class PairingRequest(_Message):
    """A kiosk asks for a code to show."""

    kiosk: Hex = Field(description="The kiosk's id.")
    facts: Facts = Facts()


class PairingOffer(_Message):
    """The code to show, and the secret by which the kiosk asks whether it was accepted."""

    code: Code = Field(description="Six symbols.", examples=["K7M2QX"])
    claim: Secret = Field(description="256 random bits, for the kiosk only.")
    expires_at: AwareDatetime = Field(description="When the code becomes void.")


class Claim(_Message):
    """A kiosk asks whether its code was accepted."""

    claim: Secret = Field(description="As it was given with the code.")


class JoinRequest(PairingRequest):
    """A kiosk at which a screen's code was typed."""

    code: Code = Field(description="In any case, with or without blanks and hyphens.")


class Membership(_Message):
    """The kiosk's key, which is told once, and the screen that it fills."""

    key: Secret = Field(description="Sent with every envelope, as `Authorization: Bearer KEY`.")
    screen: Hex = Field(description="The screen's id.")
    name: str = Field(description="The screen's name.")
    site: str = Field("", description="The screen's site.")
    time_zone: str = Field("", description="The screen's time zone.")


class Receipt(_Message):
    """What the hub has after an envelope."""

    watermark: int = Field(
        ge=0, le=MAX_NUMBER, description="Number of the last record that is stored."
    )
    expected: int = Field(
        ge=1, le=MAX_NUMBER + 1, description="Number of the record that should come next."
    )
    time: AwareDatetime = Field(description="The hub's clock.")
    desired: int | None = Field(
        None,
        ge=0,
        description="`serial` of the kiosk's present document; with another one, get it at once.",
    )
