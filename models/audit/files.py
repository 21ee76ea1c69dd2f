"""The files of an arm, read with care: nothing in them is executed or believed to be small."""

from __future__ import annotations

import csv
import json
import math
import zipfile
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.job import Job

ARM = "arm/"
"""What the names of the arm's files begin with among the inputs."""
TEXT_BYTES = 2**26
"""Most bytes of a text."""
UNPACKED_BYTES = 2**33
"""Most bytes of what an archive holds."""

Read = TypeVar("Read")


def by_name(read: Callable[[Files, str], Read]) -> Callable[[Files, str], Read]:
    """Whatever keeps a file from being read names the file."""

    @wraps(read)
    def named(files: Files, name: str) -> Read:
        try:
            return read(files, name)
        except Exception as error:
            cause = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"{name} cannot be read: {cause}") from error

    return named


class Files:
    """What the arm left and what it was given, by name."""

    def __init__(self, job: Job) -> None:
        self._paths = {name: given.path for name, given in job.inputs.items()}

    def path(self, name: str) -> Path:
        """Where a file is; raises ``FileNotFoundError`` if it is not among the inputs."""
        if name not in self._paths:
            raise FileNotFoundError(f"{name} is not there")
        return self._paths[name]

    @by_name
    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of an NPZ file, none larger than what is there of it."""
        _check_archive(self.path(name), UNPACKED_BYTES)
        with zipfile.ZipFile(self.path(name)) as archive:
            for member in archive.infolist():
                _check_array(archive, member)
        with np.load(self.path(name), allow_pickle=False) as stored:
            return dict(stored)

    @by_name
    def json(self, name: str) -> dict[str, Any]:
        """The table that a JSON file holds."""
        table = json.loads(self._text(name))
        if not isinstance(table, dict):
            raise TypeError("no table")
        return table

    @by_name
    def gradient_norms(self, name: str) -> dict[int, tuple[float, float]]:
        """Step → norm of the gradient before and after clipping, as the arm tells it."""
        return {
            int(row["step"]): (float(row["pre_clip"]), float(row["post_clip"]))
            for row in csv.DictReader(self._text(name).splitlines())
        }

    @by_name
    def weights(self, name: str) -> dict[str, Tensor]:
        """The tensors that a file holds by name."""
        return tensors_of(self._tensors(name), self.path(name).stat().st_size)

    @cache  # noqa: B019  as many as there are states, for one job
    def state(self, step: int) -> dict[str, Any]:
        """The state after so many steps."""
        return self._state(f"{ARM}audit_step_{step:06d}.pt")

    @by_name
    def _state(self, name: str) -> dict[str, Any]:
        stored, size = self._tensors(name), self.path(name).stat().st_size
        if not all(isinstance(optimized, str) for optimized in stored["optimized"]):
            raise TypeError("no names of tensors")
        return {
            "weights": tensors_of(stored["weights"], size),
            "optimized": list(stored["optimized"]),
            "state": {key: tensors_of(value, size) for key, value in stored["state"].items()},
        }

    def _text(self, name: str) -> str:
        if (size := self.path(name).stat().st_size) > TEXT_BYTES:
            raise ValueError(f"{size} bytes are no text")
        return self.path(name).read_text(encoding="utf-8")

    def _tensors(self, name: str) -> Any:  # noqa: ANN401  what torch reads with ``weights_only``
        _check_archive(self.path(name), 2 * self.path(name).stat().st_size)
        return torch.load(self.path(name), map_location="cpu", weights_only=True)

    def samples(self, split: str) -> NDArray[np.float32]:
        """Measured amplitudes of a split as a network takes them, (n, C, N, N)."""
        stored = self.arrays(f"{split}.npz")["diffraction"]
        return np.ascontiguousarray(stored.transpose(0, 3, 1, 2))


def _check_archive(path: Path, limit: int) -> None:
    """Raise ``ValueError`` unless it is a ZIP file that unpacks to no more than ``limit`` bytes."""
    with zipfile.ZipFile(path) as archive:
        if (total := sum(member.file_size for member in archive.infolist())) > limit:
            raise ValueError(f"it would unpack to {total} bytes, and {limit} are allowed")


def _check_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raise ``ValueError`` for an array of objects, or one that is larger than its member."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0,
               (2, 0): np.lib.format.read_array_header_2_0}  # fmt: skip
    with archive.open(member) as file:
        shape, _, dtype = readers[np.lib.format.read_magic(file)](file)
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds objects, which are not read")
    if math.prod(shape) * dtype.itemsize > member.file_size:
        raise ValueError(f"{member.filename} claims to be {[*shape]} in {member.file_size} bytes")


def tensors_of(table: Any, limit: int) -> dict[str, Tensor]:  # noqa: ANN401  what torch has read
    """The table, if it holds plain tensors by name, ``limit`` bytes in all at most.

    Raises:
        TypeError: it holds something else.
        ValueError: they claim to be more.
    """
    total = 0
    for name, tensor in table.items():
        plain = isinstance(tensor, Tensor) and tensor.layout == torch.strided
        if not (isinstance(name, str) and plain and tensor.is_cpu and not tensor.is_quantized):
            raise TypeError(f"{name!s:.80} is no plain tensor")
        total += tensor.numel() * tensor.element_size()
    if total > limit:
        raise ValueError(f"tensors of {total} bytes in a file of {limit}")
    return dict(table)
