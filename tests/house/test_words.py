"""The study's words stand behind one door: `runner/experiment/`, and nowhere else in `runner/`."""

import ast
import re
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[2] / "runner"
DOOR = "experiment"
WORDS = re.compile(
    r"""
    (?<![a-z])amp_ | ssim | (?<![a-z])mae(?![a-z]) | psnr | amplitude | photon | ptycho | fourier
    | collaps | reconstruct | hybrid | stage_[ab]\b | stage\ [ab]\b | probe | diffraction
    | learning[_ ]rate | (?<![a-z])lr(?![a-z]) | (?<!date_)epoch | optimi[sz]er | (?<![a-z])sgd
    | (?<![a-z])adam | activation | gradient | grad_ | (?<![a-z])loss(es)?(?![a-z])
    | (?<![a-z])val_ | train_ | train\. | batch_size | decoder | diagnostics | unlike_object
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""What only this study says."""
CSS = "border-collapse: collapse"

ALLOWED = {
    "cli/again.py": 3,
}
"""Files that still have some, and how many; each is to go."""


def words_in(text: str) -> int:
    """How many of the words are in a text."""
    return len(WORDS.findall(text.replace(CSS, "")))


def counted() -> dict[str, int]:
    """File of the runner → how many of the words are in it: code, texts, comments, names."""
    files = [one for one in RUNNER.rglob("*") if one.suffix in (".py", ".j2")]
    names = {one.relative_to(RUNNER).as_posix(): one.read_text() for one in files}
    return {
        name: number
        for name, text in sorted(names.items())
        if not name.startswith(f"{DOOR}/") and (number := words_in(f"{name}\n{text}"))
    }


def test_no_file_outside_of_the_door_has_more_of_the_words_than_is_known():
    found = counted()
    more = {name: n for name, n in found.items() if n > ALLOWED.get(name, 0)}
    assert more == {}, "ask runner.experiment for them"


def test_what_is_known_is_no_more_than_is_there():
    """A file that has lost some of its words is not to get them back."""
    found = counted()
    less = {name: found.get(name, 0) for name, n in ALLOWED.items() if found.get(name, 0) < n}
    assert less == {}, "take them off the list"


@pytest.mark.parametrize(
    "line",
    [
        "amp_ssim >= 0.8",
        "if arm.collapsed:",
        "'learning_rate'",
        '"stable_hybrid"',
        "stage = 'stage_a'",
        "# the measured probe",
        "lr = 3",
        "epoch = 7",
        "val_loss",
        "READY_AT_COLLAPSE",
    ],
)
def test_a_word_of_the_study_is_seen(line):
    assert words_in(line)


@pytest.mark.parametrize("line", [f"{CSS};", "SOURCE_DATE_EPOCH", "retrain", "flora", "eval_"])
def test_other_words_are_not(line):
    assert not words_in(line)


def test_the_models_are_imported_behind_the_door_alone_and_nobody_walks_past_it():
    for path in RUNNER.rglob("*.py"):
        if path.relative_to(RUNNER).parts[0] == DOOR:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            behind = ("models", "runner.experiment.ptychography")
            assert not [
                one for one in names if f"{one}.".startswith(tuple(f"{b}." for b in behind))
            ], path
