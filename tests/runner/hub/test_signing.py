"""Hubs are signed and verified with the real ssh-keygen."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.core.errors import EngineError, VerificationError
from runner.hub.checksums import write_checksums
from runner.hub.layout import stage, verify
from runner.hub.signing import check, sign, try_key

NOW = datetime(2026, 1, 30, 5, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Two key pairs and a list that allows the first."""
    if shutil.which("ssh-keygen") is None:
        if os.environ.get("CI"):
            pytest.fail("ssh-keygen is not installed; .ci/run installs it")
        pytest.skip("ssh-keygen is not installed")
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ada", "eve"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name],
            check=True,
        )
    (folder / "allowed").write_text(f"ada@example.org {(folder / 'ada.pub').read_text()}")
    return folder


@pytest.fixture
def signed(tmp_path, keys):
    staging = stage(tmp_path, "phase8", NOW)
    (staging.path / "README.md").write_text("a hub\n")
    return staging.seal(sign=lambda folder: sign(folder, keys / "ada"))


def test_a_signed_hub_is_intact_and_names_its_signer(signed, keys):
    assert verify(signed).intact
    found = check(signed, keys / "allowed")
    assert (found.status, found.message) == ("valid", "signed by ada@example.org")


def test_openssh_alone_can_check_it(signed, keys):
    done = subprocess.run(
        [
            *("ssh-keygen", "-Y", "verify", "-f", keys / "allowed", "-I", "ada@example.org"),
            *("-n", "phasehub", "-s", signed / "SHA256SUMS.sig"),
        ],
        input=(signed / "SHA256SUMS").read_bytes(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_hub_that_was_sealed_anew_has_an_invalid_signature(signed, keys):
    signed.joinpath("README.md").chmod(0o644)
    (signed / "README.md").write_text("a better hub\n")
    (signed / "SHA256SUMS").chmod(0o644)
    write_checksums(signed)
    assert verify(signed).intact
    found = check(signed, keys / "allowed")
    assert found.status == "invalid"
    assert "does not fit SHA256SUMS" in found.message


def test_somebody_else_s_signature_is_invalid(signed, keys):
    (signed / "SHA256SUMS.sig").chmod(0o644)
    sign(signed, keys / "eve")
    found = check(signed, keys / "allowed")
    assert found.status == "invalid"
    assert "is by none of the signers that" in found.message


def test_a_hub_without_a_signature_is_unsigned(tmp_path, keys):
    staging = stage(tmp_path, "phase8", NOW)
    (staging.path / "README.md").write_text("a hub\n")
    found = check(staging.seal(), keys / "allowed")
    assert found.status == "unsigned"
    assert "nobody signed it" in found.message


def test_a_key_that_cannot_sign_shows_before_a_run(tmp_path, keys):
    try_key(keys / "ada")
    (tmp_path / "key").write_text("no key")
    with pytest.raises(EngineError, match=r"key cannot sign: .*; give --sign a private SSH key"):
        try_key(tmp_path / "key")


def test_a_list_that_is_not_there_is_an_error(signed, tmp_path):
    with pytest.raises(VerificationError, match="is no file of allowed signers"):
        check(signed, tmp_path / "missing")


def phasehub_verify(folder, signers):
    return subprocess.run(
        [sys.executable, "-m", "runner", "verify", folder, "--signers", signers],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_line_tells_who_signed(signed, keys):
    done = phasehub_verify(signed, keys / "allowed")
    assert done.stdout == f"{signed}: signed by ada@example.org\n"


def test_the_command_line_refuses_a_hub_that_nobody_signed(signed, keys):
    (signed / "SHA256SUMS.sig").unlink()
    done = phasehub_verify(signed, keys / "allowed")
    assert done.returncode == 4
    assert "nobody signed it" in done.stderr


def test_the_command_line_refuses_a_hub_that_somebody_else_signed(signed, keys):
    sign(signed, keys / "eve")
    done = phasehub_verify(signed, keys / "allowed")
    assert done.returncode == 4
    assert "is by none of the signers that" in done.stderr
