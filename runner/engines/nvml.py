"""What the NVIDIA driver says of its GPUs, through its library NVML; as it says it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

import pynvml

from runner.core.errors import GpuError

ANSWER_S = 60.0
"""The longest wait for the driver, s; a broken one may never answer."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """What can be computed on: a whole GPU, or an instance of one that is partitioned (MIG)."""

    uuid: str
    name: str
    memory_bytes: int | None
    driver: str
    used_bytes: int | None = None
    """Memory that somebody uses now."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A GPU, and what can be computed on: itself, or its instances where it is partitioned."""

    uuid: str
    devices: tuple[Device, ...]


def cards() -> list[Card]:
    """The GPUs of this machine in the driver's order; none without an NVIDIA driver.

    Raises ``GpuError`` where there is a driver that fails: that is not the absence of a GPU.
    """
    try:
        return _in_time(_read)
    except pynvml.NVMLError_LibraryNotFound:
        return []
    except pynvml.NVMLError as error:
        problem = str(error).rstrip(".")
        raise GpuError(f"the NVIDIA driver failed: {problem}. Check the driver") from None
    except TimeoutError:
        raise GpuError("the NVIDIA driver does not answer; check the driver") from None


def _in_time(ask: Callable[[], list[Card]]) -> list[Card]:
    """Ask in a thread of its own, for which nobody waits after ``TimeoutError``."""
    answer: Future[list[Card]] = Future()

    def give() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:  # raised again where it is waited for
            answer.set_exception(error)

    threading.Thread(target=give, daemon=True).start()
    return answer.result(ANSWER_S)


def _read() -> list[Card]:
    pynvml.nvmlInit()
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        return [_card(handle, driver) for handle in _permitted()]
    finally:
        pynvml.nvmlShutdown()


def _permitted() -> Iterator[object]:
    """The GPUs that this process may use; the driver counts the others as well."""
    for index in range(pynvml.nvmlDeviceGetCount()):
        with suppress(pynvml.NVMLError_NoPermission):
            yield pynvml.nvmlDeviceGetHandleByIndex(index)


def _card(handle: object, driver: str) -> Card:
    usable = _instances(handle) if _is_partitioned(handle) else [handle]
    return Card(
        uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
        devices=tuple(_device(one, driver) for one in usable),
    )


def _is_partitioned(handle: object) -> bool:
    try:
        now, _after_reset = pynvml.nvmlDeviceGetMigMode(handle)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        return False  # a GPU, or a driver, that knows of no instances
    return bool(now == pynvml.NVML_DEVICE_MIG_ENABLE)


def _instances(handle: object) -> Iterator[object]:
    """The instances of a partitioned GPU; their numbers may have gaps."""
    for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        with suppress(pynvml.NVMLError_NotFound):
            yield pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)


def _device(handle: object, driver: str) -> Device:
    memory_bytes = used_bytes = None
    with suppress(pynvml.NVMLError_NotSupported):
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        memory_bytes, used_bytes = int(memory.total), int(memory.used)
    return Device(
        uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
        name=str(pynvml.nvmlDeviceGetName(handle)),
        memory_bytes=memory_bytes,
        driver=driver,
        used_bytes=used_bytes,
    )
