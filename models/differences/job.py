"""The job that says where pairs of files begin to differ, each in the terms of its kind."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from models.config.differences import FilePairs
from models.differences.arrays import compare_arrays, read_npz, read_tensors
from models.differences.finding import Finding
from models.differences.pictures import compare_pixels, read_pixels
from models.differences.raw_bytes import compare_bytes, compare_lines
from models.differences.tables import compare_histories, compare_values, read_json
from models.job import DIFFERENCES, Events, Job, write_json

UNREADABLE = (
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    zipfile.BadZipFile,
    pickle.UnpicklingError,
)


def compare_files(job: Job, pairs: FilePairs, out: Path, events: Events) -> None:
    """Write what is found for every path, by path."""
    found = {}
    for path in pairs.paths:
        events.stage(path)
        before, after = (job.inputs[f"{side}/{path}"].path for side in ("before", "after"))
        found[path] = compare(before, after).table()
    write_json(out / DIFFERENCES, {"schema_version": 1, "files": found})


def compare(before: Path, after: Path) -> Finding:
    """The first difference of two files that are not the same, in the terms of their kind.

    Where one cannot be read as what its name says, or where only its packing differs (compression,
    order in a container), the first byte is reported, and why.
    """
    of_kind = KINDS.get(before.name, KINDS.get(before.suffix))
    why = ""
    if of_kind is not None:
        try:
            if (finding := of_kind(before, after)) is not None:
                return finding
            why = "the content is the same, its packing differs"
        except UNREADABLE as error:
            why = f"not readable as {before.suffix}: {' '.join(str(error).split())[:120]}"
    finding = compare_bytes(before.read_bytes(), after.read_bytes())
    return Finding(
        **vars(finding) | {"place": f"{finding.place} ({why})" if why else finding.place}
    )


def _tensors(before: Path, after: Path) -> Finding | None:
    return compare_arrays(read_tensors(before), read_tensors(after), "tensor")


def _arrays(before: Path, after: Path) -> Finding | None:
    return compare_arrays(read_npz(before), read_npz(after), "array")


def _values(before: Path, after: Path) -> Finding | None:
    return compare_values(read_json(before), read_json(after))


def _epochs(before: Path, after: Path) -> Finding | None:
    return compare_histories(read_json(before), read_json(after))


def _pixels(before: Path, after: Path) -> Finding | None:
    return compare_pixels(read_pixels(before), read_pixels(after))


def _lines(before: Path, after: Path) -> Finding | None:
    return compare_lines(before.read_text("utf-8"), after.read_text("utf-8"))


KINDS: Mapping[str, Callable[[Path, Path], Finding | None]] = {
    "history.json": _epochs,
    ".pt": _tensors,
    ".npz": _arrays,
    ".json": _values,
    ".png": _pixels,
    ".csv": _lines,
    ".svg": _lines,
    ".md": _lines,
    ".txt": _lines,
}
"""Name or suffix of a file → how its kind is compared."""
