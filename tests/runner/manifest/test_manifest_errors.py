"""What a user is told about a manifest that is wrong, word by word."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.errors import ManifestError
from runner.manifest.manifest_errors import dotted, shown
from runner.manifest.model import load

PHASE = """\
schema_version = 1
[phase]
name = "phase1"
title = "A phase"
question = "Why?"
seed = 7

[resources]
threads = 1

[model]
hidden_channels = 8

[train]
epochs = 6
learning_rate = 1e-3

[verdict]
success = ["amp_ssim >= 0.8"]

[[arms]]
name = "one"

[[arms]]
name = "two"
train.optimizer = { kind = "sgd" }

[profiles.quick.train]
batch_size = 8
"""


def complain(tmp_path, text, *, name="phase1.toml"):
    """The whole message about a manifest, or an empty one."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        load(path)
    except ManifestError as error:
        return str(error).replace(f"{tmp_path}/", "")
    return ""


@pytest.fixture
def told(tmp_path):
    """The message about ``PHASE`` with one piece of text replaced by another."""

    def replace_and_load(old, new):
        assert PHASE.count(old) == 1
        return complain(tmp_path, PHASE.replace(old, new))

    return replace_and_load


def test_the_manifest_that_the_cases_are_made_from_is_right(tmp_path):
    assert complain(tmp_path, PHASE) == ""


