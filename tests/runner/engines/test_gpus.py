"""GPUs: what the driver or a file lists, and what this process may use."""

import ctypes
import json
import threading
from dataclasses import replace

import pynvml
import pytest

from runner.core.errors import EngineError
from runner.engines import nvml
from runner.engines.gpus import Gpu, available, gpu, used_bytes, visible
from tests.nvidia_driver import Chip, Driver

FIRST = "GPU-6a1e4ef1-0000-4000-8000-000000000001"
SECOND = "GPU-9b2f5fa2-0000-4000-8000-000000000002"
CHIPS = (
    Chip(uuid=FIRST, name="NVIDIA GeForce RTX 3090", memory=24576 << 20),
    Chip(uuid=SECOND, mig=pynvml.NVML_DEVICE_MIG_DISABLE),
)
PARTITIONED = "GPU-c3d4e5f6-0000-4000-8000-000000000003"
SMALL = "MIG-1d3a0000-0000-4000-8000-000000000004"
LARGE = "MIG-7e8f0000-0000-4000-8000-000000000005"
MIG = Chip(
    uuid=PARTITIONED,
    mig=pynvml.NVML_DEVICE_MIG_ENABLE,
    slots=(
        None,
        Chip(uuid=SMALL, name="NVIDIA H200 MIG 1g.18gb", memory=16 << 30),
        Chip(uuid=LARGE, name="NVIDIA H200 MIG 3g.71gb", memory=69 << 30),
        None,
    ),
)


def device(uuid):
    return nvml.Device(uuid=uuid, name="a GPU", memory_bytes=1, driver="550.54.14")


def card(uuid, *instances):
    return nvml.Card(uuid=uuid, devices=tuple(map(device, instances or (uuid,))))


CARDS = (card(FIRST), card(SECOND))


def test_a_gpu_is_what_the_driver_says_of_it():
    told = nvml.Device(uuid=FIRST, name="NVIDIA H200", memory_bytes=24 << 30, driver="550.54.14")
    assert gpu(told) == Gpu(id=FIRST, name="NVIDIA H200", memory_bytes=24 << 30, driver="550.54.14")
    assert gpu(replace(told, uuid=SMALL)).id == SMALL


def test_memory_that_the_driver_does_not_tell_is_none():
    assert gpu(replace(device(FIRST), memory_bytes=None)).memory_bytes is None


@pytest.mark.parametrize(
    "uuid", ["", "0", "GPU-", "GPU-1/../2", "GPU-1\n", "MIG-GPU-1/1/0", "gpu-1"]
)
def test_an_id_of_another_form_is_refused(uuid):
    with pytest.raises(EngineError, match=r"expected GPU-… or MIG-…"):
        visible([*CARDS, card(uuid)], None)


@pytest.mark.parametrize(
    ("setting", "ids"),
    [
        (None, [FIRST, SECOND]),
        ("", []),
        ("1", [SECOND]),
        ("1, 0", [SECOND, FIRST]),
        ("GPU-9b2f", [SECOND]),
        ("0,7,1", [FIRST]),
        ("-1", []),
        ("GPU-", []),
        ("NoDevFiles", []),
    ],
)
def test_what_cuda_may_not_see_is_not_available(setting, ids):
    assert [gpu.id for gpu in visible(CARDS, setting)] == ids


@pytest.mark.parametrize(
    ("setting", "ids"),
    [
        (None, [FIRST, SMALL, LARGE, SECOND]),
        (LARGE, [LARGE]),
        ("MIG-7e8f,MIG-1d3a", [LARGE, SMALL]),
        (f"{LARGE},{FIRST}", [LARGE, FIRST]),
        ("MIG-", []),
        (f"MIG-{PARTITIONED}/1/0", []),
        ("1,2", [SMALL, SECOND]),
        (PARTITIONED, [SMALL]),
        ("3", []),
    ],
)
def test_of_a_partitioned_gpu_an_instance_is_named_and_the_first_otherwise(setting, ids):
    cards = [card(FIRST), card(PARTITIONED, SMALL, LARGE), card(SECOND)]
    assert [gpu.id for gpu in visible(cards, setting)] == ids


def test_a_partitioned_gpu_without_instances_can_not_be_used():
    empty = nvml.Card(uuid=PARTITIONED, devices=())
    assert visible([empty, card(FIRST)], None) == [gpu(device(FIRST))]
    assert visible([empty, card(FIRST)], "0,1") == []


def test_the_driver_is_asked_for_every_gpu_with_its_memory_and_version(monkeypatch):
    driver = Driver(list(CHIPS)).install(monkeypatch)
    first, second = available()
    assert first == Gpu(
        id=FIRST, name="NVIDIA GeForce RTX 3090", memory_bytes=24 << 30, driver="550.54.14"
    )
    assert (second.id, second.memory_bytes) == (SECOND, 143771 << 20)
    assert driver.num_open == 0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert available() == [second]


