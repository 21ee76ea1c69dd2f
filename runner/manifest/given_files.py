"""Files that datasets are made from: paths in a manifest, known by their bytes everywhere else.

A path is relative to the manifest's folder. The file is digested when the manifest is read, and the
key becomes one with the digest: no plan, job or dataset depends on where the file lay. Whether the
array in it is of any use, the simulation says.
"""

from __future__ import annotations

import copy
import io
import os
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.core.digest import sha256_bytes
from runner.core.reading import open_regular
from runner.experiment import EXPERIMENT
from runner.manifest.manifest_errors import Mistake, listed, shown
from runner.manifest.overrides import table
from runner.manifest.source import TomlSource
from runner.manifest.toml.keys import KeyPath

GIVEN = EXPERIMENT.given
DECLARED, PLANNED, KEY = GIVEN.declared, GIVEN.planned, GIVEN.array
"""The key of the manifest, the knob that it becomes, and what the file holds."""
LARGEST_BYTES = 16 * 2**20
"""Of the file, because every hub keeps a copy."""
MOST_KEYS = 1000
"""Arrays in the file."""
_ENTRY = b"PK\x01\x02"
"""What each entry of a ZIP file's directory begins with."""
_NO_AXIS = (
    f"{DECLARED} is no axis, as a path is no name; give it to the arms of [[arms]], which the "
    "matrix multiplies, or to [[matrix.include]]"
)
_UNKNOWN = "0" * 64
"""In the place of a digest that could not be taken, so that the rest can be checked."""


@dataclass(frozen=True, kw_only=True)
class GivenFiles:
    """The files that a manifest gives to its datasets."""

    paths: dict[str, Path] = field(default_factory=dict)
    """Digest → the file."""
    problems: list[Mistake] = field(default_factory=list)


def read_given_files(source: TomlSource) -> tuple[TomlSource, GivenFiles]:
    """The source with digests in the place of paths, and the files that these lead to."""
    found, lines = GivenFiles(), dict(source.lines)
    document = copy.deepcopy(source.document)
    for place, dataset in _of_axes(document):
        if dataset.keys() & {DECLARED, PLANNED}:
            found.problems.append(source.at(place, _NO_AXIS))
            for key in (DECLARED, PLANNED):
                dataset.pop(key, None)
    for place, dataset in _datasets(document):
        declared, planned = (*place, DECLARED), (*place, PLANNED)
        if dataset.pop(PLANNED, None) is not None:
            problem = f"unknown key; it follows from the bytes of {DECLARED}: remove it"
            found.problems.append(source.at(planned, problem))
        if DECLARED not in dataset:
            continue
        given, dataset[PLANNED] = dataset.pop(DECLARED), _UNKNOWN
        lines[planned] = lines[declared]
        if declared in source.refused:
            continue
        try:
            dataset[PLANNED] = _digest(source.path.parent, given)
        except ValueError as error:
            found.problems.append(source.at(declared, str(error)))
        else:
            found.paths[dataset[PLANNED]] = source.path.parent / given
    return replace(source, document=document, lines=lines), found


def with_given(source: TomlSource, digest: str | None) -> TomlSource:
    """The source with ``digest`` in the place of paths, for a manifest whose files have moved."""
    document = copy.deepcopy(source.document)
    for _, dataset in _datasets(document):
        if dataset.pop(DECLARED, None) is not None:
            dataset[PLANNED] = digest
    return replace(source, document=document)


def as_declared(mistake: Mistake) -> Mistake:
    """A mistake about the knob in the words of the manifest, which has the path."""
    return replace(
        mistake,
        path=tuple(DECLARED if part == PLANNED else part for part in mistake.path),
        problem=mistake.problem.replace(PLANNED, DECLARED),
    )


def _datasets(document: dict[str, Any]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """The datasets of the phase, its profiles, arms and inclusions, with their places."""
    layers = [*_phases(document), *_items((), document, "arms")]
    for place, matrix in _matrices(document):
        layers += _items(place, matrix, "include")
    yield from _within(layers)


def _of_axes(document: dict[str, Any]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """The tables whose keys are axes over the dataset, or name values of axes."""
    for place, matrix in _matrices(document):
        items = [_items(place, matrix, name) for name in ("together", "exclude")]
        yield from _within([(place, matrix), *items[0], *items[1]])


def _phases(document: dict[str, Any]) -> list[tuple[KeyPath, Any]]:
    """The phase as it is written and its profiles."""
    own = table(document, "profiles")
    return [((), document), *((("profiles", name), profile) for name, profile in own.items())]


def _matrices(document: dict[str, Any]) -> list[tuple[KeyPath, Any]]:
    return [
        ((*place, "matrix"), layer["matrix"])
        for place, layer in _phases(document)
        if isinstance(layer, dict) and isinstance(layer.get("matrix"), dict)
    ]


def _items(place: KeyPath, layer: Mapping[str, Any], key: str) -> list[tuple[KeyPath, Any]]:
    """The tables of an array of tables."""
    items = layer.get(key)
    found = items if isinstance(items, list) else []
    return [((*place, key, index), item) for index, item in enumerate(found)]


def _within(layers: list[tuple[KeyPath, Any]]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    for place, layer in layers:
        if isinstance(layer, dict) and isinstance(layer.get(GIVEN.section), dict):
            yield (*place, GIVEN.section), layer[GIVEN.section]


def _digest(folder: Path, given: object) -> str:
    """Digest of the file at a path. Raises ``ValueError`` saying why nothing is to be had there.

    A path may lead anywhere, as a manifest shows it; a link, which shows nothing, may not be one.
    """
    if not isinstance(given, str) or not given:
        raise ValueError(f"got {shown(given)}; expected the path of an NPZ file")
    path = folder / given
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read(LARGEST_BYTES + 1) if size <= LARGEST_BYTES else b""
    except FileNotFoundError:
        raise ValueError(
            f"no such file: {path}; paths are relative to the manifest's folder"
        ) from None
    except OSError as error:
        problem = f"{shown(given)} cannot be read: {error.strerror}; give a file that can"
        raise ValueError(problem) from None
    except ValueError as error:
        raise ValueError(f"{shown(given)}: {error}; give the path of the file itself") from None
    if max(size, len(content)) > LARGEST_BYTES:
        raise ValueError(
            f"{given} has {size} bytes, and a {GIVEN.noun} at most {LARGEST_BYTES}; "
            f"save {KEY} into a file of its own"
        )
    keys = _keys(given, content)
    if KEY not in keys:
        raise ValueError(f"{given} has no {KEY}; its keys are {listed(sorted(keys)) or 'none'}")
    return sha256_bytes(content)


def _keys(given: str, content: bytes) -> list[str]:
    if content.count(_ENTRY) > MOST_KEYS:
        raise ValueError(f"{given} has more than {MOST_KEYS} entries; save {KEY} into a file alone")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        raise ValueError(f"{given} is no NPZ file; write it with numpy.savez") from None