CASES = {
    "unknown key": (
        "learning_rate = 1e-3",
        "learning_rat = 1e-3",
        "phase1.toml:16: train.learning_rat: unknown key; did you mean 'learning_rate'?\n"
        "    16 | learning_rat = 1e-3",
    ),
    "unknown key that belongs to another table": (
        "hidden_channels = 8",
        "epochs = 8",
        "phase1.toml:12: model.epochs: unknown key; it belongs to [train]\n    12 | epochs = 8",
    ),
    "unknown key that resembles none": (
        "threads = 1",
        "zzz = 1",
        "phase1.toml:9: resources.zzz: unknown key; known are gpus, threads, determinism, "
        "timeout_s, silent_for_min, memory_gib, shm_mib, pids, tmp_mib, disk_gib, network, "
        "seccomp, checkpoint_every\n"
        "    9 | zzz = 1",
    ),
    "checkpoints without a word on how often": (
        "threads = 1",
        "checkpoint_every = { keep = true }",
        "phase1.toml:9: resources.checkpoint_every.epochs: it does not say how often; give "
        "`epochs`, `minutes` or both\n    9 | checkpoint_every = { keep = true }",
    ),
    "unknown key of an optimizer": (
        '{ kind = "sgd" }',
        '{ kind = "sgd", momentun = 0.9 }',
        "phase1.toml:26: arms[1].train.optimizer.momentun: unknown key; did you mean 'momentum'?\n"
        '    26 | train.optimizer = { kind = "sgd", momentun = 0.9 }',
    ),
    "wrong type": (
        "epochs = 6",
        'epochs = "6"',
        "phase1.toml:15: train.epochs: got '6'; expected an integer: write epochs = 6, "
        'without quotes\n    15 | epochs = "6"',
    ),
    "boolean for an integer": (
        "threads = 1",
        "threads = true",
        "phase1.toml:9: resources.threads: got true; expected an integer\n    9 | threads = true",
    ),
    "boolean for the version": (
        "schema_version = 1",
        "schema_version = true",
        "phase1.toml:1: schema_version: got true; expected an integer\n"
        "    1 | schema_version = true",
    ),
    "version of the future": (
        "schema_version = 1",
        "schema_version = 2",
        "phase1.toml:1: schema_version: got 2; expected 1\n    1 | schema_version = 2",
    ),
    "number of GPUs": (
        "threads = 1",
        "gpus = 2",
        "phase1.toml:9: resources.gpus: got 2; the standard command computes on one GPU; write "
        "gpus = 1, or give the arm its own `command`\n    9 | gpus = 2",
    ),
    "unknown architecture": (
        "hidden_channels = 8",
        'architecture = "stable_hybird"',
        "phase1.toml:12: model.architecture: got 'stable_hybird'; expected one of 'hybrid', "
        "'stable_hybrid', 'hybrid_resnet', 'fno', 'cnn'; did you mean 'stable_hybrid'?\n"
        '    12 | architecture = "stable_hybird"',
    ),
    "negative learning rate": (
        "learning_rate = 1e-3",
        "learning_rate = -1e-3",
        "phase1.toml:16: train.learning_rate: got -0.001; expected a number greater than 0\n"
        "    16 | learning_rate = -1e-3",
    ),
    "infinite learning rate": (
        "learning_rate = 1e-3",
        "learning_rate = inf",
        "phase1.toml:16: train.learning_rate: got inf; expected a finite number\n"
        "    16 | learning_rate = inf",
    ),
    "duplicate arm": (
        'name = "two"',
        'name = "one"',
        "phase1.toml:25: arms[1].name: got 'one', the name of the arm on line 22 already; "
        'rename one of them\n    25 | name = "one"',
    ),
    "unsafe name of an arm": (
        'name = "two"',
        'name = "../two"',
        "phase1.toml:25: arms[1].name: got '../two'; expected a safe file name: lower-case "
        "letters, digits, underscores and hyphens, a letter or digit first, at most 64 "
        "characters\n"
        '    25 | name = "../two"',
    ),
    "name of the simulation": (
        'name = "two"',
        'name = "dataset"',
        "phase1.toml:25: arms[1].name: got 'dataset'; the name is taken by the simulation; "
        'choose another one\n    25 | name = "dataset"',
    ),
    "unknown optimizer": (
        '{ kind = "sgd" }',
        '{ kind = "adamm" }',
        "phase1.toml:26: arms[1].train.optimizer.kind: got 'adamm'; expected one of 'adam', "
        "'adamw', 'sgd'; did you mean 'adam'?\n    26 | train.optimizer = { kind = \"adamm\" }",
    ),
    "optimizer without a kind": (
        '{ kind = "sgd" }',
        "{ momentum = 0.8 }",
        "phase1.toml:26: arms[1].train.optimizer: has no kind; give one of 'adam', 'adamw', 'sgd'\n"
        "    26 | train.optimizer = { momentum = 0.8 }",
    ),
    "optimizer by its name alone": (
        '{ kind = "sgd" }',
        '"sgd"',
        "phase1.toml:26: arms[1].train.optimizer: got 'sgd'; expected a table with a kind, one of "
        "'adam', 'adamw', 'sgd'\n    26 | train.optimizer = \"sgd\"",
    ),
    "betas of length 1": (
        '{ kind = "sgd" }',
        '{ kind = "adamw", betas = [0.9] }',
        "phase1.toml:26: arms[1].train.optimizer.betas: got [0.9]; expected 2 items\n"
        '    26 | train.optimizer = { kind = "adamw", betas = [0.9] }',
    ),
    "betas of length 0": (
        '{ kind = "sgd" }',
        '{ kind = "adam", betas = [] }',
        "phase1.toml:26: arms[1].train.optimizer.betas: got []; expected 2 items\n"
        '    26 | train.optimizer = { kind = "adam", betas = [] }',
    ),
    "betas of length 3": (
        '{ kind = "sgd" }',
        '{ kind = "adam", betas = [0.9, 0.99, 0.999] }',
        "phase1.toml:26: arms[1].train.optimizer.betas: got [0.9, 0.99, 0.999]; expected 2 items\n"
        '    26 | train.optimizer = { kind = "adam", betas = [0.9, 0.99, 0.999] }',
    ),
    "one of the betas": (
        '{ kind = "sgd" }',
        '{ kind = "adam", betas = [\n  0.9,\n  1.5,\n] }',
        "phase1.toml:28: arms[1].train.optimizer.betas[1]: got 1.5; expected a number less than 1\n"
        "    28 | 1.5,",
    ),
    "warm-up as long as the fit": (
        "epochs = 6",
        'epochs = 6\nscheduler = { kind = "warmup_cosine", warmup_epochs = 6 }',
        "phase1.toml:16: train.scheduler.warmup_epochs: scheduler.warmup_epochs 6 leaves nothing "
        "of epochs 6 for the cosine; use at most 5\n"
        '    16 | scheduler = { kind = "warmup_cosine", warmup_epochs = 6 }',
    ),
    "warm-up too long for one arm": (
        '{ kind = "sgd" }',
        '{ kind = "sgd" }\ntrain.epochs = 5\ntrain.scheduler = { kind = "warmup_cosine" }',
        "phase1.toml:27: arms[1].train.epochs: scheduler.warmup_epochs 5 leaves nothing of "
        "epochs 5 for the cosine; use at most 4\n    27 | train.epochs = 5",
    ),
    "warm-up too long for a profile": (
        "batch_size = 8",
        'epochs = 2\nscheduler = { kind = "warmup_cosine", warmup_epochs = 3 }',
        "phase1.toml:30: profiles.quick.train.scheduler.warmup_epochs: scheduler.warmup_epochs 3 "
        "leaves nothing of epochs 2 for the cosine; use at most 1\n"
        '    30 | scheduler = { kind = "warmup_cosine", warmup_epochs = 3 }',
    ),
    "blocks that the patch cannot hold": (
        "hidden_channels = 8",
        "fno_blocks = 8",
        "phase1.toml:12: model.fno_blocks: model.fno_blocks 8 cannot fit dataset.patch_size 64: "
        "at most 6 blocks fit; lower it, or set model.max_levels to at most 5\n"
        "    12 | fno_blocks = 8",
    ),
    "patch that cannot hold the blocks": (
        "[model]",
        "[dataset]\npatch_size = 8\ntest_stride = 4\n[model]\nmodes = 4",
        "phase1.toml:12: dataset.patch_size: model.fno_blocks 4 cannot fit dataset.patch_size 8: "
        "at most 3 blocks fit; lower it, or set model.max_levels to at most 2\n"
        "    12 | patch_size = 8",
    ),
    "knob of another architecture": (
        "hidden_channels = 8",
        'stable_block = "zero_gamma"',
        "phase1.toml:12: model.stable_block: stable_block belongs to architecture "
        "'stable_hybrid', not to 'hybrid'; remove it\n    12 | stable_block = \"zero_gamma\"",
    ),
    "misspelt statistic": (
        "amp_ssim >= 0.8",
        "amp_sim >= 0.8",
        "phase1.toml:19: verdict.success[0]: got 'amp_sim >= 0.8'; column 1: 'amp_sim' is not a "
        "statistic; did you mean 'amp_ssim'?\n    19 | success = [\"amp_sim >= 0.8\"]",
    ),
    "date": (
        'title = "A phase"',
        "title = 2026-01-28",
        "phase1.toml:4: phase.title: got 2026-01-28; dates mean nothing here: write it in quotes\n"
        "    4 | title = 2026-01-28",
    ),
    "time for a number": (
        "epochs = 6",
        "epochs = 06:00:00",
        "phase1.toml:15: train.epochs: got 06:00:00; dates mean nothing here: write it in quotes\n"
        "    15 | epochs = 06:00:00",
    ),
    "integer beyond 64 bits": (
        "seed = 7",
        "seed = 18446744073709551616",
        "phase1.toml:6: phase.seed: got an integer of more than 64 bits; write a smaller one\n"
        "    6 | seed = 18446744073709551616",
    ),
    "missing key": (
        'question = "Why?"\n',
        "",
        "phase1.toml:2: phase.question: missing; add it: What the phase is to answer.\n"
        "    2 | [phase]",
    ),
    "name of another file": (
        'name = "phase1"',
        'name = "phase2"',
        "phase1.toml:3: phase.name: got 'phase2'; expected 'phase1', as the file is called; "
        'rename one of the two\n    3 | name = "phase2"',
    ),
    "dataset of one arm": (
        'name = "two"',
        'name = "two"\ndataset.patch_size = 31',
        "phase1.toml:26: arms[1].dataset.patch_size: patch_size 31 is odd; give an even number of "
        "pixels\n    26 | dataset.patch_size = 31",
    ),
    "empty command": (
        'name = "two"',
        'name = "two"\ncommand = []',
        "phase1.toml:26: arms[1].command: got []; expected at least 1 of them\n"
        "    26 | command = []",
    ),
    "name of a profile": (
        "[profiles.quick.train]",
        '[profiles."very quick".train]',
        "phase1.toml:28: profiles.'very quick': got 'very quick'; expected a safe file name: "
        "lower-case letters, digits, underscores and hyphens, a letter or digit first, at most 64 "
        'characters\n    28 | [profiles."very quick".train]',
    ),
    "text for a table": (
        "[model]\nhidden_channels = 8",
        "[[model]]\nhidden_channels = 8",
        "phase1.toml:11: model: got [a table]; expected a table: write [model]\n    11 | [[model]]",
    ),
    "syntax": (
        "epochs = 6",
        "epochs = ",
        "phase1.toml:15:10: not TOML: epochs has no value; write one behind the '=', or remove "
        "it\n    15 | epochs =",
    ),
    "key given twice": (
        "epochs = 6",
        "epochs = 6\nepochs = 7",
        "phase1.toml:16:11: not TOML: epochs stands on line 15 already; remove one of the two\n"
        "    16 | epochs = 7",
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), CASES.values(), ids=CASES)
def test_the_mistake_about(told, old, new, expected):
    assert told(old, new) == expected


