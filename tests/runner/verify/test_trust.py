"""What of a hub is foreign, and what is granted only when the user says so."""

import json

import pytest
from pydantic import ValidationError

from runner.core.errors import ConsentError, VerificationError
from runner.core.installation import SOURCES
from runner.core.project import models_digest
from runner.engines.cluster.use import QueueUse
from runner.engines.images.build import read_identity
from runner.jobs.sites import contains_jobs
from runner.manifest.model import load
from runner.manifest.tables import Resources
from runner.plan.make import make_plan
from runner.plan.model import VARIABLES, Job, Plan, command_of
from runner.verify import trust
from runner.verify.trust import Consent

INF, NAN = float("inf"), float("nan")

QUICKSTART = SOURCES / "manifests" / "quickstart.toml"


@pytest.fixture(scope="module")
def plan():
    return make_plan(load(QUICKSTART))


def with_resources(job, **changed):
    return job.model_copy(update={"resources": job.resources.model_copy(update=changed)})


# --- variables -----------------------------------------------------------------------------------


def test_a_plan_sets_exactly_the_variables_that_are_known(plan):
    assert set(plan.datasets[0].environment) == VARIABLES
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize(
    "name",
    [
        "LD_PRELOAD",
        "PYTHONPATH",
        "PATH",
        "HOME",
        "PYTHONSTARTUP",
        "BASH_ENV",
        "omp_num_threads",
        "",
    ],
)
def test_a_variable_that_phasehub_does_not_set_is_refused_by_its_name(plan, name):
    table = plan.model_dump(mode="json")
    table["arms"][0]["environment"][name] = "x"
    with pytest.raises(ValidationError, match="no plan sets this variable") as refused:
        Plan.model_validate_json(json.dumps(table))
    assert refused.value.errors()[0]["loc"][:4] == ("arms", 0, "environment", name)


@pytest.mark.parametrize("value", ["/tmp/x", "a\nb", "a\0", "x" * 201, "$(id)", "\u202e", 1])
def test_a_value_is_words_and_nowhere_a_path(plan, value):
    table = plan.model_dump(mode="json")
    table["dataset"]["environment"]["TZ"] = value
    with pytest.raises(ValidationError, match=r"environment\.TZ"):
        Plan.model_validate_json(json.dumps(table))


# --- limits --------------------------------------------------------------------------------------


def test_a_manifest_without_a_word_on_limits_needs_no_consent(plan):
    job = plan.datasets[0].model_copy(update={"resources": Resources()})
    assert trust.limit_reasons([job], Consent()) == []
    assert trust.foreign_commands([job]) == []


@pytest.mark.parametrize("name", sorted(set(Resources.model_fields) - trust.NO_LIMITS))
def test_every_limit_beyond_its_default_is_named_with_its_job(plan, name):
    default = getattr(trust.DEFAULTS, name)
    same = plan.datasets[0].model_copy(update={"resources": Resources()})
    more = ("docker", "unconfined") if isinstance(default, str) else (default + 1, INF, NAN)
    for value in more:
        job = with_resources(same, **{name: value})
        (reason,) = trust.limit_reasons([same, job, same], Consent())
        assert f"{name} = " in reason.text
        assert "for dataset" in reason.text
        assert reason.options == ("--allow-limits",)
        assert trust.limit_reasons([job], Consent(limits=True)) == []


def test_two_jobs_of_one_name_do_not_hide_each_other(plan):
    same = plan.datasets[0].model_copy(update={"resources": Resources()})
    large = with_resources(same, memory_gib=900.0)
    for jobs in ([large, same], [same, large]):
        assert len(trust.limit_reasons(jobs, Consent())) == 1
    odd = same.model_copy(update={"command": ("sh",)})
    for jobs in ([odd, same], [same, odd]):
        assert trust.foreign_commands(jobs) == [odd]


def test_the_network_has_a_consent_of_its_own(plan):
    job = with_resources(plan.datasets[0], network=True)
    (reason,) = trust.limit_reasons([job], Consent(limits=True))
    assert (reason.text, reason.options) == ("the network for dataset", ("--allow-network",))
    assert trust.limit_reasons([job], Consent(limits=True, network=True)) == []


def test_what_is_held_to_the_defaults_is_said():
    resources = Resources(memory_gib=900.0, timeout_s=60.0, threads=16, pids=10**6)
    kept, notes = trust.within_defaults(resources)
    assert (kept.memory_gib, kept.pids) == (8.0, 512)
    assert (kept.timeout_s, kept.threads) == (60.0, 16)
    assert notes == [
        "memory_gib is held to the default 8, in place of 900",
        "pids is held to the default 512, in place of 1e+06",
    ]


# --- code ----------------------------------------------------------------------------------------


