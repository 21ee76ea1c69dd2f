"""The cache of datasets: addressed by what they are made from, verified by their bytes."""

import json

import pytest

from models.config import Dataset as Parameters
from runner.core.digest import digest_json, sha256_bytes
from runner.core.errors import VerificationError
from runner.engines.base import Outcome
from runner.engines.images.snapshot import take
from runner.hub.records.base import FileRecord
from runner.hub.records.provenance import EngineRecord
from runner.jobs.dataset_cache import Sealed, address, digests, sealed_data
from runner.jobs.datasets import find, prepare
from runner.manifest.tables import Resources
from runner.plan.model import Job, PlannedExecution


def job(seed=7, **parameters):
    return Job(
        name="dataset",
        experiment="simulate",
        parameters={"dataset": Parameters(**parameters).model_dump(mode="json")},
        seed=seed,
        execution=PlannedExecution(device="cpu", threads=1, determinism="native"),
        resources=Resources(),
        command=("simulate",),
        environment={},
        num_parameters=None,
        steps=None,
    )


@pytest.fixture
def models(tmp_path):
    """Sources of a simulator, and of a network that has no part in it, in a checkout."""
    root = tmp_path / "checkout" / "models"
    for name in ("data/a.py", "physics/b.py", "config/c.py", "nets/d.py"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
    (root.parent / "Dockerfile").write_text("FROM base\n")
    return root


class Simulator:
    """Does what a simulation job does to its folder; ``content`` is the array that it leaves."""

    def __init__(self, content=b"array", status="succeeded", before=lambda: None):
        self.content, self.status, self.runs, self.before = content, status, 0, before

    def __call__(self, attempt):
        self.runs += 1
        self.before()
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

    def make(simulator, planned=None, probe=None, sealed=None, code=None):
        code = code or take(models.parent, tmp_path / "state")
        facts = {"packages_sha256": "packages", "models_sha256": code.models_sha256}
        return prepare(
            planned or job(),
            code=code,
            engine=EngineRecord(name="process", isolated=False, facts=facts),
            sealed=sealed,
            cache=tmp_path / "cache",
            labels={},
            run=simulator,
            say=said.append,
            given=probe,
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


def test_what_did_not_come_out_as_before_is_refused_until_somebody_decides(make):
    folder = make(Simulator()).folder
    (folder / "train.npz").write_bytes(b"flipped")
    expected = folder.with_name(f"{folder.name}.expected.json")
    for _ in range(3):
        with pytest.raises(VerificationError) as error:
            make(Simulator(content=b"another array"))
        assert str(error.value).endswith(
            f"To take the next simulation as it comes, remove {expected}"
        )
        assert not folder.exists()
    expected.unlink()
    assert (make(Simulator(content=b"another array")).folder / "train.npz").exists()
    assert make(Simulator()).record.cached


def forge(folder, content=b"forged", *, entry=False):
    """Replace the array and all that says what it must be; with ``entry`` the runner's word too."""
    old = sha256_bytes((folder / "train.npz").read_bytes())
    names = ("result.json", "entry.json") if entry else ("result.json",)
    texts = {name: (folder / name).read_text() for name in names}
    for name, text in texts.items():
        table = json.loads(text.replace(old, sha256_bytes(content)))
        for file in table["files"]:
            if file["path"] == "train.npz":
                file["bytes"] = len(content)
        if name == "entry.json":
            table["beside"]["result.json"] = sha256_bytes((folder / "result.json").read_bytes())
        (folder / name).write_text(json.dumps(table))
    (folder / "train.npz").write_bytes(content)


def test_a_dataset_that_is_forged_with_its_result_is_simulated_anew(make):
    folder = make(Simulator()).folder
    forge(folder)
    simulator = Simulator()
    made = make(simulator)
    assert (simulator.runs, made.record.cached) == (1, False)
    assert (folder / "train.npz").read_bytes() == b"array"
    assert "is damaged" in make.said[-1]


def test_a_dataset_that_is_forged_with_its_entry_is_not_what_a_simulation_gave(make):
    folder = make(Simulator()).folder
    forge(folder, entry=True)
    assert not make(Simulator()).record.cached
    assert "train.npz: not what a simulation gave before" in make.said[-1]


def test_a_dataset_that_is_forged_as_a_whole_is_not_what_a_sealed_hub_was_made_with(make):
    first = make(Simulator())
    sealed = Sealed(hub="phase8/2026-01-30T050000Z", files=digests(first.record.files))
    assert make(Simulator(), sealed=sealed).record.cached
    forge(first.folder, entry=True)
    first.folder.with_name(f"{first.folder.name}.expected.json").unlink()
    made = make(Simulator(), sealed=sealed)
    assert not made.record.cached
    assert f"train.npz: not what {sealed.hub} was made with" in make.said[-1]
    assert (made.folder / "train.npz").read_bytes() == b"array"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "entry.json").unlink(), "entry.json is missing"),
        (lambda folder: (folder / "entry.json").write_text("{}"), "entry.json: made_from"),
        (lambda folder: (folder / "extra.npz").touch(), "extra.npz does not belong to it"),
        (lambda folder: (folder / "console.log").write_text("no\n"), "console.log was changed"),
        (lambda folder: (folder / "metadata.json").unlink(), "metadata.json is missing"),
        (lambda folder: relink(folder / "train.npz"), "train.npz is a symbolic link"),
        (lambda folder: rewrite(folder, seed=8), "entry.json is of another dataset"),
    ],
)
def test_an_entry_that_does_not_hold_is_said_and_made_anew(make, spoil, told):
    spoil(make(Simulator()).folder)
    assert not make(Simulator()).record.cached
    assert told in make.said[-1]
    assert make(Simulator()).record.cached