def test_a_knob_that_an_arm_cannot_have_names_the_arm(told):
    message = told(
        'name = "two"',
        'name = "two"\nmodel.architecture = "stable_hybrid"\n[profiles.v1.model]\n'
        'stable_block = "zero_gamma"\n[[arms]]\nname = "three"',
    )
    assert message == (
        "phase1.toml:28: profiles.v1.model.stable_block: stable_block belongs to architecture "
        "'stable_hybrid', not to 'hybrid'; remove it (with arm 'one', arm 'three')\n"
        '    28 | stable_block = "zero_gamma"'
    )


def test_what_is_wrong_only_with_a_profile_names_the_profile(told):
    message = told(
        "batch_size = 8",
        'epochs = 3\n[train.scheduler]\nkind = "warmup_cosine"\nwarmup_epochs = 5',
    )
    assert message == (
        "phase1.toml:32: train.scheduler.warmup_epochs: scheduler.warmup_epochs 5 leaves nothing "
        "of epochs 3 for the cosine; use at most 2 (with profile 'quick')\n"
        "    32 | warmup_epochs = 5"
    )


def test_everything_that_is_wrong_is_said_at_once(tmp_path):
    text = (
        PHASE.replace("seed = 7", "seed = -1\ndate = 2026-01-01")
        .replace('title = "A phase"', 'titel = "A phase"')
        .replace("epochs = 6", "epochs = 0")
        .replace('name = "one"', 'name = "two"')
        .replace('{ kind = "sgd" }', '{ kind = "sdg" }')
        .replace("batch_size = 8", "batch = 8")
    )
    lines = [
        line.split(": ")[:2]
        for line in complain(tmp_path, text).split("\n")
        if not line.startswith("    ")
    ]
    assert lines == [
        ["phase1.toml:2", "phase.title"],
        ["phase1.toml:4", "phase.titel"],
        ["phase1.toml:6", "phase.seed"],
        ["phase1.toml:7", "phase.date"],
        ["phase1.toml:16", "train.epochs"],
        ["phase1.toml:26", "arms[1].name"],
        ["phase1.toml:27", "arms[1].train.optimizer.kind"],
        ["phase1.toml:30", "profiles.quick.train.batch"],
    ]


