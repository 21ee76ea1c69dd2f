"""A lock says what a manifest resolved to; a run that is held to it refuses to differ, by name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.core.digest import sha256_file
from runner.core.errors import ManifestError
from runner.hub import layout
from runner.hub.records.provenance import EngineRecord
from runner.phase import lockfile
from runner.phase.lock_mismatches import base_of, engine_mismatches
from runner.phase.lockfile import Base
from tests.runner.conftest import TINY, run_phase

ROOT = Path(__file__).parents[3]


def lock(manifest, *options):
    return subprocess.run(
        [
            *(sys.executable, "-m", "runner", "lock", manifest, "--engine", "process"),
            *("--python", sys.executable, *options),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """The content of a lock that the command line has written."""
    manifest = tmp_path_factory.mktemp("locked") / "tiny.toml"
    manifest.write_text(TINY)
    done = lock(manifest)
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.splitlines()[-1])
    assert path == manifest.with_name("tiny.lock.json")
    return path.read_bytes()


@pytest.fixture
def table(locked):
    return json.loads(locked)


@pytest.fixture
def held(tmp_path):
    """Run the tiny phase with ``--locked`` beside a lock of that content."""

    def held(content, manifest=TINY):
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (tmp_path / "tiny.lock.json").write_bytes(text)
        return run_phase(tmp_path, manifest, "--locked")

    return held


def test_a_lock_names_data_packages_source_and_plan(table):
    (entry,) = table["entries"]
    assert entry["dataset"].keys() == {"metadata.json", "test.npz", "train.npz"}
    assert entry["jobs"].keys() == {"dataset", "one", "two"}
    requirements = sha256_file(ROOT / "models/requirements-cpu.txt")
    assert entry["packages"]["requirements_sha256"] == requirements
    assert (entry["engine"], entry["device"], entry["base"]) == ("process", "cpu", None)


def test_locking_again_writes_the_same_bytes(locked, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    assert lock(tmp_path / "tiny.toml").returncode == 0
    assert (tmp_path / "tiny.lock.json").read_bytes() == locked


def test_a_run_that_resolves_to_the_lock_seals_a_hub_that_says_so(held, locked, tmp_path):
    done = held(locked)
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    assert layout.read(folder).lock_sha256 == sha256_file(tmp_path / "tiny.lock.json")
    assert (folder / layout.LOCK).read_bytes() == locked


def test_without_a_lock_nothing_runs(tmp_path):
    done = run_phase(tmp_path, TINY, "--locked")
    assert done.returncode == 2
    assert done.stderr == (
        f"phasehub: {tmp_path}/tiny.lock.json cannot be read (No such file or directory); "
        f"`phasehub lock {tmp_path}/tiny.toml` writes it\n"
    )
    assert not (tmp_path / "artifacts").exists()


def test_a_changed_manifest_is_refused_before_anything_starts(held, locked, tmp_path):
    done = held(locked, TINY + "# a comment\n")
    assert done.returncode == 4
    assert f"{tmp_path}/tiny.lock.json was locked to something else:\n  manifest: locked " in (
        done.stderr
    )
    assert "; restore tiny.toml as it was locked\n" in done.stderr
    assert done.stderr.endswith(f"`phasehub lock {tmp_path}/tiny.toml` locks what is there now.\n")
    assert not (tmp_path / "artifacts").exists()


def test_the_lock_of_another_phase_is_refused(held, table, tmp_path):
    done = held(table | {"phase": "other"})
    assert done.returncode == 4
    assert done.stderr == (
        f"phasehub: {tmp_path}/tiny.lock.json is the lock of phase other, not of tiny; "
        f"`phasehub lock {tmp_path}/tiny.toml` writes the right one\n"
    )


def test_a_profile_that_was_not_locked_is_named(held, table, tmp_path):
    table["entries"][0]["profile"] = "quick"
    done = held(table)
    assert done.returncode == 2
    assert done.stderr == (
        f"phasehub: {tmp_path}/tiny.lock.json has no entry for the phase as written on cpu, only "
        f"for quick on cpu; `phasehub lock {tmp_path}/tiny.toml --device cpu` adds it\n"
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema_version": 2}, "has schema_version 2 and this phasehub reads 1: use the one that"),
        ({"colour": "red"}, "colour: unknown key; it was edited, or written by another phasehub"),
        ({"phase": None}, "phase: Input should be a valid string; it was edited, or written by"),
        ({"entries": [{}]}, "entries.0.profile: Field required; it was edited, or written by"),
    ],
)
def test_a_lock_of_another_phasehub_is_refused_by_the_field(change, told, table, tmp_path):
    path = tmp_path / "tiny.lock.json"
    path.write_text(json.dumps(table | change))
    with pytest.raises(ManifestError) as error:
        lockfile.read(path)
    assert told in str(error.value)
    assert str(error.value).endswith(f"`phasehub lock {tmp_path}/tiny.toml` writes it")


def test_a_lock_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "tiny.lock.json").write_text("{")
    with pytest.raises(ManifestError, match="phasehub lock"):
        lockfile.read(tmp_path / "tiny.lock.json")


@pytest.mark.parametrize("kind", ["fifo", "link", "deep", "large", "NaN", "huge version"])
def test_a_hostile_lock_is_refused_without_waiting(kind, tmp_path):
    path = tmp_path / "tiny.lock.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(2**40)
    else:
        texts = {"deep": "[" * 100_000, "NaN": '{"schema_version": NaN}'}
        path.write_text(texts.get(kind, f'{{"schema_version": "{"x" * 10**6}"}}'))
    with pytest.raises(ManifestError, match="phasehub lock") as error:
        lockfile.read(path)
    assert len(str(error.value)) < 1000


def test_everything_that_differs_is_named_at_once(held, table):
    entry = table["entries"][0]
    entry["models_sha256"] = "0" * 64
    entry["jobs"]["two"] = "1" * 64
    entry["packages"]["requirements_sha256"] = "2" * 64
    entry["dockerfile_sha256"] = "3" * 64
    done = held(table)
    assert done.returncode == 4
    told = [line.split(",")[0] for line in done.stderr.splitlines() if line.startswith("  ")]
    assert told == [
        "  plan of two: locked 111111111111",
        "  source of models/: locked 000000000000",
        "  models/requirements-cpu.txt: locked 222222222222",
        "  Dockerfile: locked 333333333333",
    ]


def test_other_packages_stop_the_run_before_any_job(held, table, tmp_path):
    table["entries"][0]["packages"]["installed_sha256"] = "0" * 64
    done = held(table)
    assert done.returncode == 4
    assert "  installed packages: locked 000000000000, found " in done.stderr
    record = layout.read(Path(done.stdout.splitlines()[-1]))
    assert {arm.status for arm in record.arms} == {"could_not_start"}
    assert record.datasets[0].status == "could_not_start"


def test_other_data_stop_the_run_before_any_arm_and_are_named_in_the_hub(held, table):
    table["entries"][0]["dataset"]["train.npz"] = "0" * 64
    done = held(table)
    assert done.returncode == 4
    folder = Path(done.stdout.splitlines()[-1])
    record = layout.read(folder)
    assert record.datasets[0].status == "succeeded"
    assert {arm.status for arm in record.arms} == {"could_not_start"}
    assert "dataset train.npz: locked 000000000000, found " in record.arms[0].message
    assert record.lock_sha256 is not None


def test_another_engine_is_refused_before_anything_starts(held, table, tmp_path):
    table["entries"][0]["engine"] = "docker"
    done = held(table)
    assert done.returncode == 4
    assert (
        "  engine: locked docker, found process; run with --engine docker and without --python\n"
    ) in done.stderr
    assert not (tmp_path / "artifacts").exists()


def in_docker(entry, base):
    facts = {
        "packages_sha256": entry.packages.installed_sha256,
        "image": {
            "python": entry.packages.python,
            "base": base.name,
            "base_id": base.id,
            "base_digests": list(base.digests),
        },
    }
    return EngineRecord(name="docker", isolated=True, facts=facts)


@pytest.mark.parametrize(
    ("digests", "remedy"),
    [
        ((), "it was made on one machine and is at no registry: take it from there by `docker"),
        (("debian@sha256:9",), "`docker pull debian@sha256:9` and name that in image.base"),
    ],
)
def test_another_base_image_is_named_with_where_the_locked_one_is(locked, digests, remedy):
    base = Base(name="base:1", id="sha256:" + "1" * 64, digests=digests)
    entry = lockfile.LockFile.model_validate_json(locked).entries[0]
    entry = entry.model_copy(update={"engine": "docker", "base": base})
    assert base_of(in_docker(entry, base)) == base
    assert list(engine_mismatches(entry, in_docker(entry, base))) == []
    other = base.model_copy(update={"id": "sha256:" + "2" * 64, "digests": ("debian@sha256:8",)})
    (found,) = engine_mismatches(entry, in_docker(entry, other))
    assert str(found).startswith(
        "base image: locked base:1 sha256:111111111111, found base:1 sha256:222222222222; " + remedy
    )


def test_a_base_that_a_registry_gave_the_same_digest_is_the_same(locked):
    base = Base(name="base:1", id="sha256:1", digests=("debian@sha256:9",))
    entry = lockfile.LockFile.model_validate_json(locked).entries[0]
    entry = entry.model_copy(update={"engine": "docker", "base": base})
    other = base.model_copy(update={"id": "sha256:2", "name": "debian:12"})
    assert list(engine_mismatches(entry, in_docker(entry, other))) == []


def test_profiles_are_locked_side_by_side_until_the_manifest_changes(table, tmp_path):
    quick = TINY + "[profiles.quick.train]\nlearning_rate = 3e-3\n"
    manifest = tmp_path / "tiny.toml"
    manifest.write_text(quick)
    assert lock(manifest).returncode == 0
    assert lock(manifest, "--profile", "quick").returncode == 0
    path = tmp_path / "tiny.lock.json"
    assert [one["profile"] for one in json.loads(path.read_text())["entries"]] == [None, "quick"]
    manifest.write_text(quick + "# changed\n")
    done = lock(manifest, "--profile", "quick")
    assert [one["profile"] for one in json.loads(path.read_text())["entries"]] == ["quick"]
    assert "was of an earlier tiny.toml; its entries are replaced" in done.stderr
