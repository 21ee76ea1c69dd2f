"""Whether a plan fits a machine, and what it is told otherwise."""

import re
from dataclasses import replace

import pytest

from runner.core.errors import EngineError, ManifestError
from runner.manifest.model import load
from runner.plan.make import make_plan
from runner.plan.preflight import Machine, preflight, this_machine

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


def test_a_plan_that_fits_is_told_its_time_and_memory_and_nothing_else(planned):
    (note,) = preflight(planned(), MACHINE)
    assert re.fullmatch(
        r"arm one: 8200 steps on the CPU, roughly \d+\.\d min and 1\.\d GiB of memory", note
    )


def test_on_a_gpu_no_time_is_guessed(planned):
    assert preflight(planned(device="cuda"), MACHINE) == ()


def test_checkpoints_take_room_and_memory(planned):
    often = "2\ncheckpoint_every = { epochs = 5 }"
    preflight(planned(memory_gib="8\ndisk_gib = 1.6"), MACHINE)
    with pytest.raises(ManifestError, match=r"arm one will leave about 2\.\d+ GiB of files, more"):
        preflight(planned(threads=often, memory_gib="8\ndisk_gib = 1.6"), MACHINE)
    preflight(planned(memory_gib=1.5), MACHINE)
    with pytest.raises(ManifestError, match=r"arm one will take about 1\.\d+ GiB of memory, more"):
        preflight(planned(threads=often, memory_gib=1.5), MACHINE)


def test_a_full_disk_is_refused(planned):
    with pytest.raises(
        EngineError, match=r"^the run writes about \d\.\d+ GiB and the disk has 0\.10 "
    ):
        preflight(planned(), replace(MACHINE, free_disk_bytes=GIB // 10))


def test_a_disk_without_inodes_is_refused(planned):
    assert preflight(planned(), replace(MACHINE, free_files=1000))
    with pytest.raises(EngineError, match=r"makes about 310 files .* room for 20 more \(inodes\)"):
        preflight(planned(), replace(MACHINE, free_files=20))


def test_a_full_disk_of_what_is_kept_is_refused(planned):
    with pytest.raises(EngineError, match=r"datasets take about .* has 3 KiB left.*PHASEHUB_STATE"):
        preflight(planned(), replace(MACHINE, free_state_bytes=3 << 10))


def test_a_memory_limit_below_the_estimate_is_refused_with_what_would_help(planned):
    with pytest.raises(ManifestError) as caught:
        preflight(planned(memory_gib=0.5), MACHINE)
    assert re.fullmatch(
        r"arm one will take about 1\.\d GiB of memory, more than its resources\.memory_gib 0\.5; "
        r"raise it, or save memory: model\.max_hidden_channels = 128 \(\d\.\d+ GiB\), "
        r"model\.max_levels = 2 \(\d\.\d+ GiB\)",
        str(caught.value),
    )


def test_a_machine_with_too_little_memory_is_refused(planned):
    with pytest.raises(
        EngineError,
        match=r"^arm one will take about 1\.\d GiB of memory and the machine has 0\.25 GiB; take a "
        r"larger one, or save memory: ",
    ):
        preflight(planned(), replace(MACHINE, memory_bytes=GIB // 4))


def test_a_gpu_with_too_little_memory_is_refused(planned):
    machine = replace(MACHINE, gpu_bytes=GIB // 8)
    with pytest.raises(
        EngineError,
        match=r"^arm one will take about 0\.\d\d GiB of a GPU's memory and the GPU has 0\.12 GiB; "
        r"take a larger one, run with --device cpu, or save memory: "
        r"model\.activation_checkpointing = true \(",
    ):
        preflight(planned(device="cuda"), machine)
    assert preflight(planned(device="cuda"), replace(MACHINE, gpu_bytes=8 * GIB)) == ()


def test_every_arm_that_does_not_fit_is_named(planned):
    plan = planned()
    (one,) = plan.arms
    both = plan.model_copy(update={"arms": (one, one.model_copy(update={"name": "two"}))})
    with pytest.raises(EngineError) as caught:
        preflight(both, replace(MACHINE, memory_bytes=GIB // 4))
    assert [line.split()[1] for line in str(caught.value).splitlines()] == ["one", "two"]


def test_nothing_is_known_of_the_sizes_of_a_command_of_the_manifests_own(planned):
    plan = planned(memory_gib=0.25)
    (one,) = plan.arms
    # As plans of earlier versions have it: with a number of parameters.
    large = {"num_parameters": 10**12, "command": ("run", "me")}
    own = plan.model_copy(update={"arms": (one.model_copy(update=large),)})
    assert preflight(own, MACHINE) == ("arm one: own command, no estimate of its time and memory",)


def test_more_threads_than_processors_are_noted(planned):
    notes = preflight(planned(threads=4), MACHINE)
    assert "arm one runs 4 threads on 2 processors: slower, with the same result" in notes


def test_this_machine_has_something_to_offer(tmp_path):
    machine = this_machine(tmp_path / "not" / "yet" / "there")
    assert machine.free_disk_bytes > 0
    assert machine.memory_bytes > 0
    assert machine.processors >= 1
    assert machine.gpu_bytes is None
