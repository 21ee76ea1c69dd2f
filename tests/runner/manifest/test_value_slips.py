"""Values of the wrong type: what a user is told to write instead, by what the value looks like."""

import pytest

from runner.core.errors import ManifestError
from runner.manifest.model import load
from runner.manifest.value_slips import instead

HEAD = """\
schema_version = 1
[phase]
name = "slips"
title = "A phase"
question = "Why?"
seed = 7
[[arms]]
name = "one"
"""


@pytest.mark.parametrize(
    ("key", "value", "wanted", "remedy"),
    [
        ("epochs", "20", "integer", "write epochs = 20, without quotes"),
        ("epochs", " 20 ", "integer", "write epochs = 20, without quotes"),
        ("epochs", "1_000", "integer", "write epochs = 1000"),
        ("epochs", 20.0, "integer", "write epochs = 20"),
        ("epochs", 1e3, "integer", "write epochs = 1000"),
        ("epochs", "2.5", "integer", None),
        ("epochs", 2.5, "integer", None),
        ("epochs", "many", "integer", None),
        ("epochs", "20 epochs", "integer", None),
        ("epochs", True, "integer", None),
        ("learning_rate", "1e-3", "number", "write learning_rate = 0.001"),
        ("learning_rate", "0.5", "number", "write learning_rate = 0.5, without quotes"),
        ("learning_rate", "0,85", "number", "write learning_rate = 0.85"),
        ("learning_rate", ".5", "number", "write learning_rate = 0.5"),
        ("learning_rate", "5.", "number", "write learning_rate = 5.0"),
        ("min_ratio", "5%", "number", "write min_ratio = 0.05"),
        ("memory_gib", "4GiB", "number", "write memory_gib = 4"),
        ("memory_gib", "4 GB", "number", "write memory_gib = 3.72529029846"),
        ("memory_gib", "4g", "number", "write memory_gib = 4"),
        ("memory_gib", "512 MiB", "number", "write memory_gib = 0.5"),
        ("memory_gib", "30min", "number", None),
        ("shm_mib", "1GiB", "integer", "write shm_mib = 1024"),
        ("shm_mib", "1KiB", "integer", None),
        ("timeout_s", "30min", "number", "write timeout_s = 1800"),
        ("timeout_s", "2 hours", "number", "write timeout_s = 7200"),
        ("timeout_s", "1.5h", "number", "write timeout_s = 5400"),
        ("timeout_s", "250 ms", "number", "write timeout_s = 0.25"),
        ("timeout_s", "9" * 39 + "e999", "number", None),
        ("timeout_s", "9e999", "number", None),
        ("required", "true", "boolean", "write required = true, without quotes"),
        ("required", "True", "boolean", "write required = true"),
        ("required", 1, "boolean", "write required = true"),
        ("required", "no", "boolean", "write required = false"),
        ("required", "perhaps", "boolean", None),
        ("license", 3, "string", 'write license = "3", in quotes'),
        ("license", [3], "string", None),
        ("seed", {"a": 1}, "integer", None),
    ],
)
def test_what_a_value_was_meant_to_be(key, value, wanted, remedy):
    assert instead(key, value, wanted) == remedy


MISTAKES = {
    'train.epochs = "20"': "arms[0].train.epochs: got '20'; expected an integer: write epochs "
    "= 20, "
    "without quotes",
    "train.epochs = 20.0": "arms[0].train.epochs: got 20.0; expected an integer: write epochs = 20",
    'resources.memory_gib = "4GiB"': "arms[0].resources.memory_gib: got '4GiB'; expected a number: "
    "write "
    "memory_gib = 4",
    'resources.timeout_s = "30min"': "arms[0].resources.timeout_s: got '30min'; expected a number: "
    "write "
    "timeout_s = 1800",
    'train.learning_rate = "0,85"': "arms[0].train.learning_rate: got '0,85'; expected a number: "
    "write "
    "learning_rate = 0.85",
    'optional = "yes"': "arms[0].optional: got 'yes'; expected true or false: write optional "
    "= true",
    'resources.gpus = "1"': "arms[0].resources.gpus: got '1'; expected an integer: write gpus "
    "= 1, "
    "without quotes",
    "title = 3": 'arms[0].title: got 3; expected a string: write title = "3", in quotes',
    'command = "python"': "arms[0].command: got 'python'; expected an array: write command = "
    '["python"]',
    "command = [3]": 'arms[0].command[0]: got 3; expected a string: write "3", in quotes',
    "[[verdict]]": "verdict: got [a table]; expected a table: write [verdict]",
    "[arms.train.optimizer]\nkind = "
    "'sgd'\nbetas = 1": "arms[0].train.optimizer.betas: unknown key; "
    "known are "
    "kind, "
    "momentum, "
    "weight_decay",
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.items(), ids=MISTAKES)
def test_the_mistake_says_what_to_write(text, expected, tmp_path):
    path = tmp_path / "slips.toml"
    path.write_text(HEAD + text)
    with pytest.raises(ManifestError) as error:
        load(path)
    assert str(error.value).split("\n")[0].partition(": ")[2] == expected
