"""Everything that can be wrong with a manifest that is well-formed TOML.

All checks work on the document as it was read and run even where another one finds something, so
that a user sees everything at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from runner.manifest.arms import Expansions, Variant, read_variants
from runner.manifest.extent import Matrices, check_planned, matrix_layers, read_matrices
from runner.manifest.follow_ups import check_steps
from runner.manifest.manifest_errors import MOST_COLLECTED, Mistake
from runner.manifest.matrix import expand
from runner.manifest.matrix_checks import matrix_problems, name_problems
from runner.manifest.overrides import table
from runner.manifest.phase_tests import check_tests
from runner.manifest.set_checks import check_set, with_set_seed
from runner.manifest.source import TomlSource
from runner.manifest.tables import Manifest
from runner.manifest.validation import read_as


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a file says, and what is wrong with it."""

    mistakes: list[Mistake]
    manifest: Manifest | None = None
    variants: Mapping[str | None, Variant] = field(default_factory=dict)
    """Profile → what it plans; ``None`` → the phase as written. Empty where anything is wrong."""


def check(source: TomlSource) -> Checked:
    """Read the tables of a file and the arms that they plan, and find everything that is wrong.

    No more than ``MOST_COLLECTED`` mistakes. Where the profiles make too many arms, that alone is
    said. ``check_extent`` must have found nothing.
    """
    matrices = read_matrices(source)
    if too_much := list(check_planned(source, matrices)):
        return Checked(mistakes=too_much)
    arms = source.tables("arms")
    expanded = {profile: expand(arms, matrix) for profile, matrix in matrices.items()}
    tables = read_as(Manifest, source.json)
    misset = list(check_set(source, expanded.get(source.over.profile, ())))
    manifest = None if misset else with_set_seed(tables.value, source.over.seed)
    in_arms, variants = read_variants(source, manifest, expanded)
    refused = (source.at(path, problem) for path, problem in source.refused.items())
    wrong = itertools.chain(
        tables.placed(source),
        check_names(source),
        check_steps(source),
        check_tests(source),
        check_matrices(source, matrices, expanded),
        misset,
        in_arms,
    )
    others = (one for one in _once(wrong) if one.path not in source.refused)
    mistakes = list(itertools.islice(itertools.chain(refused, others), MOST_COLLECTED))
    return Checked(mistakes=mistakes, manifest=manifest, variants=variants)


def _once(mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
    said: set[Mistake] = set()
    for mistake in mistakes:
        if mistake not in said:
            said.add(mistake)
            yield mistake


def check_names(source: TomlSource) -> Iterator[Mistake]:
    """The phase is called like the file, and no two arms are called the same."""
    stem, name = source.path.stem, table(source.document, "phase").get("name", source.path.stem)
    if name != stem:
        yield source.at(
            ("phase", "name"),
            f"got {name!r}; expected {stem!r}, as the file is called; rename one of the two",
        )
    if not source.document.keys() & {"arms", "matrix"}:
        yield source.at(("arms",), "missing; add it: The arms, each under `[[arms]]`.")
    already = "the name of the arm on line {line} already; rename one of them"
    yield from source.repeated("arms", "name", already)


def check_matrices(
    source: TomlSource, matrices: Matrices, expanded: Expansions
) -> Iterator[Mistake]:
    """The matrix of the phase, and as each profile changes it."""
    arms = source.tables("arms")
    for profile, matrix in matrices.items():
        if matrix is not None:
            place = matrix_layers(source, profile)[-1][0]
            problems = list(itertools.islice(matrix_problems(matrix, place, arms), MOST_COLLECTED))
            for path, problem in problems or name_problems(expanded[profile]):
                yield source.at(path, problem)
