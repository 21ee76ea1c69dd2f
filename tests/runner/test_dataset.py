"""The cache of datasets: addressed by what they are made from, verified by their bytes."""

import json

import pytest

from models.config import Dataset as Parameters
from runner.dataset import address, prepare
from runner.digest import sha256_bytes
from runner.engines.base import Outcome
from runner.errors import VerificationError
from runner.manifest import Resources
from runner.plan import Execution, Job


def job(seed=7, **parameters):
    return Job(
        name="dataset",
        experiment="simulate",
        parameters={"dataset": Parameters(**parameters).model_dump(mode="json")},
        seed=seed,
        execution=Execution(device="cpu", threads=1, determinism="native"),
        resources=Resources(),
        command=("simulate",),
        environment={},
        num_parameters=None,
        steps=None,
    )


@pytest.fixture
def models(tmp_path):
    """Sources of a simulator, and of a network that has no part in it."""
    root = tmp_path / "models"
    for name in ("data/a.py", "physics/b.py", "config/c.py", "nets/d.py"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
    return root


class Simulator:
    """Does what a simulation job does to its folder; ``content`` is the array that it leaves."""

    def __init__(self, content=b"array", status="succeeded"):
        self.content, self.status, self.runs = content, status, 0

    def __call__(self, attempt):
        self.runs += 1
        self.given = {path.name: path.read_bytes() for path in attempt.launch.job_dir.iterdir()}
        attempt.launch.log_path.write_text("console\n")
        files = {"train.npz": self.content, "metadata.json": b'{"seed": 7}'}
        for name, content in files.items():
            (attempt.launch.out_dir / name).write_bytes(content)
        result = {
            "schema_version": 1,
            "experiment": "simulate",
            "job_sha256": attempt.job_sha256,
            "files": [
                {"path": n, "sha256": sha256_bytes(c), "bytes": len(c), "deterministic": True}
                for n, c in sorted(files.items())
            ],
        }
        (attempt.launch.out_dir / "result.json").write_text(json.dumps(result))
        return Outcome(status=self.status, exit_code=0, message="why", started_at=0.0, ended_at=1.0)


@pytest.fixture
def make(tmp_path, models):
    said = []

    def make(simulator, planned=None, probe=None):
        return prepare(
            planned or job(),
            models=models,
            environment="packages",
            cache=tmp_path / "cache",
            labels={},
            run=simulator,
            say=said.append,
            probe=probe,
        )

    make.said = said
    return make


def test_a_dataset_is_simulated_once(make):
    simulator = Simulator()
    first, second = make(simulator), make(simulator)
    assert simulator.runs == 1
    assert (first.record.cached, second.record.cached) == (False, True)
    assert first.inputs == second.inputs
    assert first.inputs["train.npz"].path == "../data/train.npz"
    assert first.record.metadata == {"seed": 7}


def test_every_parameter_the_seed_the_packages_and_the_simulator_give_another_address(models):
    known = {address(job(), models, "packages")}
    others = [
        address(job(photons=5e8), models, "packages"),
        address(job(seed=8), models, "packages"),
        address(job(), models, "other packages"),
    ]
    (models / "physics" / "b.py").write_text("changed")
    others.append(address(job(), models, "packages"))
    assert len(known | set(others)) == 5


def test_a_change_of_the_networks_leaves_the_address(models):
    before = address(job(), models, "packages")
    (models / "nets" / "d.py").write_text("changed")
    assert address(job(), models, "packages") == before


def test_a_damaged_dataset_is_said_and_made_anew(make):
    simulator = Simulator()
    folder = make(simulator).folder
    (folder / "train.npz").write_bytes(b"flipped")
    again = make(simulator)
    assert simulator.runs == 2
    assert "train.npz was changed" in make.said[-1]
    assert (again.folder / "train.npz").read_bytes() == b"array"


def test_a_simulation_that_does_not_repeat_itself_is_refused(make):
    folder = make(Simulator()).folder
    (folder / "train.npz").write_bytes(b"flipped")
    with pytest.raises(VerificationError, match=r"train\.npz did not come out as before"):
        make(Simulator(content=b"another array"))


def test_a_failed_simulation_is_a_record_and_is_not_cached(make):
    record = make(Simulator(status="failed"))
    assert (record.status, record.message, record.log_tail) == ("failed", "why", ("console",))
    simulator = Simulator()
    assert make(simulator).record.status == "succeeded"
    assert simulator.runs == 1


@pytest.fixture
def measured(tmp_path):
    """The file of a measured probe, and the simulation that it was planned for."""
    path = tmp_path / "mine.npz"
    path.write_bytes(b"a probe")
    return path, job(probe="file", probe_sha256=sha256_bytes(b"a probe"))


def test_a_measured_probe_lies_beside_its_job_under_one_name(make, measured):
    path, planned = measured
    simulator = Simulator()
    make(simulator, planned, path)
    assert simulator.given["probe.npz"] == b"a probe"
    inputs = json.loads(simulator.given["job.json"])["inputs"]
    assert inputs == {"probe.npz": {"path": "probe.npz", "sha256": sha256_bytes(b"a probe")}}
    assert b"mine" not in simulator.given["job.json"]


def test_the_hub_keeps_a_measured_probe_beside_the_job_that_reads_it(make, measured, tmp_path):
    path, planned = measured
    first = make(Simulator(), planned, path)
    path.rename(tmp_path / "elsewhere.npz")
    again = make(Simulator(), planned, tmp_path / "elsewhere.npz")
    assert again.record.cached
    for number, dataset in enumerate((first, again)):
        folder = tmp_path / "hub" / str(number)
        dataset.describe_in(folder)
        assert (folder / "probe.npz").read_bytes() == b"a probe"
        assert (folder / "job.json").is_file()


def test_another_probe_gives_another_address(models, measured):
    _, planned = measured
    other = job(probe="file", probe_sha256="0" * 64)
    addresses = {address(one, models, "packages") for one in (job(), planned, other)}
    assert len(addresses) == 3


def test_a_probe_that_was_changed_since_it_was_planned_is_refused(make, measured):
    path, planned = measured
    path.write_bytes(b"another probe")
    simulator = Simulator()
    with pytest.raises(VerificationError) as error:
        make(simulator, planned, path)
    assert str(error.value) == f"{path} was changed since the phase was planned; run it again"
    assert simulator.runs == 0


def test_a_damaged_copy_of_the_probe_is_made_anew(make, measured):
    path, planned = measured
    (make(Simulator(), planned, path).folder / "probe.npz").write_bytes(b"flipped")
    again = make(Simulator(), planned, path)
    assert "probe.npz was changed" in make.said[-1]
    assert (again.folder / "probe.npz").read_bytes() == b"a probe"
