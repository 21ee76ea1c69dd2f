"""From a manifest to jobs: parameters, seeds, devices, and the bytes of job.json."""

import json
from pathlib import Path

import pytest

from models.config import PORTABLE, Parameters, count_parameters
from runner.core.digest import pretty_json
from runner.core.errors import ManifestError
from runner.manifest.model import load
from runner.plan.make import asks_for_gpu, make_plan
from runner.plan.model import InputRef, Job, digest, job_document, parse_plan
from runner.plan.other_jobs import arm_audit_job

MANIFESTS = Path(__file__).parents[3] / "manifests"

TINY = """\
schema_version = 1
[phase]
name = "tiny"
title = "Two arms"
question = "Does it plan?"
seed = 7
[resources]
threads = 3
[dataset]
object_size = 64
patch_size = 32
test_stride = 8
[model]
hidden_channels = 4
modes = 4
fno_blocks = 2
[train]
epochs = 2
[[arms]]
name = "one"
[[arms]]
name = "two"
seed = 8
train.learning_rate = 1e-2
resources.threads = 1
command = ["other", "{job}/job.json", "{out}"]
[profiles.quick.train]
epochs = 1
"""


@pytest.fixture
def loaded(tmp_path):
    return load_text(tmp_path, TINY)


def load_text(folder, text):
    path = folder / "tiny.toml"
    path.write_text(text)
    return load(path)


def test_a_plan_has_the_simulation_and_every_arm(loaded):
    plan = make_plan(loaded)
    assert (plan.phase, plan.profile) == ("tiny", None)
    assert (plan.datasets[0].name, plan.datasets[0].experiment) == ("dataset", "simulate")
    assert [(job.name, job.experiment) for job in plan.arms] == [("one", "train"), ("two", "train")]


def test_an_arm_with_a_command_of_its_own_may_have_several_gpus(tmp_path):
    text = TINY.replace("resources.threads = 1\n", "resources.threads = 1\nresources.gpus = 4\n")
    one, two = make_plan(load_text(tmp_path, text), device="cuda").arms
    assert [(job.resources.gpus, job.execution.device) for job in (one, two)] == [
        (0, "cpu"),
        (4, "cuda"),
    ]


def test_the_simulation_has_the_dataset_s_parameters_and_the_phase_s_seed(loaded):
    job = make_plan(loaded).datasets[0]
    assert set(job.parameters) == {"dataset"}
    assert job.parameters["dataset"]["object_size"] == 64
    assert job.seed == 7
    assert (job.execution.device, job.execution.threads) == ("cpu", 3)
    assert (job.num_parameters, job.steps) == (None, None)


def test_an_arm_has_all_parameters_with_defaults_spelled_out(loaded):
    one, two = make_plan(loaded).arms
    for job in (one, two):
        spelled = Parameters.model_validate_json(json.dumps(job.parameters))
        assert spelled.model_dump(mode="json") == job.parameters
    assert one.parameters["train"]["learning_rate"] == 1e-3
    assert two.parameters["train"]["learning_rate"] == 1e-2
    assert one.parameters["dataset"]["probe_defocus"] == 0.3


def test_an_arm_s_own_seed_threads_and_command_reach_its_job(loaded):
    one, two = make_plan(loaded).arms
    assert (one.seed, two.seed) == (7, 8)
    assert (one.execution.threads, two.execution.threads) == (3, 1)
    assert (one.resources.threads, two.resources.threads) == (3, 1)
    assert one.command == (
        "python", "-m", "models", "train", "--job", "{job}/job.json", "--out", "{out}",
    )  # fmt: skip
    assert two.command == ("other", "{job}/job.json", "{out}")


def test_zero_is_a_seed(tmp_path):
    plan = make_plan(load_text(tmp_path, TINY.replace("seed = 8", "seed = 0")))
    assert [job.seed for job in plan.arms] == [7, 0]


def test_sizes_are_counted(loaded):
    job = make_plan(loaded).arms[0]
    # 9×9 windows of 32 px at stride 4, of which round(0.05·81) are held out; batches of 16.
    assert job.steps == 2 * 5
    assert (
        job.num_parameters
        == count_parameters(Parameters.model_validate_json(json.dumps(job.parameters))).live
    )


def test_nothing_is_known_of_the_sizes_of_an_own_command(loaded):
    one, two = make_plan(loaded).arms
    assert (one.is_known, two.is_known) == (True, False)
    assert (two.num_parameters, two.steps) == (None, None)


