from __future__ import annotations

import pytest

from models.config import Model
from models.nets.registry import build
from models.seeding import numpy_generator


@pytest.fixture
def make_net():
    """Build a small network: ``make_net(side=16, seed=1, channels=1, **model)``."""

    def make(*, side=16, seed=1, channels=1, **model):
        parameters = Model.model_validate(
            {"hidden_channels": 4, "modes": 4, "fno_blocks": 3, **model}
        )
        generator = numpy_generator(seed, "weights")
        return build(parameters, side=side, channels=channels, generator=generator)

    return make