def test_a_default_that_a_new_kind_brings_is_not_looked_for_below_it(told):
    message = told(
        '{ kind = "sgd" }\n',
        '{ kind = "sgd" }\n[train.scheduler]\nkind = "warmup_cosine"\nwarmup_epochs = 1\n'
        '[profiles.slow.train]\nscheduler = { kind = "warmup_cosine" }\n'
        '[[arms]]\nname = "three"\ntrain.epochs = 5\n',
    )
    assert message == (
        "phase1.toml:34: arms[2].train.epochs: scheduler.warmup_epochs 5 leaves nothing of epochs "
        "5 for the cosine; use at most 4 (with profile 'slow')\n    34 | train.epochs = 5"
    )


def test_what_is_wrong_in_all_arms_is_said_once(told):
    assert told("epochs = 6", "epochs = 0").count("train.epochs") == 1


def test_an_arm_that_is_wrong_is_not_counted_as_missing(tmp_path):
    text = PHASE.replace('[[arms]]\nname = "one"\n', "").replace('"two"', '"T"')
    message = complain(tmp_path, text)
    assert [line.split(": ")[1] for line in message.split("\n")[::2]] == ["arms[0].name"]


def test_no_arms_are_too_few(tmp_path):
    text = "arms = []\n" + PHASE.split("[[arms]]")[0]
    assert complain(tmp_path, text) == (
        "phase1.toml:1: arms: got []; expected at least 1 of them\n    1 | arms = []"
    )