def test_the_environment_makes_numbers_repeatable(loaded):
    plan = make_plan(loaded)
    for job in (*plan.datasets, *plan.arms):
        threads = str(job.execution.threads)
        assert job.environment == PORTABLE | {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }


def test_a_profile_changes_the_plan(loaded):
    plan = make_plan(loaded, profile="quick")
    assert plan.profile == "quick"
    assert [job.parameters["train"]["epochs"] for job in plan.arms] == [1, 1]


def test_an_unknown_profile_is_refused_with_the_nearest(loaded):
    with pytest.raises(ManifestError) as error:
        make_plan(loaded, profile="quik")
    assert str(error.value) == (
        f"{loaded.path}: no profile 'quik'; profiles are quick; did you mean 'quick'?"
    )


def test_a_manifest_without_profiles_says_so(tmp_path):
    loaded = load_text(tmp_path, TINY.replace("[profiles.quick.train]\nepochs = 1\n", ""))
    with pytest.raises(ManifestError, match=r"no profile 'quick'; the manifest has none$"):
        make_plan(loaded, profile="quick")


def test_only_the_arms_that_are_asked_for_are_planned(loaded):
    assert [job.name for job in make_plan(loaded, only=["two"]).arms] == ["two"]
    assert [job.name for job in make_plan(loaded, only=["two", "one"]).arms] == ["one", "two"]


def test_an_unknown_arm_is_refused_with_the_nearest(loaded):
    with pytest.raises(ManifestError) as error:
        make_plan(loaded, only=["one", "tow"])
    assert str(error.value) == (
        f"{loaded.path}: no arm 'tow'; arms are one, two; did you mean 'two'?"
    )


def test_on_the_cpu_no_arm_has_a_gpu(tmp_path):
    loaded = load_text(tmp_path, TINY.replace("threads = 3", "gpus = 1"))
    plan = make_plan(loaded, device="cpu")
    assert [(job.execution.device, job.resources.gpus) for job in plan.arms] == [("cpu", 0)] * 2


def test_on_a_gpu_an_arm_that_asks_for_none_stays_on_the_cpu(tmp_path):
    loaded = load_text(tmp_path, TINY.replace("resources.threads = 1", "resources.gpus = 1"))
    assert asks_for_gpu(loaded)
    plan = make_plan(loaded, device="cuda")
    assert [(job.execution.device, job.resources.gpus) for job in (*plan.datasets, *plan.arms)] == [
        ("cpu", 0),
        ("cpu", 0),
        ("cuda", 1),
    ]
    assert make_plan(loaded, device="cuda", only=["one"]).arms[0].execution.device == "cpu"


def test_insisting_on_a_gpu_gives_one_to_every_arm_when_none_asks(loaded):
    assert not asks_for_gpu(loaded)
    plan = make_plan(loaded, device="cuda")
    assert [(job.execution.device, job.resources.gpus) for job in plan.arms] == [("cuda", 1)] * 2


def test_a_profile_can_do_without_the_gpu_of_the_phase(tmp_path):
    text = TINY.replace("threads = 3", "gpus = 1") + "[profiles.quick.resources]\ngpus = 0\n"
    loaded = load_text(tmp_path, text)
    assert asks_for_gpu(loaded)
    assert not asks_for_gpu(loaded, "quick")


def test_the_same_manifest_gives_the_same_plan(loaded, tmp_path_factory):
    again = load_text(tmp_path_factory.mktemp("elsewhere"), TINY)
    assert digest(make_plan(loaded)) == digest(make_plan(again))


def test_the_order_of_keys_does_not_change_the_plan(tmp_path, loaded):
    text = TINY.replace("hidden_channels = 4\nmodes = 4", "modes = 4\nhidden_channels = 4")
    before = digest(make_plan(loaded))
    assert digest(make_plan(load_text(tmp_path, text))) == before


CHANGES = [
    ("seed = 7", "seed = 9"),
    ("threads = 3", "threads = 2"),
    ("object_size = 64", "object_size = 65"),
    ("modes = 4", "modes = 5"),
    ("epochs = 2", "epochs = 3"),
    ("seed = 8", "seed = 7"),
    ("learning_rate = 1e-2", "learning_rate = 1.0000001e-2"),
    ('"other"', '"another"'),
    ('name = "two"', 'name = "three"'),
]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_another_value_is_another_plan(tmp_path, loaded, old, new):
    before = digest(make_plan(loaded))
    assert TINY.count(old) >= 1
    changed = load_text(tmp_path, TINY.replace(old, new, 1))
    assert digest(make_plan(changed)) != before


