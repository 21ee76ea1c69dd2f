"""How much a manifest holds: its arms, profiles and matrices, and whether all can be looked at.

It works on the document as it was read, before anything is known about its meaning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from runner.manifest.field_types import oversized
from runner.manifest.manifest_errors import Mistake, too_many
from runner.manifest.matrix import MOST_ARMS, Grid, Layer, read_matrix
from runner.manifest.overrides import SECTIONS, table
from runner.manifest.source import TomlSource
from runner.manifest.tables import Manifest
from runner.manifest.toml.keys import KeyPath

MOST_PLANNED = 2 * MOST_ARMS
"""Arms of the phase and of all its profiles together."""
MOST_ENTRIES = 256
"""Keys and items of arrays in one table of parameters."""
Matrices: TypeAlias = Mapping[str | None, Grid | None]
"""Profile → the matrix that holds with it."""


def check_extent(source: TomlSource) -> Iterator[Mistake]:
    """Arrays and tables have no more entries than can be looked at."""
    for path, entries, most in oversized(Manifest, source.document):
        yield source.at(path, too_many(entries, most))
    for path, layer in _layers(source):
        for section in SECTIONS:
            entries = _entries(table(layer, section))
            if entries > MOST_ENTRIES:
                yield source.at((*path, section), too_many(entries, MOST_ENTRIES))


def check_planned(source: TomlSource, matrices: Matrices) -> Iterator[Mistake]:
    """The arms of the phase and of all its profiles are not too many to be looked at."""
    arms = len(source.tables("arms"))
    sizes = [max(arms, 1) if matrix is None else matrix.size(arms) for matrix in matrices.values()]
    if sum(sizes) > MOST_PLANNED and max(sizes) <= MOST_ARMS:
        yield source.at(
            ("profiles",),
            f"make {sum(sizes):,} arms in all, with the phase's own; at most {MOST_PLANNED:,} are "
            "allowed: take profiles or arms away",
        )


def _layers(source: TomlSource) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Every table of the file that holds parts of parameters, with its place."""
    yield (), source.document
    for index, arm in enumerate(source.tables("arms")):
        yield ("arms", index), arm
    profiles = table(source.document, "profiles")
    for name in profiles:
        yield ("profiles", name), table(profiles, name)


def _entries(value: object) -> int:
    """Number of values in tables and arrays inside each other."""
    if isinstance(value, Mapping):
        return sum(1 + _entries(below) for below in value.values())
    return sum(1 + _entries(item) for item in value) if isinstance(value, list) else 0


def profiles_of(source: TomlSource) -> list[str | None]:
    """The names of the profiles, with ``None`` for the phase itself at their head."""
    return [None, *table(source.document, "profiles")]


def read_matrices(source: TomlSource) -> Matrices:
    """The matrices of the phase and its profiles; of the phase alone where that is too large."""
    phase, *profiles = profiles_of(source)
    matrix = read_matrix(matrix_layers(source, phase))
    if matrix is not None and matrix.size(len(source.tables("arms"))) > MOST_ARMS:
        return {phase: matrix}
    return {phase: matrix} | {
        profile: read_matrix(matrix_layers(source, profile)) for profile in profiles
    }


def matrix_layers(source: TomlSource, profile: str | None) -> list[Layer]:
    """The matrix tables that hold under a profile, each with its place in the file."""
    layers: list[Layer] = []
    if isinstance(source.document.get("matrix"), Mapping):
        layers.append((("matrix",), source.document["matrix"]))
    changed = table(table(source.document, "profiles"), str(profile)) if profile else {}
    if isinstance(changed.get("matrix"), Mapping):
        layers.append((("profiles", str(profile), "matrix"), changed["matrix"]))
    return layers
