"""``SHA256SUMS`` of a folder: written as ``sha256sum`` writes it, compared with what is there."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.core.digest import entries, oddity, refuse_hollow, sha256_file
from runner.core.errors import NoHubError, VerificationError
from runner.core.names import is_plain_name, wrong_path
from runner.core.reading import MIB, read_below, shortened

CHECKSUMS = "SHA256SUMS"
SIGNATURE = f"{CHECKSUMS}.sig"
"""The signature of ``SHA256SUMS``, if there is one; it cannot be listed there."""
MOST_BYTES = 256 * MIB
"""Of a ``SHA256SUMS`` that is read: a million files."""
MOST_NAMED = 1000
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a comparison with ``SHA256SUMS`` found; paths are relative to the folder, sorted."""

    folder: Path
    num_files: int
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()
    """Lines of ``SHA256SUMS`` that cannot be read, as ``line 3: …``."""

    @property
    def intact(self) -> bool:
        """Whether every file is there as it was sealed, and nothing else."""
        return not (self.changed or self.missing or self.unexpected or self.malformed)

    def _first(self, kind: str) -> tuple[str, ...]:
        """The names of a kind, or the first of very many and their number."""
        names: tuple[str, ...] = getattr(self, kind)
        more = len(names) - MOST_NAMED
        return names if more <= 0 else (*names[:MOST_NAMED], f"and {more:,} more")

    def describe(self) -> str:
        """What is wrong, one kind a line, each file by name; says so where nothing is."""
        if self.intact:
            return f"{self.folder}: {self.num_files} files, all as sealed"
        kinds = ("changed", "missing", "unexpected", "malformed")
        found = [
            f"  {kind}: {name if kind != 'unexpected' or is_plain_name(name) else repr(name)}"
            for kind in kinds
            for name in self._first(kind)
        ]
        return "\n".join(
            [
                f"{self.folder} is not as it was sealed",
                *found,
                "Trust none of its numbers; take the hub from its archive, or run the phase again.",
            ]
        )


def write_checksums(folder: Path) -> int:
    """Write ``SHA256SUMS`` over every other file of ``folder``; the number of files.

    Sorted by the bytes of the path. Raises ``VerificationError`` as ``digest_files`` does.
    """
    digests = digest_files(folder)
    text = "".join(f"{digest}  {path}\n" for path, digest in digests.items())
    (folder / CHECKSUMS).write_text(text, encoding="utf-8")
    return len(digests)


def digest_files(folder: Path) -> dict[PurePosixPath, str]:
    """Digest of every file of ``folder`` but ``SHA256SUMS``, in byte order of the paths.

    Raises ``VerificationError`` naming every entry that cannot be sealed: links, devices, names
    that do not print.
    """
    paths = _listed(folder)
    if problems := [problem for path in paths if (problem := oddity(folder, path))]:
        raise VerificationError(f"{folder} cannot be sealed: " + "; ".join(problems))
    files = [folder / path for path in paths]
    refuse_hollow(files)
    return dict(zip(paths, digest_all(files), strict=True))


def compare_checksums(folder: Path) -> Verification:
    """Compare every file of ``folder`` with its ``SHA256SUMS``; follows no link.

    Raises ``VerificationError`` where there is nothing to compare with, or a file that cannot be
    read.
    """
    expected, malformed = listed_digests(folder)
    try:
        present = {path.as_posix() for path in _listed(folder)}
        readable = sorted(name for name in expected.keys() & present if _is_regular(folder / name))
        refuse_hollow(folder / name for name in readable)
        actual = dict(zip(readable, digest_all([folder / name for name in readable]), strict=True))
    except OSError as error:
        raise VerificationError(
            f"{error.filename} cannot be read ({error.strerror}); verify as a user who may"
        ) from error
    return Verification(
        folder=folder,
        num_files=len(expected),
        changed=_sorted(
            name for name in present if name in expected and actual.get(name) != expected[name]
        ),
        missing=_sorted(expected.keys() - present),
        unexpected=_sorted(present - expected.keys()),
        malformed=malformed,
    )


def _listed(folder: Path) -> list[PurePosixPath]:
    apart = {PurePosixPath(CHECKSUMS), PurePosixPath(SIGNATURE)}
    return [path for path in entries(folder) if path not in apart]


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=os.fsencode))


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def digest_all(paths: Sequence[Path]) -> list[str]:
    """Digests in the order of the paths, on all cores. Raises ``OSError`` as ``sha256_file`` does.

    Hashing lets go of the interpreter, so threads help. The largest come first, so that no core is
    left alone with one of them at the end.
    """
    order = sorted(range(len(paths)), key=lambda index: -paths[index].lstat().st_size)
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        digests = pool.map(lambda index: (index, sha256_file(paths[index])), order)
        return [digest for _, digest in sorted(digests)]


def listed_digests(folder: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """Digest by path as ``SHA256SUMS`` has it, and the lines that cannot be read.

    Raises ``VerificationError`` where there is no such file.
    """
    text = _read(folder)
    expected: dict[str, str] = {}
    malformed: list[str] = []
    lines = text.split("\n")
    if lines.pop():
        malformed.append(f"line {len(lines) + 1}: cut off, the newline at the end is missing")
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            malformed.append(f"line {number}: not a digest, two blanks and a path: {line[:80]!r}")
        elif match[2] in (CHECKSUMS, SIGNATURE) or wrong_path(match[2]):
            shown = shortened(repr(match[2]))
            malformed.append(f"line {number}: the path {shown} is not one inside the hub")
        elif match[2] in expected:
            malformed.append(f"line {number}: {match[2]} is listed twice")
        else:
            expected[match[2]] = match[1]
    return expected, tuple(malformed)


def _read(folder: Path) -> str:
    path = folder / CHECKSUMS
    if not folder.is_dir():
        kind = VerificationError if os.path.lexists(folder) else NoHubError
        raise kind(f"{folder} is not a folder; give the folder of a sealed hub")
    if not os.path.lexists(path):
        raise VerificationError(
            f"{folder} has no {CHECKSUMS}: it is not a hub, or it was never sealed; "
            "`phasehub list` names the sealed hubs"
        )
    try:
        content = read_below(folder, CHECKSUMS, most=MOST_BYTES)
    except (OSError, ValueError) as error:
        raise VerificationError(f"{folder}: {CHECKSUMS} cannot be read: {error}") from None
    if not content:
        raise VerificationError(
            f"{path} is empty, so no file can be verified; take the hub from its archive"
        )
    return content.decode(errors="backslashreplace")
