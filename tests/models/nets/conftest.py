from __future__ import annotations

import pytest

from models.config import BELONGS, Model
from models.nets.registry import build
from models.seeding import numpy_generator

SMALL = {"fno_blocks": 3, "cnn_blocks": 3, "modes": 4}


@pytest.fixture
def make_net():
    """Build a small network: ``make_net(side=16, seed=1, channels=1, **model)``."""

    def make(*, side=16, seed=1, channels=1, architecture="hybrid", **model):
        small = {knob: v for knob, v in SMALL.items() if architecture in BELONGS[knob]}
        parameters = Model.model_validate(
            {"architecture": architecture, "hidden_channels": 4, **small, **model}
        )
        generator = numpy_generator(seed, "weights")
        return build(parameters, side=side, channels=channels, generator=generator)

    return make
