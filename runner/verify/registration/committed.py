"""What is registered when a run begins, and whether a commit has it so.

Whoever may write the register may change it after the runs. A commit that had the very registration
before them is what shows that it was not so.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from runner.core.errors import ManifestError
from runner.hub.provenance import committed
from runner.hub.records.registered import RegisteredFinding, as_registered
from runner.manifest.findings import load_register, register_for
from runner.manifest.model import LoadedManifest


def registered_now(loaded: LoadedManifest) -> tuple[RegisteredFinding, ...]:
    """What a hub of the manifest carries, with the commit that has it; empty for none that has."""
    register = register_for(loaded.path)
    if register is None or not loaded.registered:
        return ()
    commit, digests = committed_digests(register)
    return tuple(
        as_registered(one, commit=commit if one.registered_sha256 in digests else "")
        for one in loaded.registered
    )


def committed_digests(register: Path) -> tuple[str, frozenset[str]]:
    """The commit that is checked out where a register lies, and what is registered in it.

    Empty where there is no commit, or the register in it is none that can be read.
    """
    found = committed(register)
    if found is None:
        return "", frozenset()
    commit, content = found
    with tempfile.TemporaryDirectory(prefix="phasehub-register-") as folder:
        copy = Path(folder, register.name)
        copy.write_bytes(content)
        try:
            findings = load_register(copy).findings
        except ManifestError:
            return commit, frozenset()
    return commit, frozenset(one.registered_sha256 for one in findings if one.registration)
