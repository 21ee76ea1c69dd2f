"""The code of a run is copied once, and what is said and made of it comes from the copy."""

import stat

import pytest

from runner.core.digest import tree_digest
from runner.core.errors import EngineError, VerificationError
from runner.core.project import models_digest
from runner.engines.images import snapshot
from runner.hub import layout
from runner.verify.bundled_source import bundle_code


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    for path, text in {
        "models/nets/blocks.py": "WIDTH = 32\n",
        "models/nets/__pycache__/blocks.pyc": "cache",
        "tests/models/test_blocks.py": "def test_width(): pass\n",
        "tests/runner/test_other.py": "not for jobs\n",
        "Dockerfile": "FROM base\n",
        "notes.txt": "not for jobs\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def take(checkout, state):
    """The code of a checkout, and its own tests."""
    return snapshot.take(checkout, state, tests=checkout)


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_the_copy_has_what_runs_and_nothing_else_and_bears_its_digest(checkout, state):
    code = take(checkout, state)
    assert files(code.root) == ["Dockerfile", "models/nets/blocks.py"]
    assert files(code.tests) == ["tests/models/test_blocks.py"]
    assert code.models_sha256 == models_digest(checkout)
    assert code.sha256 == tree_digest(code.folder) == code.folder.name


def test_a_changed_source_has_another_copy_and_the_old_one_stays(checkout, state):
    first = take(checkout, state)
    (checkout / "models" / "nets" / "blocks.py").write_text("WIDTH = 64\n")
    second = take(checkout, state)
    assert first != second
    assert (first.root / "models" / "nets" / "blocks.py").read_text() == "WIDTH = 32\n"
    assert take(checkout, state) == second


@pytest.mark.parametrize("path", ["Dockerfile", "tests/models/test_blocks.py"])
def test_every_file_that_is_taken_counts(checkout, state, path):
    first = take(checkout, state)
    (checkout / path).write_text("changed\n")
    assert not first.is_of(checkout, checkout)
    assert take(checkout, state).sha256 != first.sha256


def test_nobody_may_write_into_the_copy(checkout, state):
    code = take(checkout, state)
    modes = {path.stat().st_mode for path in [code.folder, *code.folder.rglob("*")]}
    writable = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    assert not any(mode & writable for mode in modes)


@pytest.mark.parametrize(
    ("path", "content"),
    [("models/nets/blocks.py", "WIDTH = 1\n"), ("models/nets/__pycache__/blocks.pyc", "planted")],
)
def test_a_copy_that_was_edited_is_told_and_made_again(checkout, state, path, content):
    code = take(checkout, state)
    code.refuse_changes()
    place = code.root / path
    for path in code.folder.rglob("*"):
        path.chmod(0o755)
    place.parent.mkdir(exist_ok=True)
    place.write_text(content)
    with pytest.raises(VerificationError, match="was changed while it was in use"):
        code.refuse_changes()
    assert take(checkout, state) == code
    code.refuse_changes()
    assert (code.root / "models" / "nets" / "blocks.py").read_text() == "WIDTH = 32\n"


def test_code_without_tests_is_copied_as_well(checkout, state):
    code = take(checkout, state)
    bundle_code(code, checkout.parent / "hub")
    carried = take(checkout.parent / "hub" / layout.CODE, state)
    assert (carried.models_sha256, carried.tests.exists()) == (code.models_sha256, False)


def test_what_is_no_code_is_refused(tmp_path, state):
    with pytest.raises(VerificationError, match="does not hold models/ and the Dockerfile"):
        take(tmp_path, state)


def test_a_link_in_the_code_is_refused(checkout, state):
    (checkout / "models" / "nets" / "more.py").symlink_to("/etc/passwd")
    with pytest.raises(VerificationError, match=r"nets/more\.py is a symbolic link"):
        take(checkout, state)


def test_a_folder_of_the_code_that_is_a_link_is_refused(checkout, state, tmp_path):
    (checkout / "models").rename(tmp_path / "elsewhere")
    (checkout / "models").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EngineError, match="cannot be copied"):
        take(checkout, state)


def test_a_state_folder_that_cannot_be_written_is_told(checkout, tmp_path):
    (tmp_path / "state").write_text("a file")
    with pytest.raises(EngineError, match="name another folder in PHASEHUB_STATE"):
        take(checkout, tmp_path / "state")
