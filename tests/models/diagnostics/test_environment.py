from __future__ import annotations

import json
from importlib.metadata import PathDistribution

import pytest

from models.diagnostics.environment import environment, fingerprint

RECORD = """\
box/__init__.py,sha256=abc,4
box/core.py,sha256=def,6
box/__pycache__/core.cpython-311.pyc,,
../../../bin/box,sha256=ghi,100
box-1.0.dist-info/INSTALLER,sha256=jkl,4
box-1.0.dist-info/RECORD,,
"""


@pytest.fixture
def package(tmp_path):
    """An installed package in a folder of its own."""
    info = tmp_path / "box-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: box\nVersion: 1.0\n")
    (info / "RECORD").write_text(RECORD)
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "__init__.py").write_bytes(b"1234")
    (tmp_path / "box" / "core.py").write_bytes(b"123456")
    return tmp_path, PathDistribution(info)


def test_files_of_the_package_count_and_scripts_bytecode_and_notes_do_not(package):
    found = fingerprint([package[1]])
    assert (found["num_files"], found["altered"]) == (2, [])


def test_another_digest_in_the_record_gives_another_fingerprint(package):
    folder, box = package
    before = fingerprint([box])["sha256"]
    record = folder / "box-1.0.dist-info" / "RECORD"
    record.write_text(RECORD.replace("sha256=def", "sha256=deg"))
    assert fingerprint([box])["sha256"] != before


def test_what_the_installer_notes_does_not_matter(package):
    folder, box = package
    before = fingerprint([box])["sha256"]
    record = folder / "box-1.0.dist-info" / "RECORD"
    record.write_text(RECORD.replace("sha256=ghi,100", "sha256=xyz,101"))
    assert fingerprint([box])["sha256"] == before


def test_files_that_changed_their_size_or_are_gone_are_named(package):
    folder, box = package
    (folder / "box" / "core.py").write_bytes(b"1234567")
    (folder / "box" / "__init__.py").unlink()
    assert fingerprint([box])["altered"] == ["box 1.0: box/__init__.py", "box 1.0: box/core.py"]


def test_the_environment_tells_switches_packages_and_no_other_variables(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = environment("cpu")
    text = json.dumps(found, allow_nan=False)
    assert "hush" not in text
    assert found["variables"]["OMP_NUM_THREADS"] == "1"
    assert {"torch", "lightning", "numpy"} <= set(found["packages"])
    assert found["gpu"] is None
    assert found["cpu"]["flags"]
    assert len(found["installed_files"]["sha256"]) == 64
    assert found["threads"] >= 1
