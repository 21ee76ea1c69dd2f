"""From what a phase was run: the code as it lay there, and the machine that ran it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from runner import __version__
from runner.core.errors import EngineError
from runner.core.installation import SOURCES, is_checkout
from runner.engines import gpus
from runner.engines.base import Engine
from runner.engines.environments import packages
from runner.engines.images.snapshot import Snapshot, take
from runner.hub.records.provenance import CodeRecord, EngineRecord

RECORDED_VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "DNNL_MAX_CPU_ISA",
    "LANG",
    "LC_ALL",
    "MKL_CBWR",
    "MKL_NUM_THREADS",
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "PYTHONHASHSEED",
    "TZ",
)
"""The variables that a hub may hold. A list of what is let in, so that no secret can be."""

MOST_TRIES = 3
"""At a copy of a checkout that is edited meanwhile."""
LARGEST_UNTRACKED_BYTES = 2**20
"""Of a file in the diff that was never added: larger ones are data, not code."""
_SECRET = re.compile(
    r"(?:^|[._-])(?:secrets?|tokens?|passw(?:or)?ds?|passphrase|credentials?|api[_-]?keys?"
    r"|private[_-]?key)(?:[._-]|$)"
    r"|^\.env|^\.netrc$|^\.pypirc$|^id_(?:rsa|dsa|ecdsa|ed25519)|\.(?:pem|key|p12|pfx|kdbx)$",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_REDACTED = "<redacted>"


# --- code ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Code:
    """Identity of the code, what was not committed as a patch for ``git apply``, and the copy."""

    record: CodeRecord
    diff: bytes
    snapshot: Snapshot


class _GitError(Exception):
    """Git is not there, or cannot tell."""


def take_code(
    root: Path, state: Path, *, tests: Path | None = None, diff_name: str = "uncommitted.diff"
) -> Code:
    """The code at ``root``, copied into the state folder, with its identity.

    ``tests`` is the folder of the project whose tests are to be run, if any are.

    Copy, commit and patch are of the same bytes: where the checkout was edited in between, all is
    taken again. Raises ``EngineError`` where the edits do not end, and as ``snapshot.take``.
    """
    for _ in range(MOST_TRIES):
        copied = take(root, state, tests)
        record, diff = identify_code(root, copied.models_sha256, diff_name=diff_name)
        if copied.is_of(root, tests):
            return Code(record=record, diff=diff, snapshot=copied)
    raise EngineError(
        f"the code at {root} was edited each of {MOST_TRIES} times while it was copied; let "
        "nothing write there for a second, and run again"
    )


def identify_code(
    root: Path, models_sha256: str, *, diff_name: str = "uncommitted.diff"
) -> tuple[CodeRecord, bytes]:
    """Commit and uncommitted changes of the checkout at ``root``; ``models_sha256`` is its code's.

    The patch holds changes to tracked files and all files that are neither tracked nor ignored,
    but for those whose name looks like a secret's or that are larger than 1 MiB: these are named
    as withheld. Where there is no git or no checkout, ``note`` says so; of an installed phasehub it
    has the version. The checkout and its index are left as they are.
    """
    try:
        return _from_git(root, models_sha256, diff_name)
    except _GitError as error:
        note = f"the commit is not known: {error}"
        record = CodeRecord(commit=None, dirty=None, models_sha256=models_sha256, note=note)
        return record, b""


def _from_git(root: Path, models: str, diff_name: str) -> tuple[CodeRecord, bytes]:
    if root == SOURCES and not is_checkout():
        raise _GitError(f"this is phasehub {__version__}, which does not run from a checkout")
    top = Path(_git(root, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    if top.resolve() != root.resolve():
        raise _GitError("phasehub is installed inside another project's checkout")
    commit = _commit(root)
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    names = [os.fsdecode(name) for name in untracked.split(b"\0") if name]
    reasons = {name: reason for name in names if (reason := _reason_to_withhold(root / name))}
    diff = _diff(root, commit, [name for name in names if name not in reasons])
    dirty = bool(diff or reasons)
    record = CodeRecord(
        commit=commit,
        dirty=dirty,
        models_sha256=models,
        diff=diff_name if diff else None,
        withheld=tuple(f"{ascii(name)[1:-1]}: {why}" for name, why in sorted(reasons.items())),
        note=None if commit else "nothing is committed yet",
    )
    return record, diff


def committed(path: Path) -> tuple[str, bytes] | None:
    """The commit that is checked out where a file lies, and what the file is in it.

    ``None`` where there is no git, no checkout or no commit, or it does not have the file.
    """
    folder = path.resolve().parent
    try:
        commit = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD").decode().strip()
        return commit, _git(folder, "cat-file", "blob", f"{commit}:./{path.name}")
    except _GitError:
        return None


def _commit(root: Path) -> str | None:
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", "HEAD").decode().strip()
    except _GitError:
        return None


def _reason_to_withhold(path: Path) -> str | None:
    if path.is_dir() and not path.is_symlink():
        return "a checkout of its own"
    if _SECRET.search(path.name):
        return "its name looks like a secret's"
    if path.lstat().st_size > LARGEST_UNTRACKED_BYTES:
        return f"larger than {LARGEST_UNTRACKED_BYTES} bytes"
    return None


def _diff(root: Path, commit: str | None, added: Sequence[str]) -> bytes:
    """One patch over tracked and ``added`` files.

    Made through a copy of the index, with a folder of its own for the objects that git would add.
    """
    base = commit or _git(root, "hash-object", "-t", "tree", "--stdin").decode().strip()
    index, objects = (
        (root / _git(root, "rev-parse", "--git-path", name).decode().rstrip("\n")).resolve()
        for name in ("index", "objects")
    )
    with tempfile.TemporaryDirectory(prefix="phasehub-index-") as folder:
        apart = {
            "GIT_INDEX_FILE": f"{folder}/index",
            "GIT_OBJECT_DIRECTORY": folder,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects),
        }
        if index.exists():
            shutil.copy2(index, apart["GIT_INDEX_FILE"])
        if added:
            names = b"\0".join(os.fsencode(name) for name in added)
            _git(
                root, "--literal-pathspecs", "add", "--intent-to-add", "--pathspec-from-file=-",
                "--pathspec-file-nul", variables=apart, given=names,
            )  # fmt: skip
        return _git(
            root, "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "diff",
            "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv",
            "--no-renames", base, variables=apart,
        )  # fmt: skip


def _git(
    root: Path, *arguments: str, variables: Mapping[str, str] | None = None, given: bytes = b""
) -> bytes:
    """What a git command prints; its environment is cleared of other checkouts."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = inherited | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"} | dict(variables or {})
    command = ["git", "-C", str(root), "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, check=False, env=environment
        )
    except FileNotFoundError:
        raise _GitError("there is no git on this machine") from None
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise _GitError(f"git says: {lines[0]}")
    return done.stdout


