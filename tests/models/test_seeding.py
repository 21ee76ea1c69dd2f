from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from models.config import PORTABLE
from models.seeding import numpy_generator, seed_of


def test_the_same_seed_and_stream_give_the_same_numbers():
    first, second = numpy_generator(7, "weights"), numpy_generator(7, "weights")
    assert np.array_equal(first.random(100), second.random(100))


@pytest.mark.parametrize("other", [(8, "weights"), (7, "order"), (7, "Weights")])
def test_another_seed_or_stream_gives_unrelated_numbers(other):
    numbers = numpy_generator(7, "weights").standard_normal(20_000)
    others = numpy_generator(*other).standard_normal(20_000)
    assert abs(np.corrcoef(numbers, others)[0, 1]) < 0.03


def test_a_stream_is_independent_of_what_others_have_drawn():
    numpy_generator(7, "weights").random(1000)
    np.random.default_rng(3).random(10)
    np.random.seed(5)
    assert numpy_generator(7, "order").random() == numpy_generator(7, "order").random()


def test_the_streams_are_the_published_ones():
    """Golden values: a silent change of the derivation would change every result."""
    numbers = numpy_generator(20260128, "noise").integers(2**32, size=3)
    assert numbers.tolist() == [2186672099, 3769172901, 2913764034]


def test_a_stream_knows_its_seed_after_it_has_been_drawn_from():
    generator = numpy_generator(20260128, "order")
    generator.permutation(1000)
    assert seed_of(generator) == 20260128


def test_a_foreign_generator_is_not_taken_for_a_stream():
    with pytest.raises(ValueError, match="no stream"):
        seed_of(np.random.default_rng(3))


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed -1 is negative"):
        numpy_generator(-1, "noise")


def test_drawing_noise_does_not_load_torch():
    code = (
        "import sys; from models.seeding import numpy_generator;"
        "numpy_generator(1, 'noise'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("dropped", [None, *PORTABLE])
def test_a_process_is_portable_only_if_it_was_started_with_every_variable(dropped):
    code = (
        "import json, os; from models.seeding import missing_variables, reach;"
        "os.environ.update(MKL_CBWR='AVX512');"
        "print(json.dumps([reach(), missing_variables('portable'), missing_variables('native')]))"
    )
    given = {name: value for name, value in PORTABLE.items() if name != dropped}
    inherited = {name: value for name, value in os.environ.items() if name not in PORTABLE}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=inherited | given, capture_output=True, text=True, check=True,
    )  # fmt: skip
    missing = {name: PORTABLE[name] for name in [dropped] if name}
    assert json.loads(done.stdout) == ["native" if missing else "portable", missing, {}]


def test_the_switches_are_set_and_read_back():
    code = (
        "import json; from models.seeding import determinism, make_deterministic;"
        "before = determinism(); make_deterministic(2); print(json.dumps([before, determinism()]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout)
    assert before["deterministic_algorithms"] is False
    assert after == {
        "deterministic_algorithms": True,
        "determinism": "native",
        "threads": 2,
        "float32_matmul_precision": "highest",
        "cudnn_deterministic": True,
        "cudnn_benchmark": False,
        "cudnn_allow_tf32": False,
        "cuda_matmul_allow_tf32": False,
    }
