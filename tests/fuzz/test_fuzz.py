"""A fixed share of the fuzzing, always the same cases, and everything that was ever found.

Far more is run by `nox -s fuzz -- --cases 200000`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import corpus, targets
from tests.fuzz.seeds import unpacked

ROOT = Path(__file__).parents[2]
SEED = 20260128
SHARE = {
    "hubs": 300,
    "archives": 250,
    "events": 600,
    "locks": 600,
    "outputs": 60,
    "runs": 12,
    "manifests": 250,
}
"""About two minutes on two cores."""
PAST = json.loads((Path(__file__).parent / "corpus.json").read_text())


def fuzz(*words):
    command = [sys.executable, "-m", "tests.fuzz", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_target_has_a_share():
    assert set(SHARE) == set(targets.NAMES)


@pytest.mark.parametrize("target", SHARE)
def test_nothing_is_found(target):
    done = fuzz("--target", target, "--cases", SHARE[target], "--seed", SEED, "--patience", 20)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{SHARE[target]} cases, 0 distinct findings" in done.stdout


def test_what_was_found_once_is_not_found_again(tmp_path):
    done = fuzz("--past", "--patience", 20)
    assert done.returncode == 0, done.stdout + done.stderr
    recipes = len(corpus.cases(unpacked(tmp_path)[-1]))
    assert f"{len(PAST) + recipes} cases, 0 distinct findings" in done.stdout


# --- the harness itself can fail -----------------------------------------------------------------


@pytest.fixture
def apart():
    """Audit hooks cannot be removed, so defects are planted in a process of their own."""

    def run(name):
        script = f"from tests.fuzz import planted; planted.main({name!r})"
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return set(json.loads(done.stdout))

    return run


@pytest.mark.parametrize(
    ("defect", "kind"),
    [
        ("raises", "bug"),
        ("sleeps", "hang"),
        ("computes", "hang"),
        ("eats memory", "memory"),
        ("dies", "crash"),
        ("writes outside", "outside"),
        ("writes beside", "outside"),
        ("follows a link out", "outside"),
        ("starts a program", "process"),
        ("connects", "network"),
        ("prints an escape", "control"),
        ("prints a secret", "leak"),
        ("prints too much", "long"),
        ("exits oddly", "code"),
        ("names no place", "vague"),
    ],
)
def test_a_planted_defect_is_found(apart, defect, kind):
    assert kind in apart(defect)


def test_seeds_are_as_they_were_sealed(tmp_path):
    for seed in unpacked(tmp_path):
        done = subprocess.run(
            [sys.executable, "-m", "runner", "verify", seed.folder],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