def test_a_document_of_other_shapes_is_refused_part_by_part(tmp_path):
    text = "schema_version = 1\narms = 3\nphase = 4\nprofiles = [1]\nresources = []\n"
    assert complain(tmp_path, text) == (
        "phase1.toml:2: arms: got 3; expected an array of tables: write [[arms]]\n"
        "    2 | arms = 3\n"
        "phase1.toml:3: phase: got 4; expected a table\n    3 | phase = 4\n"
        "phase1.toml:4: profiles: got [1]; expected a table\n    4 | profiles = [1]\n"
        "phase1.toml:5: resources: got []; expected a table\n    5 | resources = []"
    )


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "phase8.toml").touch()
    with pytest.raises(ManifestError) as error:
        load(tmp_path / "phase.toml")
    assert str(error.value) == (
        f"{tmp_path}/phase.toml: no such file; did you mean {tmp_path}/phase8.toml?"
    )
    with pytest.raises(ManifestError, match=r"zzz: no such file; check the path$"):
        load(tmp_path / "zzz")


def test_a_folder_is_refused_with_a_file_in_it_as_example(tmp_path):
    (tmp_path / "phase8.toml").touch()
    with pytest.raises(ManifestError) as error:
        load(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: a folder; give the path of a file, such as {tmp_path}/phase8.toml"
    )


def test_bytes_that_are_not_utf8_are_refused_with_their_line(tmp_path):
    message = complain(tmp_path, b"schema_version = 1\n# caf\xe9\n")
    assert message == "phase1.toml:2: not UTF-8: byte 0xe9; save the file as UTF-8"


def test_a_byte_order_mark_is_refused(tmp_path):
    message = complain(tmp_path, b"\xef\xbb\xbfschema_version = 1\n")
    assert message == "phase1.toml:1: begins with a byte order mark; save the file without it"


@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_an_empty_file_is_refused(tmp_path, text):
    message = complain(tmp_path, text)
    assert message == "phase1.toml: the file is empty; see manifests/README.md for the format"


def test_a_file_of_comments_lacks_every_required_key(tmp_path):
    message = complain(tmp_path, "# nothing\n")
    assert [line.split(": ")[1] for line in message.split("\n")[::2]] == [
        "arms",
        "phase",
        "schema_version",
    ]


@pytest.mark.parametrize("nested", ["[" * 300 + "]" * 300, "{a=" * 390 + "1" + "}" * 390])
def test_deep_nesting_is_refused_and_no_crash(tmp_path, nested):
    assert complain(tmp_path, PHASE + f"\n[model.x]\ny = {nested}\n") != ""


def test_an_integer_of_thousands_of_digits_is_refused(tmp_path):
    message = complain(tmp_path, PHASE.replace("seed = 7", f"seed = {'7' * 5000}"))
    assert message == "phase1.toml: an integer has too many digits; shorten it"


ODD_VALUES = [
    "true", "-1", "0", "1.5", "nan", "-inf", '""', '"x"', "[]", "[1]", '["a", 2]', "{}",
    "{ kind = 1 }", '{ kind = "none" }', "2026-01-01", "10:00:00", "9223372036854775807", "1e300",
    "0xffffffffffffffffffff", "[[{}]]",
]  # fmt: skip
ASSIGNMENTS = [line for line in PHASE.split("\n") if " = " in line]


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(st.sampled_from(ASSIGNMENTS), st.sampled_from(ODD_VALUES)), min_size=1))
def test_no_odd_value_is_answered_by_anything_but_mistakes(tmp_path_factory, changes):
    text = PHASE
    for line, value in changes:
        text = text.replace(f"{line}\n", f"{line.split(' = ')[0]} = {value}\n")
    message = complain(tmp_path_factory.getbasetemp(), text)
    assert message == "" or message.startswith("phase1.toml:")


def test_a_key_path_is_written_as_toml_writes_it():
    assert dotted(("arms", 1, "train", "betas", 0)) == "arms[1].train.betas[0]"
    assert dotted(("profiles", "very quick", "train")) == "profiles.'very quick'.train"


def test_a_long_value_is_cut():
    assert len(shown(["x" * 50] * 10)) == 60
    assert shown([True, {"a": 1}, 0.5]) == "[true, a table, 0.5]"
