"""What is published names the version that it is, and is valid to those who read it."""

import re
import subprocess
import tomllib
from pathlib import Path

from runner import __version__

ROOT = Path(__file__).parents[2]
CFFCONVERT = ROOT / ".venv-publish" / "bin" / "cffconvert"


def validated(folder):
    return subprocess.run(
        [CFFCONVERT, "--validate"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_citation_is_valid_and_of_this_version(tmp_path):
    done = validated(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", text, re.MULTILINE) == [__version__]
    (tmp_path / "CITATION.cff").write_text(text.replace("authors:", "writers:"))
    assert validated(tmp_path).returncode != 0


def test_the_version_stands_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
