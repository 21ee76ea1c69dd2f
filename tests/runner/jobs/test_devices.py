"""The choice of the device, on a machine without a GPU as on one that has some."""

import pytest

from runner.core.errors import EngineError, GpuError
from runner.engines import gpus
from runner.engines.gpus import Gpu
from runner.jobs.devices import choose_device, reserve_slots, with_no_other_device
from runner.manifest.tables import Resources
from runner.plan.model import Job, PlannedExecution

ONE = [Gpu(id="GPU-1", name="a GPU", memory_bytes=1, driver="1")]


@pytest.mark.parametrize(
    ("asked", "wants_gpu", "there", "device", "told"),
    [
        ("auto", False, ONE, "cpu", False),
        ("auto", True, ONE, "cuda", False),
        ("auto", True, [], "cpu", True),
        ("cpu", True, ONE, "cpu", True),
        ("cpu", False, [], "cpu", False),
        ("cuda", False, ONE, "cuda", False),
    ],
)
def test_the_device_follows_the_wish_and_the_machine(
    monkeypatch, asked, wants_gpu, there, device, told
):
    monkeypatch.setattr(gpus, "available", lambda: there)
    chosen, remark = choose_device(asked, wants_gpu=wants_gpu)
    assert chosen == device
    assert bool(remark) is told


def test_a_gpu_that_is_insisted_on_and_not_there_is_an_error_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="run with --device cpu"):
        choose_device("cuda", wants_gpu=True)


def test_what_is_made_again_is_not_told_to_compute_elsewhere():
    with pytest.raises(EngineError) as caught, with_no_other_device():
        raise GpuError("every GPU of this machine (2) is held by another runner; wait")
    told = str(caught.value)
    assert told.startswith("every GPU of this machine (2) is held by another runner; wait, or use")
    assert "or run with --device cpu" not in told


def test_a_gpu_that_is_gone_when_places_are_reserved_is_an_error_with_the_remedy(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    job = Job(
        name="one",
        experiment="train",
        parameters={},
        seed=1,
        execution=PlannedExecution(device="cuda", threads=1, determinism="portable"),
        resources=Resources(gpus=1),
        command=("true",),
        environment={},
        num_parameters=None,
        steps=None,
    )
    with (
        pytest.raises(EngineError, match=r"^no GPU for one: .*run with --device cpu$"),
        reserve_slots([job]),
    ):
        pass