def test_of_a_partitioned_gpu_its_instances_are_given_and_not_the_whole(monkeypatch):
    driver = Driver([CHIPS[0], MIG]).install(monkeypatch)
    assert available()[1:] == [
        Gpu(id=SMALL, name=MIG.slots[1].name, memory_bytes=16 << 30, driver=driver.version),
        Gpu(id=LARGE, name=MIG.slots[2].name, memory_bytes=69 << 30, driver=driver.version),
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", LARGE)
    assert [gpu.id for gpu in available()] == [LARGE]


def test_a_driver_that_knows_of_no_instances_has_whole_gpus(monkeypatch):
    Driver(list(CHIPS), knows_mig=False).install(monkeypatch)
    assert [gpu.id for gpu in available()] == [FIRST, SECOND]


def test_a_gpu_that_tells_no_memory_is_one(monkeypatch):
    shared = Chip(uuid=FIRST, memory_error=pynvml.NVML_ERROR_NOT_SUPPORTED)
    Driver([shared]).install(monkeypatch)
    assert [gpu.memory_bytes for gpu in available()] == [None]


def test_a_gpu_that_is_another_s_is_not_counted(monkeypatch):
    kept = Chip(uuid=PARTITIONED, error=pynvml.NVML_ERROR_NO_PERMISSION)
    Driver([kept, *CHIPS]).install(monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert [gpu.id for gpu in available()] == [FIRST]


def test_a_machine_without_driver_has_no_gpu():
    """pynvml looks for the library itself, and finds none."""
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        assert available() == []
    else:
        pytest.skip("this machine has the driver's library")


def test_a_driver_without_devices_has_no_gpu(monkeypatch):
    Driver([]).install(monkeypatch)
    assert available() == []


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "version mismatch"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "Driver Not Loaded"),
    ],
)
def test_a_broken_driver_is_an_error_and_not_the_absence_of_a_gpu(monkeypatch, code, problem):
    Driver([], init_error=code).install(monkeypatch)
    with pytest.raises(EngineError, match=rf"{problem}\. Check the driver, .*--device cpu"):
        available()


def test_a_gpu_that_is_lost_is_an_error_and_the_library_is_left_closed(monkeypatch):
    lost = Chip(uuid=SECOND, error=pynvml.NVML_ERROR_GPU_IS_LOST)
    driver = Driver([CHIPS[0], lost]).install(monkeypatch)
    with pytest.raises(EngineError, match="GPU is lost"):
        available()
    assert driver.num_open == 0


def test_a_driver_that_does_not_answer_is_not_waited_for(monkeypatch):
    answer = threading.Event()

    class Stuck(Driver):
        def _nvmlDeviceGetCount(self, count):
            answer.wait()
            return super()._nvmlDeviceGetCount(count)

    Stuck([]).install(monkeypatch)
    monkeypatch.setattr(nvml, "ANSWER_S", 0.05)
    try:
        with pytest.raises(EngineError, match="does not answer; check the driver"):
            available()
    finally:
        answer.set()


def test_a_file_lists_gpus_in_place_of_the_driver(tmp_path, monkeypatch):
    Driver([]).install(monkeypatch)
    instances = [{"id": SMALL, "name": "an instance", "memory_mib": 1024, "used_mib": 512}]
    gpus = [{"id": FIRST, "memory_mib": 2}, {"id": PARTITIONED, "instances": instances}]
    file = tmp_path / "gpus.json"
    monkeypatch.setenv("PHASEHUB_DEVICES", str(file))
    file.write_text(json.dumps({"gpus": gpus}))
    assert [(gpu.id, gpu.memory_bytes) for gpu in available()] == [
        (FIRST, 2 << 20),
        (SMALL, 1 << 30),
    ]
    assert used_bytes() == {FIRST: None, SMALL: 512 << 20}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [gpu.id for gpu in available()] == [SMALL]
    file.write_text(json.dumps({"gpus": [{"id": FIRST, "memory_mib": -1}]}))
    with pytest.raises(EngineError, match=r"gpus\.json: gpus.*memory_mib.*mend the file or unset"):
        available()


def test_the_driver_tells_how_much_of_a_gpu_is_used(monkeypatch):
    Driver([replace(CHIPS[0], used=5 << 30), CHIPS[1]]).install(monkeypatch)
    assert used_bytes() == {FIRST: 5 << 30, SECOND: 0}


@pytest.mark.gpu
def test_this_machine_s_gpus_are_listed():
    gpus = available()
    if not gpus:
        pytest.skip("no GPU")
    assert all(gpu.id.startswith(("GPU-", "MIG-")) and gpu.memory_bytes for gpu in gpus)
