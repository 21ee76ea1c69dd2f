"""Signatures of hubs with SSH keys, which users have: ``ssh-keygen -Y`` signs ``SHA256SUMS``.

The signature lies beside it as ``SHA256SUMS.sig``. Since ``SHA256SUMS`` names every file of a hub
by its digest, it covers the hub. Anyone can check it with OpenSSH alone; see docs/hub.md.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.core.errors import EngineError, VerificationError
from runner.core.reading import MissingError, read_below, read_file
from runner.hub.checksums import CHECKSUMS, SIGNATURE

NAMESPACE = "phasehub"
"""What a signature is for, so that one made for a mail or a commit is none of a hub."""


MOST_BYTES = 65_536
"""Of a signature; one has about 300."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a hub's signature is worth against a list of allowed signers."""

    status: Literal["valid", "invalid", "unsigned"]
    message: str
    """Who signed it, or what is wrong, in words for a user."""


def sign(folder: Path, key: Path) -> None:
    """Sign the ``SHA256SUMS`` of ``folder``. Raises ``EngineError`` with what ssh-keygen says."""
    signature = folder / SIGNATURE
    signature.unlink(missing_ok=True)
    done = _ssh_keygen("sign", "-f", str(key), "-n", NAMESPACE, str(folder / CHECKSUMS))
    if done.returncode != 0 or not signature.is_file():
        raise EngineError(
            f"{key} cannot sign: {_said(done)}; give --sign a private SSH key, or the public half "
            "of one that an agent holds"
        )


def try_key(key: Path) -> None:
    """Sign something that is thrown away, so that a bad key shows before a long run."""
    with tempfile.TemporaryDirectory(prefix="phasehub-key-") as folder:
        (Path(folder) / CHECKSUMS).write_bytes(b"")
        sign(Path(folder), key)


def check(folder: Path, signers: Path) -> Signature:
    """Hold the signature of ``folder`` against ``signers``, a file as ssh-keygen(1) describes it.

    Raises ``VerificationError`` where ``signers`` cannot be read, and ``EngineError`` without
    ssh-keygen.
    """
    if not signers.is_file():
        raise VerificationError(f"{signers} is no file of allowed signers; see ssh-keygen(1)")
    try:
        content = read_file(folder, SIGNATURE, most=MOST_BYTES)
    except MissingError:
        return Signature(
            status="unsigned", message=f"{folder} has no {SIGNATURE}: nobody signed it"
        )
    except ValueError as error:
        return Signature(status="invalid", message=f"{folder} has no signature: {error}")
    with tempfile.TemporaryDirectory(prefix="phasehub-signature-") as place:
        signature = Path(place) / SIGNATURE
        signature.write_bytes(content)
        return _check(folder, signature, signers)


def _check(folder: Path, signature: Path, signers: Path) -> Signature:
    found = _ssh_keygen("find-principals", "-s", str(signature), "-f", str(signers))
    if found.returncode != 0:
        return Signature(
            status="invalid",
            message=f"{folder / SIGNATURE} is by none of the signers that {signers} "
            f"allows: {_said(found)}",
        )
    names = found.stdout.decode(errors="replace").split()
    allowed = ("-f", str(signers), "-I", names[0], "-n", NAMESPACE, "-s", str(signature))
    done = _ssh_keygen("verify", *allowed, given=read_below(folder, CHECKSUMS))
    if done.returncode != 0:
        return Signature(
            status="invalid",
            message=f"{folder / SIGNATURE} does not fit {CHECKSUMS}: {_said(done)}",
        )
    return Signature(status="valid", message=f"signed by {names[0]}")


def _ssh_keygen(
    verb: str, *arguments: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", verb, *arguments], input=given, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise EngineError(
            "there is no ssh-keygen on this machine; install OpenSSH (8.2 or later)"
        ) from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"
