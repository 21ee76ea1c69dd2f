"""Whether a plan fits a machine, and what it is told otherwise."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.config import Dataset, Parameters, step_operations
from runner.errors import EngineError, ManifestError
from runner.manifest import load
from runner.plan import make_plan
from runner.preflight import (
    Machine,
    cpu_seconds,
    dataset_bytes,
    least_memory_bytes,
    preflight,
    this_machine,
)

GIB = 2**30
MACHINE = Machine(free_disk_bytes=100 * GIB, memory_bytes=16 * GIB, processors=2)

MANIFEST = """\
schema_version = 1
[phase]
name = "sized"
title = "One arm"
question = "Does it fit?"
seed = 7
[resources]
threads = 2
memory_gib = 8
[[arms]]
name = "one"
"""


@pytest.fixture
def planned(tmp_path):
    def plan(*, device="cpu", **changes):
        text = MANIFEST
        for key, value in changes.items():
            assert f"\n{key} = " in text
            text = "\n".join(
                f"{key} = {value}" if line.startswith(f"{key} = ") else line
                for line in text.split("\n")
            )
        (tmp_path / "sized.toml").write_text(text)
        return make_plan(load(tmp_path / "sized.toml"), device=device)

    return plan


def test_a_plan_that_fits_is_told_its_time_and_nothing_else(planned):
    (note,) = preflight(planned(), MACHINE)
    assert note.startswith("arm one: 8200 steps on the CPU, roughly ")


def test_on_a_gpu_no_time_is_guessed(planned):
    assert preflight(planned(device="cuda"), MACHINE) == ()


def test_a_full_disk_is_refused(planned):
    with pytest.raises(EngineError, match=r"^the run writes about 0\.5 GiB and the disk has 0\.1 "):
        preflight(planned(), replace(MACHINE, free_disk_bytes=GIB // 10))


def test_a_memory_limit_below_data_and_weights_is_refused(planned):
    with pytest.raises(
        ManifestError, match=r"^arm one: resources\.memory_gib 0\.25 is below the 0\.\d GiB that"
    ):
        preflight(planned(memory_gib=0.25), MACHINE)


def test_a_machine_with_too_little_memory_is_noted(planned):
    notes = preflight(planned(), replace(MACHINE, memory_bytes=GIB // 4))
    assert any(note.startswith("arm one takes at least 0.") for note in notes)


def test_more_threads_than_processors_are_noted(planned):
    notes = preflight(planned(threads=4), MACHINE)
    assert "arm one runs 4 threads on 2 processors: slower, with the same result" in notes


def test_the_size_of_a_dataset_counts_patches_and_objects():
    dataset = Dataset(object_size=256, patch_size=32, train_stride=5, test_stride=6)
    # 45² training and 38² test patches; two objects of 256² px.
    assert dataset_bytes(dataset) == 12 * 32**2 * (45**2 + 38**2) + 8 * 2 * 256**2


def test_larger_networks_take_more_operations_memory_and_time(planned):
    def parameters(**model):
        return Parameters.model_validate({"model": model})

    small, large = parameters(hidden_channels=16), parameters(hidden_channels=32)
    assert 3 < step_operations(large) / step_operations(small) < 4
    assert least_memory_bytes(large) > least_memory_bytes(small)
    two, one = planned(threads=2).arms[0], planned(threads=1).arms[0]
    assert cpu_seconds(two) < cpu_seconds(one) < 2 * cpu_seconds(two)


def test_this_machine_has_something_to_offer(tmp_path):
    machine = this_machine(tmp_path / "not" / "yet" / "there")
    assert machine.free_disk_bytes > 0
    assert machine.memory_bytes > 0
    assert machine.processors >= 1


def test_the_quickstart_is_expected_to_take_minutes_and_phase8_to_take_hours():
    manifests = Path(__file__).parents[2] / "manifests"
    quickstart = make_plan(load(manifests / "quickstart.toml"))
    phase8 = make_plan(load(manifests / "phase8.toml"))
    assert all(cpu_seconds(job) < 180 for job in quickstart.arms)
    assert all(1800 < cpu_seconds(job) < 4 * 3600 for job in phase8.arms)
