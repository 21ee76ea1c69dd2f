"""A stand-in for the library of the NVIDIA driver, below pynvml: the functions of its C interface.

What it answers is NVIDIA's documentation of NVML: MIG modes, gaps between instances, GPUs that are
counted and not permitted.
"""

import ctypes
from dataclasses import dataclass, field

import pynvml


@dataclass
class Chip:
    """A GPU, or an instance of one."""

    uuid: str
    name: str = "NVIDIA H200"
    memory: int = 143771 << 20
    used: int = 0
    memory_error: int = pynvml.NVML_SUCCESS
    error: int = pynvml.NVML_SUCCESS
    """What asking for its handle gives."""
    mig: int | None = None
    """``None`` where it cannot be partitioned."""
    slots: tuple["Chip | None", ...] = ()


@dataclass
class Driver:
    """``library.nvmlX(…)`` as pynvml calls it: C arguments in, an error code out."""

    chips: list[Chip]
    version: str = "550.54.14"
    init_error: int = pynvml.NVML_SUCCESS
    knows_mig: bool = True
    num_open: int = 0
    by_number: dict[int, Chip] = field(default_factory=dict)

    def install(self, monkeypatch):
        """Be the library that pynvml has loaded, until the test ends."""
        monkeypatch.setattr(pynvml, "nvmlLib", self)
        monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return self

    def __getattr__(self, name):
        if not name.startswith("nvml"):
            raise AttributeError(name)
        if "Mig" in name and not self.knows_mig:
            raise AttributeError(name)  # as a library without that symbol
        return getattr(type(self), "_" + name.removesuffix("_v2")).__get__(self)

    def _nvmlInitWithFlags(self, _flags):
        self.num_open += self.init_error == pynvml.NVML_SUCCESS
        return self.init_error

    def _nvmlShutdown(self):
        self.num_open -= 1
        return pynvml.NVML_SUCCESS

    def _nvmlSystemGetDriverVersion(self, text, length):
        return _write(text, length, self.version)

    def _nvmlDeviceGetCount(self, count):
        return _set(count, len(self.chips))

    def _nvmlDeviceGetHandleByIndex(self, index, handle):
        return self._give(self.chips[index.value], handle)

    def _nvmlDeviceGetUUID(self, handle, text, length):
        return _write(text, length, self._chip(handle).uuid)

    def _nvmlDeviceGetName(self, handle, text, length):
        return _write(text, length, self._chip(handle).name)

    def _nvmlDeviceGetMemoryInfo(self, handle, memory):
        chip = self._chip(handle)
        if chip.mig == pynvml.NVML_DEVICE_MIG_ENABLE:
            return pynvml.NVML_ERROR_NO_PERMISSION  # only its instances may be asked
        memory._obj.total = chip.memory
        memory._obj.used = chip.used
        return chip.memory_error

    def _nvmlDeviceGetMigMode(self, handle, now, later):
        chip = self._chip(handle)
        if chip.mig is None:
            return pynvml.NVML_ERROR_NOT_SUPPORTED
        return _set(now, chip.mig) or _set(later, chip.mig)

    def _nvmlDeviceGetMaxMigDeviceCount(self, handle, count):
        return _set(count, len(self._chip(handle).slots))

    def _nvmlDeviceGetMigDeviceHandleByIndex(self, handle, index, instance):
        found = self._chip(handle).slots[index.value]
        return self._give(found, instance) if found else pynvml.NVML_ERROR_NOT_FOUND

    def _give(self, chip, handle):
        if chip.error == pynvml.NVML_SUCCESS:
            number = len(self.by_number) + 1
            self.by_number[number] = chip
            ctypes.cast(handle, ctypes.POINTER(ctypes.c_void_p))[0] = number
        return chip.error

    def _chip(self, handle):
        return self.by_number[ctypes.cast(handle, ctypes.c_void_p).value]


def _set(reference, value):
    reference._obj.value = value
    return pynvml.NVML_SUCCESS


def _write(buffer, length, text):
    if len(text.encode()) >= length.value:
        return pynvml.NVML_ERROR_INSUFFICIENT_SIZE
    buffer.value = text.encode()
    return pynvml.NVML_SUCCESS