def test_foreign_code_leaves_the_container_by_two_words_only():
    def reasons(engine, asked, agreed):
        return trust.code_reasons(
            ["its code is not ours"],
            engine=engine,
            asked=asked,
            consent=Consent(foreign_code_here=agreed),
            contained=contains_jobs(engine, QueueUse()),
        )

    assert reasons("docker", "auto", False) == []
    assert reasons("process", "process", True) == []
    for asked, agreed in (("auto", True), ("process", False), ("auto", False)):
        (reason,) = reasons("process", asked, agreed)
        assert reason.options == ("--engine process", "--run-foreign-code-on-this-machine")
    none = trust.code_reasons(
        [], engine="process", asked="auto", consent=Consent(), contained=False
    )
    assert none == []
    for contained in (True, False):
        reasons = trust.code_reasons(
            ["its code"], engine="slurm", asked="slurm", consent=Consent(), contained=contained
        )
        assert bool(reasons) != contained


def test_only_this_installation_s_own_code_and_pins_are_its_own(tmp_path):
    assert trust.is_own_code(models_digest(SOURCES))
    assert not trust.is_own_code("0" * 64)
    assert trust.is_own_lock(SOURCES, "cpu")
    (tmp_path / "models").mkdir()
    lock = tmp_path / "models" / "requirements-cpu.txt"
    text = (SOURCES / "models" / "requirements-cpu.txt").read_text()
    lock.write_text("# another comment\n" + text)
    assert trust.is_own_lock(tmp_path, "cpu")
    lock.write_text(text.replace("==2.13.0+cpu", "==2.13.1+cpu"))
    assert not trust.is_own_lock(tmp_path, "cpu")
    lock.write_text(text + "# x\f--no-binary=:all:\n")
    with pytest.raises(VerificationError, match=r"requirements-cpu\.txt: line \d+ holds byte 0x0c"):
        trust.is_own_lock(tmp_path, "cpu")


def test_every_experiment_has_one_standard_command(plan):
    assert trust.foreign_commands([*plan.datasets, *plan.arms]) == []
    odd = plan.arms[0].model_copy(update={"command": (*command_of("train"), "x")})
    assert trust.foreign_commands([plan.datasets[0], odd]) == [odd]
    swapped = plan.arms[0].model_copy(update={"command": command_of("simulate")})
    assert isinstance(swapped, Job)
    assert trust.foreign_commands([swapped]) == [swapped]


def test_all_that_is_refused_is_said_at_once_with_what_allows_it(plan):
    trust.refuse("HUB", [])
    jobs = [with_resources(plan.datasets[0], network=True, memory_gib=900.0)]
    with pytest.raises(ConsentError) as refused:
        trust.refuse("HUB", trust.limit_reasons(jobs, Consent()))
    assert str(refused.value).splitlines() == [
        "nothing was run. HUB asks for more than a hub of others is given:",
        "  - limits beyond the defaults: memory_gib = 900 (default 8) for dataset",
        "  - the network for dataset",
        "If you trust its sender with that, add --allow-limits --allow-network",
    ]
    assert refused.value.exit_code == 8


# --- image ---------------------------------------------------------------------------------------

IDENTITY = {
    "reference": "phasehub:cpu-99d973ce4fef", "id": "sha256:" + "1" * 64, "variant": "cpu",
    "lock_sha256": "2" * 64, "models_sha256": "3" * 64, "dockerfile_sha256": "4" * 64,
    "base": "phasehub-base:bookworm", "base_id": "sha256:" + "5" * 64,
    "base_digests": ["python@sha256:" + "6" * 64], "python": "3.11.2",
    "packages_sha256": "7" * 64,
}  # fmt: skip


def test_the_image_of_a_record_is_taken_as_phasehub_writes_it():
    assert read_identity(IDENTITY, "hub.json").identity() == IDENTITY


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", "alpine:latest"),
        ("id", "sha256:" + "g" * 64),
        ("id", "sha256:" + "1" * 64 + "\n"),
        ("id", None),
        ("id", ["sha256:" + "1" * 64]),
        ("base_id", "../x"),
        ("base", "--privileged"),
        ("base", "a b"),
        ("base_digests", ["http://127.0.0.1 x"]),
        ("base_digests", "python"),
        ("base_digests", ["a"] * 65),
        ("variant", "../../x"),
        ("lock_sha256", ""),
        ("python", "\x1b[2J"),
        ("reference", "x" * 300),
        ("more", 1),
    ],
)
def test_another_identity_is_refused_by_file_and_key(key, value):
    with pytest.raises(VerificationError, match=rf"^hub\.json: image: {key}"):
        read_identity(IDENTITY | {key: value}, "hub.json")


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("python:3.11-slim-bookworm", "python"),
        ("docker.io/library/python@sha256:" + "0" * 64, "python"),
        ("127.0.0.1:5000/python:3.11", "127.0.0.1:5000/python"),
        ("python:3.11@sha256:" + "0" * 64, "python"),
        ("registry.invalid/library/python", "registry.invalid/library/python"),
    ],
)
def test_the_repository_of_a_reference(reference, repository):
    assert trust._repository(reference) == repository
