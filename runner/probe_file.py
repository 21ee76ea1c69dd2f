"""A measured probe: named by its path in a manifest, known by its bytes everywhere else.

``dataset.probe_file`` is a path relative to the manifest's folder. The file is digested when the
manifest is read, and the key becomes ``probe_sha256``: no plan, job or dataset depends on where
the file lay. Whether the array in it can be a probe, the simulation says.
"""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.complaints import Complaint, shown
from runner.digest import sha256_file
from runner.overrides import table
from runner.toml_keys import KeyPath
from runner.toml_source import Source

DECLARED, PLANNED = "probe_file", "probe_sha256"
"""The key of the manifest, and the knob that it becomes."""
DESCRIPTION = (
    "Measured probe: the path of an NPZ file, relative to the manifest's folder, that holds it "
    "under the key `probeGuess`. For probe `file` only."
)
KEY = "probeGuess"
LARGEST_BYTES = 16 * 2**20
"""Of the file, because every hub keeps a copy."""
_UNKNOWN = "0" * 64
"""In the place of a digest that could not be taken, so that the rest can be checked."""


@dataclass(frozen=True, kw_only=True)
class Probes:
    """The measured probes that a manifest names."""

    paths: dict[str, Path] = field(default_factory=dict)
    """Digest → the file."""
    problems: list[Complaint] = field(default_factory=list)


def read_probes(source: Source) -> tuple[Source, Probes]:
    """The source with digests in the place of paths, and the files that these lead to."""
    probes, lines = Probes(), dict(source.lines)
    document = copy.deepcopy(source.document)
    for place, dataset in _datasets(document):
        declared, planned = (*place, DECLARED), (*place, PLANNED)
        if dataset.pop(PLANNED, None) is not None:
            told = f"unknown key; it follows from the bytes of {DECLARED}: remove it"
            probes.problems.append(source.at(planned, told))
        if DECLARED not in dataset:
            continue
        given, dataset[PLANNED] = dataset.pop(DECLARED), _UNKNOWN
        lines[planned] = lines[declared]
        if declared in source.refused:
            continue
        if problem := _problem(source.path.parent, given):
            probes.problems.append(source.at(declared, problem))
            continue
        path = source.path.parent / given
        dataset[PLANNED] = sha256_file(path)
        probes.paths[dataset[PLANNED]] = path
    return replace(source, document=document, lines=lines), probes


def with_probe(source: Source, digest: str | None) -> Source:
    """The source with ``digest`` in the place of paths, for a manifest whose files have moved."""
    document = copy.deepcopy(source.document)
    for _, dataset in _datasets(document):
        if dataset.pop(DECLARED, None) is not None:
            dataset[PLANNED] = digest
    return replace(source, document=document)


def as_declared(complaint: Complaint) -> Complaint:
    """A complaint about the knob in the words of the manifest, which has the path."""
    return replace(
        complaint,
        path=tuple(DECLARED if part == PLANNED else part for part in complaint.path),
        problem=complaint.problem.replace(PLANNED, DECLARED),
    )


def _datasets(document: dict[str, Any]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """The dataset of the phase and those of the profiles, with their places in the file."""
    layers: list[tuple[KeyPath, Any]] = [((), document)]
    layers += [(("profiles", name), own) for name, own in table(document, "profiles").items()]
    for place, layer in layers:
        if isinstance(layer, dict) and isinstance(layer.get("dataset"), dict):
            yield (*place, "dataset"), layer["dataset"]


def _problem(folder: Path, given: object) -> str | None:
    """Why there is no measured probe to be had from a path, with the remedy."""
    if not isinstance(given, str) or not given:
        return f"got {shown(given)}; expected the path of an NPZ file"
    path = folder / given
    try:
        if not path.is_file():
            return f"no such file: {path}; paths are relative to the manifest's folder"
        if path.stat().st_size > LARGEST_BYTES:
            return (
                f"{given} has {path.stat().st_size} bytes, and a probe at most {LARGEST_BYTES}; "
                f"save {KEY} into a file of its own"
            )
        with zipfile.ZipFile(path) as archive:
            keys = [name.removesuffix(".npy") for name in archive.namelist()]
    except zipfile.BadZipFile:
        return f"{given} is no NPZ file; write it with numpy.savez"
    except OSError as error:
        return f"{shown(given)} cannot be read: {error.strerror}; give a file that can"
    if KEY not in keys:
        return f"{given} has no {KEY}; its keys are {', '.join(sorted(keys)) or 'none'}"
    return None