def describe_engine(engine: Engine, code: Snapshot) -> EngineRecord:
    """What a record says of an engine. Raises ``EngineError`` when it runs other code."""
    facts = engine.describe()
    if (found := facts["models_sha256"]) != code.models_sha256:
        raise EngineError(
            f"the {engine.name} engine holds a models/ of digest {found}, and this is about "
            f"{code.models_sha256}; run again"
        )
    return EngineRecord(name=engine.name, isolated=engine.isolated, facts=facts)


# --- machine -------------------------------------------------------------------------------------


def describe_machine() -> dict[str, object]:
    """System, processor, memory (bytes) and GPUs of this machine; no name, user or address."""
    model, flags = _processor()
    return {
        "system": {
            "name": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
            "distribution": _distribution(),
        },
        "cpu": {
            "model": model,
            "flags": flags,
            "physical_cores": psutil.cpu_count(logical=False),
            "logical_cores": psutil.cpu_count(),
            "usable_cores": len(psutil.Process().cpu_affinity() or ()),
        },
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": _gpus(),
    }


def describe_run(
    command: Sequence[str],
    *,
    started: str,
    ended: str,
    variables: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """The content of ``environment.json``: machine, the runner's Python, command and times.

    ``variables`` are those of the runner's process, this one's by default; a job's own stand in
    the plan. Of them, only ``RECORDED_VARIABLES`` are kept.
    """
    present = os.environ if variables is None else variables
    return {
        "schema_version": 1,
        "started": started,
        "ended": ended,
        "command": redact(command),
        "machine": describe_machine(),
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "packages": packages.versions(),
        },
        "variables": {name: present[name] for name in RECORDED_VARIABLES if name in present},
    }


def redact(command: Sequence[str]) -> list[str]:
    """A command line without the folder of its program and without what looks like a secret.

    Blanked are the value of an option or assignment whose name looks like a secret's, and the
    user in an address.
    """
    shown = [Path(word).name for word in command[:1]]
    hide_next = False
    for word in command[1:]:
        name, equals, _ = word.partition("=")
        if hide_next:
            shown.append(_REDACTED)
        elif equals and _SECRET.search(name):
            shown.append(f"{name}={_REDACTED}")
        else:
            shown.append(_USER_INFO.sub(f"{_REDACTED}@", word))
        hide_next = (
            not hide_next and word.startswith("-") and not equals and bool(_SECRET.search(word))
        )
    return shown


def _processor() -> tuple[str, list[str]]:
    """Model and features of the first processor, as Linux tells them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor(), []
    first = text.split("\n\n", maxsplit=1)[0]
    facts = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in first.splitlines())
    }
    model = facts.get("model name") or platform.processor() or platform.machine()
    return model, sorted((facts.get("flags") or facts.get("features") or "").split())


def _distribution() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


def _gpus() -> object:
    """The GPUs, or why they are not known."""
    try:
        return [asdict(gpu) for gpu in gpus.available()]
    except EngineError as error:
        return {"unknown": str(error)}
