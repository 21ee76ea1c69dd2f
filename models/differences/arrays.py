"""Named arrays, compared bit by bit: NPZ files, and the tensors of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.differences.finding import Finding, spelled, ulp_distance

Named = Mapping[str, NDArray[Any]]


def read_npz(path: Path) -> Named:
    """The arrays of an NPZ file. Raises ``ValueError`` where it is none or holds objects."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def read_tensors(path: Path) -> Named:
    """The tensors of a checkpoint by their dotted names; nothing that it holds is executed."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    return dict(_flat(stored, ""))


def _flat(value: object, name: str) -> list[tuple[str, NDArray[Any]]]:
    if isinstance(value, Mapping):
        return [
            pair
            for key, entry in value.items()
            for pair in _flat(entry, f"{name}.{key}" if name else str(key))
        ]
    if isinstance(value, (list, tuple)):
        return [
            pair for place, entry in enumerate(value) for pair in _flat(entry, f"{name}[{place}]")
        ]
    if isinstance(value, torch.Tensor):
        return [(name, value.resolve_conj().contiguous().numpy())]
    return [(name, np.asarray(value))]


def compare_arrays(before: Named, after: Named, kind: str) -> Finding | None:
    """The first difference in the order of ``before``; ``kind`` is what an array is called."""
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in before or name not in after:
            there = "in the original only" if name in before else "in the reproduction only"
            return Finding(
                place=f"{kind} {name}, {there}",
                before=_outline(before.get(name)),
                after=_outline(after.get(name)),
            )
        a, b = before[name], after[name]
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            return Finding(place=f"{kind} {name}", before=_outline(a), after=_outline(b))
    differing = {name: _differing(before[name], after[name]) for name in before}
    names = [name for name in differing if differing[name].any()]
    if not names:
        return None
    first = names[0]
    place, value, other = _first(differing[first], before[first], after[first])
    return Finding(
        place=f"{kind} {first}, element {place} ({len(names)} of {len(before)} {kind}s differ)",
        before=spelled(value),
        after=spelled(other),
        ulp=ulp_distance(value, other),
        differing=sum(int(mask.sum()) for mask in differing.values()),
        total=sum(array.size for array in before.values()),
        unit="elements",
    )


def _outline(array: NDArray[Any] | None) -> str:
    if array is None:
        return "nothing"
    return f"{array.dtype} of shape {list(array.shape)}"


def _differing(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    """Which elements have other bits; of strings, other characters."""
    if a.dtype.kind in "USO" or not a.dtype.itemsize:
        return np.asarray(a != b)
    raw = [
        np.ascontiguousarray(x).view(np.uint8).reshape(*x.shape, x.dtype.itemsize)
        if x.ndim
        else np.frombuffer(x.tobytes(), np.uint8)
        for x in (a, b)
    ]
    return np.asarray((raw[0] != raw[1]).any(axis=-1))


def _first(
    mask: NDArray[np.bool_], a: NDArray[Any], b: NDArray[Any]
) -> tuple[str, np.generic, np.generic]:
    """Index and both values of the first element that differs; of a complex one the part."""
    place = np.unravel_index(int(mask.argmax()), mask.shape)
    x, y = a[place], b[place]
    index = str([int(axis) for axis in place])
    if a.dtype.kind != "c":
        return index, x, y
    if x.real.tobytes() != y.real.tobytes():
        return f"{index}, real part", x.real, y.real
    return f"{index}, imaginary part", x.imag, y.imag
