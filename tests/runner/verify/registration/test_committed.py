"""A hub carries a registration with the commit that had it when the run began."""

import subprocess
from types import SimpleNamespace

import pytest

from runner.manifest.model import load
from runner.phase.decide import not_as_registered
from runner.verify.registration.committed import registered_now
from tests.runner.conftest import AUDITED
from tests.runner.verify.registration.test_registered_run import MATRIX, REGISTER


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    command = ["git", "-C", folder, *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path):
    """A project with a register, in a checkout of its own; nothing is committed."""
    (tmp_path / "docs" / "study").mkdir(parents=True)
    (tmp_path / "docs" / "study" / "findings.toml").write_text(REGISTER)
    manifest = AUDITED[: AUDITED.index("[[arms]]")].replace(
        "[resources]", 'findings = ["RATE-001"]\n[resources]'
    )
    (tmp_path / "tiny.toml").write_text(manifest + MATRIX)
    git(tmp_path, "init", "--quiet")
    return tmp_path


def commit(project, *names):
    git(project, "add", "--force", *names)
    git(project, "commit", "--quiet", "--message", "All of it")
    return git(project, "rev-parse", "HEAD")


def carried(project):
    (one,) = registered_now(load(project / "tiny.toml"))
    assert one.id == "RATE-001"
    return one.commit


def test_a_registration_in_the_commit_that_is_checked_out_is_named_with_it(project):
    made = commit(project, ".")
    assert carried(project) == made


def test_one_that_was_never_committed_is_in_none(project):
    assert carried(project) == ""
    commit(project, "tiny.toml")
    assert carried(project) == ""


def test_a_register_that_git_ignores_leaves_the_code_clean_and_is_in_no_commit(project):
    (project / ".gitignore").write_text("docs/\n")
    commit(project, ".gitignore", "tiny.toml")
    assert git(project, "status", "--porcelain") == ""
    assert carried(project) == ""


def test_one_that_was_edited_since_is_in_none(project):
    path = project / "docs" / "study" / "findings.toml"
    made = commit(project, ".")
    path.write_text(REGISTER.replace("higher", "lower"))
    assert carried(project) == ""
    path.write_text(REGISTER.replace("A test.", "What is no part of the registration."))
    assert carried(project) == made


def test_a_register_that_could_not_be_read_when_it_was_committed_registers_nothing(project):
    path = project / "docs" / "study" / "findings.toml"
    path.write_text("schema_version = 7\n")
    commit(project, ".")
    path.write_text(REGISTER)
    assert carried(project) == ""


@pytest.mark.parametrize("committed", [True, False])
def test_a_run_is_told_before_it_begins(project, committed):
    if committed:
        commit(project, ".")
    run = SimpleNamespace(
        registered=registered_now(load(project / "tiny.toml")),
        plan=SimpleNamespace(phase="tiny", profile=None, arms=(), set_knobs={}),
        code=SimpleNamespace(record=SimpleNamespace(commit="c" * 40, dirty=False)),
    )
    unwritten = "this run does not count for RATE-001: no commit has its registration"
    assert any(told.startswith(unwritten) for told in not_as_registered(run)) is not committed
