"""The knobs of the optimizers; a table each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.config.tables import BelowOne, Table

Betas = tuple[BelowOne, BelowOne]
WeightDecay = Annotated[float, Field(ge=0.0)]

ADAM_FIXED: dict[str, object] = {"amsgrad": False, "eps": 1e-8, "maximize": False}
"""What both forms of Adam have no knob for."""

_BETAS = "Decay rates of the running means of the gradient and of its square."


class Adam(Table):
    """Adam; the penalty is added to the gradient."""

    kind: Literal["adam"] = Field("adam", description="Adam.")
    betas: Betas = Field((0.9, 0.999), description=_BETAS)
    weight_decay: WeightDecay = Field(0.0, description="L2 penalty, added to the gradient.")

    @property
    def fixed(self) -> dict[str, object]:
        """Settings of torch's class that have no knob, by their names there."""
        return ADAM_FIXED | {"decoupled_weight_decay": False}


class AdamW(Table):
    """Adam with decoupled weight decay."""

    kind: Literal["adamw"] = Field("adamw", description="Adam with decoupled weight decay.")
    betas: Betas = Field((0.9, 0.999), description=_BETAS)
    weight_decay: WeightDecay = Field(
        0.01, description="Share of a weight, times the learning rate, taken off at each step."
    )

    @property
    def fixed(self) -> dict[str, object]:
        """As those of ``Adam``."""
        return ADAM_FIXED | {"decoupled_weight_decay": True}


class Sgd(Table):
    """Stochastic gradient descent; Nesterov's form whenever there is momentum."""

    kind: Literal["sgd"] = Field(
        "sgd", description="Stochastic gradient descent, Nesterov's form if there is momentum."
    )
    momentum: BelowOne = Field(0.9, description="Share of the last update that is kept.")
    weight_decay: WeightDecay = Field(0.0, description="L2 penalty, added to the gradient.")

    @property
    def fixed(self) -> dict[str, object]:
        """As those of ``Adam``."""
        return {"dampening": 0.0, "maximize": False, "nesterov": self.momentum > 0}


Optimizer = Annotated[Adam | AdamW | Sgd, Field(discriminator="kind")]