def test_the_plan_of_phase8_has_its_known_digest():
    plan = make_plan(load(MANIFESTS / "phase8.toml"), device="cuda")
    assert [(job.num_parameters, job.steps) for job in plan.arms] == [(9_405_826, 8200)] * 2
    assert digest(plan) == "0c20214b3f24548cce807a2c7980d2d6268bedc13a720c3ab6f94d803e2a4eee"


def test_job_json_has_what_the_contract_says(loaded):
    job = make_plan(loaded).arms[1]
    inputs = {"train.npz": InputRef(path="../data/train.npz", sha256="ab" * 32)}
    document = job_document(job, inputs)
    assert json.loads(document) == {
        "schema_version": 1,
        "experiment": "train",
        "name": "two",
        "parameters": job.parameters,
        "seed": 8,
        "execution": {"device": "cpu", "threads": 1, "determinism": "portable"},
        "inputs": {"train.npz": {"path": "../data/train.npz", "sha256": "ab" * 32}},
    }
    assert document == json.dumps(json.loads(document), sort_keys=True, indent=2).encode() + b"\n"


def test_what_only_bounds_a_job_is_not_in_its_document(tmp_path, loaded):
    before = job_document(make_plan(loaded).arms[0], {})
    bounded = load_text(tmp_path, TINY.replace("threads = 3", "threads = 3\npids = 99"))
    assert job_document(make_plan(bounded).arms[0], {}) == before


def test_checkpoints_are_in_the_documents_of_arms_alone(tmp_path, loaded):
    text = TINY.replace("threads = 3", "threads = 3\ncheckpoint_every = { epochs = 5 }")
    text = text.replace("resources.threads = 1", "resources.checkpoint_every.minutes = 2")
    plan = make_plan(load_text(tmp_path, text))
    said = [json.loads(job_document(job, {})).get("checkpoint_every") for job in plan.arms]
    assert said == [{"epochs": 5}, {"epochs": 5, "minutes": 2.0}]
    assert all("checkpoint_every" not in json.loads(job_document(j, {})) for j in plan.datasets)
    audit = arm_audit_job(plan.arms[0], ("start",))
    assert "checkpoint_every" not in json.loads(job_document(audit, {}))
    assert parse_plan(pretty_json(plan.model_dump(mode="json"))) == plan
    assert "checkpoint_every" not in str(make_plan(loaded).model_dump(mode="json"))


def test_a_plan_says_of_a_fit_that_is_to_end_early_and_nothing_of_one_that_goes_on(
    tmp_path, loaded
):
    plan = make_plan(loaded)
    assert "on_nan" not in str(plan.model_dump(mode="json"))
    plans = {}
    for word in ("continue", "stop"):
        text = TINY.replace("epochs = 2", f'epochs = 2\non_nan = "{word}"')
        plans[word] = make_plan(load_text(tmp_path, text))
    assert digest(plans["continue"]) == digest(plan) != digest(plans["stop"])
    said = [json.loads(job_document(job, {}))["parameters"] for job in plans["stop"].arms]
    assert [parameters["train"]["on_nan"] for parameters in said] == ["stop", "stop"]
    assert parse_plan(pretty_json(plans["stop"].model_dump(mode="json"))) == plans["stop"]


OPTIONAL = TINY.replace('name = "two"', 'name = "two"\noptional = true')


def test_an_optional_arm_runs_only_when_asked_for(tmp_path):
    loaded = load_text(tmp_path, OPTIONAL)
    plan = make_plan(loaded)
    assert [job.name for job in plan.arms] == ["one"]
    assert plan.left_out == ("two",)
    asked = make_plan(loaded, with_optional=True)
    assert [job.name for job in asked.arms] == ["one", "two"]
    assert asked.left_out == ()
    named = make_plan(loaded, only=["two"])
    assert [job.name for job in named.arms] == ["two"]
    assert named.left_out == ()


def test_with_optional_without_optional_arms_is_refused(loaded):
    with pytest.raises(ManifestError) as error:
        make_plan(loaded, with_optional=True)
    assert str(error.value) == (
        f"{loaded.path}: --with-optional, and no arm is optional; leave it out, or mark an arm "
        "with `optional = true`"
    )