def relink(path):
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def rewrite(folder, **made_from):
    table = json.loads((folder / "entry.json").read_text())
    table["made_from"] |= made_from
    (folder / "entry.json").write_text(json.dumps(table))


def test_an_entry_says_which_code_and_which_job_made_it(make):
    made = make(Simulator())
    entry = json.loads((made.folder / "entry.json").read_text())
    assert digest_json(entry["made_from"]) == made.folder.name == made.record.parameters_sha256
    assert entry["job_sha256"] == made.record.job_sha256
    assert entry["engine"] == "process"
    assert len(entry["models_sha256"]) == 64


def test_an_expectation_that_cannot_be_read_is_named(make):
    folder = make(Simulator()).folder
    expected = folder.with_name(f"{folder.name}.expected.json")
    expected.write_text("{")
    with pytest.raises(VerificationError, match=r"expected\.json is not valid JSON.*remove the "):
        make(Simulator())


def test_a_lost_expectation_is_written_again(make):
    folder = make(Simulator()).folder
    expected = folder.with_name(f"{folder.name}.expected.json")
    before = expected.read_bytes()
    expected.unlink()
    make(Simulator())
    assert expected.read_bytes() == before


def test_a_checkout_that_is_edited_while_it_simulates_changes_nothing(make, models, tmp_path):
    code = take(models.parent, tmp_path / "state")
    expected = address(job(), models, "packages")

    def edit():
        (models / "physics" / "b.py").write_text("changed")

    made = make(Simulator(before=edit), code=code)
    entry = json.loads((made.folder / "entry.json").read_text())
    assert made.record.parameters_sha256 == expected != address(job(), models, "packages")
    assert entry["models_sha256"] == code.models_sha256
    assert make(Simulator(), code=code).record.cached
    assert not make(Simulator()).record.cached, "the edited checkout has an address of its own"


def test_a_copy_of_the_code_that_is_edited_while_it_simulates_leaves_no_data(
    make, models, tmp_path
):
    code = take(models.parent, tmp_path / "state")
    source = code.root / "models" / "physics" / "b.py"

    def edit():
        source.chmod(0o644)
        source.write_text("changed")

    with pytest.raises(VerificationError, match="was changed while it was in use"):
        make(Simulator(before=edit), code=code)
    simulator = Simulator()
    assert not make(simulator).record.cached
    assert simulator.runs == 1


def test_the_data_of_a_hub_are_found_by_the_hub_s_digests(make, tmp_path):
    made = make(Simulator())
    assert find(made.record, tmp_path / "cache").folder == made.folder
    forge(made.folder, entry=True)
    assert find(made.record, tmp_path / "cache") is None


def test_the_newest_hub_of_the_same_address_is_the_witness(record, tmp_path):
    names = ("2026-01-30T050000Z", "2026-01-31T050000Z", "2026-02-01T050000Z")
    for name, digit in zip(names, "123", strict=True):
        folder = tmp_path / "phase8" / name
        folder.mkdir(parents=True)
        (folder / "SHA256SUMS").touch()
        files = (FileRecord(path="train.npz", sha256=digit * 64, bytes=1, deterministic=True),)
        address = ("a" if digit < "3" else "b") * 64
        update = {"files": files, "parameters_sha256": address}
        dataset = record.datasets[0].model_copy(update=update)
        changed = record.model_copy(update={"datasets": (dataset,)})
        (folder / "hub.json").write_text(changed.model_dump_json())
    (tmp_path / "phase8" / names[1] / "hub.json").write_text("{}")
    found = sealed_data(tmp_path, "phase8").get("a" * 64)
    assert found == Sealed(hub=f"phase8/{names[0]}", files={"train.npz": "1" * 64})
    assert "c" * 64 not in sealed_data(tmp_path, "phase8")


def test_metadata_that_are_none_are_an_invalid_output(make):
    class Spoiled(Simulator):
        def __call__(self, attempt):
            outcome = super().__call__(attempt)
            out = attempt.launch.out_dir
            (out / "metadata.json").write_bytes(b"[7]")
            table = json.loads((out / "result.json").read_text())
            for file in table["files"]:
                if file["path"] == "metadata.json":
                    file |= {"sha256": sha256_bytes(b"[7]"), "bytes": 3}
            (out / "result.json").write_text(json.dumps(table))
            return outcome

    record = make(Spoiled())
    assert (record.status, record.message) == ("invalid_output", "metadata.json holds no table")
    assert not make(Simulator()).record.cached


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
