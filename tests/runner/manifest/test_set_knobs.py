"""What the command line sets over a manifest: a layer above profile and phase, below the arms."""

import json

import pytest

from runner import cli
from runner.core.errors import ManifestError
from runner.manifest.model import load
from runner.manifest.set_knobs import in_words
from runner.plan.make import make_plan
from runner.plan.model import digest, parse_plan
from runner.report.plan_text import render_plan
from tests.runner.conftest import TINY

QUICK = "\n[profiles.quick.train]\nepochs = 2\n"
MATRIX = "\n[matrix]\ntrain.batch_size = [4, 8]\nseed = [1, 2]\n"


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY + QUICK)
    return path


def planned(manifest, *words, profile=None):
    return make_plan(load(manifest, set_over=words, profile=profile), profile=profile)


def train(plan):
    return plan.arms[0].parameters["train"]


def test_what_is_set_stands_above_phase_and_profile(manifest):
    assert train(planned(manifest, "train.epochs=3"))["epochs"] == 3
    assert train(planned(manifest, "train.epochs=3", profile="quick"))["epochs"] == 3
    other = load(manifest, set_over=["train.epochs=3"], profile="quick")
    assert train(make_plan(other))["epochs"] == 1
    assert make_plan(other).set_knobs == {}


def test_a_table_with_a_kind_replaces_the_one_below_as_in_a_manifest(manifest):
    manifest.write_text(
        TINY.replace("epochs = 1", 'epochs = 1\noptimizer = {kind = "sgd", momentum = 0.5}')
    )
    changed = train(planned(manifest, "train.optimizer.momentum=0.8"))["optimizer"]
    assert (changed["kind"], changed["momentum"]) == ("sgd", 0.8)
    assert train(planned(manifest, "train.optimizer.kind=adamw"))["optimizer"]["kind"] == "adamw"


def test_bounds_and_the_phase_s_seed_can_be_set(manifest):
    plan = planned(manifest, "resources={threads=2, pids=99}", "phase.seed=8")
    assert plan.set_knobs == {"resources.threads": 2, "resources.pids": 99, "phase.seed": 8}
    for job in (*plan.arms, *plan.datasets):
        assert (job.seed, job.execution.threads, job.resources.pids) == (8, 2, 99)


def test_the_plan_says_it_and_has_another_digest_even_for_the_same_value(manifest):
    plan, same = planned(manifest), planned(manifest, "train.epochs=1")
    assert plan.arms == same.arms
    assert digest(plan) != digest(same)
    assert "set_knobs" not in plan.model_dump()
    assert parse_plan(same.model_dump_json().encode()) == same
    assert "Set over the manifest: --set train.epochs=1." in render_plan(same)


def test_what_was_set_can_be_given_again_as_it_is_told(manifest):
    words = ('model.architecture="fno"', 'train.optimizer={kind="sgd"}', "train.batch_size=4")
    told = in_words(planned(manifest, *words).set_knobs)
    assert told.startswith('--set model.architecture="fno" --set train.optimizer=')
    assert "train.batch_size=4" in told


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("train.epochs=three", "got 'three'; expected an integer"),
        ("train.epocs=3", "unknown key; did you mean 'epochs'?"),
        ("train.epochs=true", "got true; expected an integer"),
        ("model.architecture=hybird", "did you mean 'hybrid'?"),
        ("resources.threads=x", "got 'x'; expected an integer"),
        ("resources.gpus=3", "the standard command computes on one GPU"),
        ("phase.seed=-1", "expected a number of at least 0"),
        ('train.optimizer={kind="sgd", momentun=1}', "momentun: unknown key; did you mean"),
        ('train.scheduler={kind="warmup_cosine", warmup_epochs=9}', "use at most 0"),
        ("train.learning_rate=1", "arm 'two' has train.learning_rate from its own table (line"),
        ("phase.title=x", "phase has no knobs"),
        ("trian.epochs=1", "did you mean 'train'?"),
        ("arms=[]", "arms has no knobs"),
        ("train=3", "name one of its keys"),
        ("train={}", "sets nothing"),
        ("train.epochs", "expected KEY=VALUE"),
        ("train.epochs=", "expected KEY=VALUE"),
        ("train.epochs=2026-01-01", "expected a finite number"),
        ("train.learning_rate=nan", "expected a finite number"),
        ("train.epochs=3\nphase.seed=1", "one printable line"),
        ("train.epochs=" + "[" * 50 + "]" * 50, "levels deep"),
        ("train.epochs=1" + "0" * 30, "more than 18 digits"),
        ("train.epochs=a b", "put a text into quotes"),
        ("dataset.probe_file=probe.npz", "given in the manifest alone"),
        ('dataset.probe_sha256="' + "0" * 64 + '"', "given in the manifest alone"),
    ],
)
def test_what_cannot_be_set_is_refused_by_the_word_and_with_the_way_out(manifest, word, problem):
    with pytest.raises(ManifestError) as refused:
        planned(manifest, "train.inference_batch_size=2", word)
    (said,) = str(refused.value).splitlines()
    assert f"--set {word.partition('=')[0]}" in said
    assert "inference" not in said
    assert problem in said


def test_a_knob_that_is_set_twice_is_refused(manifest):
    for words in (("train.epochs=1", "train.epochs=1"), ("train={epochs=2}", "train.epochs=1")):
        with pytest.raises(ManifestError, match=r"train\.epochs is set already"):
            planned(manifest, *words)


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("train.batch_size=4", "arm 'one-bs4-s1' and 7 more has train.batch_size from the matrix"),
        ("phase.seed=3", "has seed from the matrix (line 35)"),
    ],
)
def test_a_knob_that_arms_have_from_the_matrix_is_refused(tmp_path, word, problem):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY + MATRIX)
    with pytest.raises(ManifestError) as refused:
        planned(path, word)
    assert problem in str(refused.value)
    assert f"--set {word}" in str(refused.value)


def test_a_mistake_of_the_file_is_still_told_by_its_line(manifest):
    manifest.write_text(manifest.read_text().replace("modes = 3", "modes = 'x'"))
    with pytest.raises(ManifestError) as refused:
        planned(manifest, "train.epochs=x")
    said = str(refused.value)
    assert "--set train.epochs=x: got 'x'" in said
    line = manifest.read_text().splitlines().index("modes = 'x'") + 1
    assert f"{manifest}:{line}: model.modes: got 'x'" in said


def printed(capsys, *words, code=0):
    assert cli.guarded(lambda: cli.app([*map(str, words)], standalone_mode=False)) == code
    return capsys.readouterr()


def test_a_run_that_is_held_to_a_lock_takes_none(manifest, capsys):
    words = ("run", manifest, "--locked", "--set", "train.epochs=3")
    assert "leave one of the two out" in printed(capsys, *words, code=2).err


def test_check_and_plan_take_it(manifest, capsys):
    said = printed(capsys, "check", manifest, "--set", "train.epochs=x", code=2)
    assert "--set train.epochs=x" in said.err
    printed(capsys, "check", manifest, "--set", "train.epochs=3", "--profile", "quick")
    plan = printed(capsys, "plan", manifest, "--set", "train.epochs=3", "--json")
    assert json.loads(plan.out)["plan"]["set_knobs"] == {"train.epochs": 3}