def test_a_phase_of_optional_arms_alone_does_not_run_unasked(tmp_path):
    loaded = load_text(tmp_path, OPTIONAL.replace('name = "one"', 'name = "one"\noptional = true'))
    with pytest.raises(ManifestError) as error:
        make_plan(loaded)
    assert str(error.value) == (
        f"{loaded.path}: every arm is optional; run them with --with-optional, or one with "
        "--only one"
    )


STUDY = """\
schema_version = 1
[phase]
name = "tiny"
title = "One arm"
question = "How large is it?"
seed = 7
[dataset]
{dataset}
[[arms]]
name = "one"
"""


@pytest.mark.parametrize(
    ("dataset", "steps", "channels"),
    [
        # Of 4489 and of 4356 training samples 224 and 218 are held out; batches of 16, 20 epochs.
        ("patch_size = 128", 20 * 267, 1),
        ("patch_size = 128\ngridsize = 2\ntest_stride = 4", 20 * 259, 4),
        # Of 6724 samples of four 336 are held out.
        ("gridsize = 2\ntest_stride = 4", 20 * 400, 4),
    ],
)
def test_large_patches_and_samples_of_four_are_planned(tmp_path, dataset, steps, channels):
    (job,) = make_plan(load_text(tmp_path, STUDY.format(dataset=dataset))).arms
    assert job.steps == steps
    parameters = Parameters.model_validate_json(json.dumps(job.parameters))
    one = count_parameters(Parameters(model=parameters.model))
    # The lifter's first convolution and the head see the channels, and nothing else does.
    more = (channels - 1) * 32 * 9 + 2 * (channels - 1) * (32 + 1)
    assert job.num_parameters == count_parameters(parameters).live
    assert count_parameters(parameters).nominal == one.nominal + more


def test_a_plan_from_before_outputs_had_a_limit_gets_the_default_one(tmp_path):
    """Hubs that were sealed earlier can be run again."""
    job = make_plan(load_text(tmp_path, TINY)).arms[0].model_dump(mode="json")
    del job["resources"]["disk_gib"], job["resources"]["seccomp"]
    again = Job.model_validate_json(json.dumps(job))
    assert (again.resources.disk_bytes, again.resources.seccomp) == (4 << 30, "strict")


def test_a_job_holds_the_very_values_that_were_checked(loaded):
    """Nothing is written as JSON and read again on the way from a manifest to a job."""
    for profile in (None, "quick"):
        plan, checked = make_plan(loaded, profile=profile), loaded.variant(profile).arms
        assert [job.values for job in plan.arms] == [arm.parameters for arm in checked]
        for job, arm in zip(plan.arms, checked, strict=True):
            assert job.values is arm.parameters
        assert plan.datasets[0].values.dataset is checked[0].parameters.dataset


def test_arms_that_differ_in_the_seed_alone_share_their_values(tmp_path):
    text = TINY.replace("train.learning_rate = 1e-2\nresources.threads = 1\n", "")
    one, two = load_text(tmp_path, text).variant().arms
    assert (one.seed, two.seed) == (7, 8)
    assert one.parameters is two.parameters


def test_a_plan_from_before_there_was_a_knob_stays_as_it_was_written(loaded):
    """The digests of earlier hubs do not change with what phasehub has learned since."""
    table = make_plan(loaded).model_dump(mode="json")
    for arm in table["arms"]:
        del arm["parameters"]["diagnostics"]["audit_steps"]
    plan = parse_plan(pretty_json(table))
    assert plan.arms[0].values.diagnostics.audit_steps == 0
    assert plan.model_dump(mode="json") == table


@pytest.mark.parametrize(
    ("place", "change", "problem"),
    [
        ("arms", {"train": {"epochs": -1}}, "arms.0.parameters.train.epochs"),
        ("arms", {"train": {"epoch": 1}}, "arms.0.parameters.train.epoch: unknown key"),
        ("dataset", {"train": {}}, "parameters.train: unknown key"),
        ("dataset", {"dataset": {"photons": "many"}}, "parameters.dataset.photons"),
    ],
)
def test_a_plan_with_parameters_of_no_experiment_is_refused(loaded, place, change, problem):
    table = make_plan(loaded).model_dump(mode="json")
    job = table["arms"][0] if place == "arms" else table["dataset"]
    for name, knobs in change.items():
        job["parameters"].setdefault(name, {}).update(knobs)
    with pytest.raises(ValueError, match=problem) as refused:
        parse_plan(pretty_json(table))
    assert str(refused.value).startswith("plan.json: ")
