"""Phases on a real Slurm, which is brought up from nothing: what it gives, and what it survives."""

import json

import pytest

from tests.faults.phase import Begun, arms, light_interpreter, results
from tests.runner.conftest import TINY
from tests.slurm.cluster import Cluster, missing

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SHOWS = 'name = "shows"\ncommand = ["/bin/sh", "-c", "env; exit 7"]\n'
"""An arm that prints what it is given, and fails."""
PHASE = TINY.partition('name = "two"')[0] + SHOWS
"""A real training, and what a job is shown."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        one = Cluster(tmp_path_factory.mktemp("slurm"))
        patched.setenv("SLURM_CONF", str(one.conf))
        try:
            one.up()
            yield one
        finally:
            one.down()


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory):
    return light_interpreter(tmp_path_factory.mktemp("interpreter"))


def begun(folder, interpreter, text, *options):
    return Begun(folder, interpreter, text, options=("--engine", "slurm", *options))


def test_the_queue_gives_the_bits_of_this_machine(cluster, tmp_path, interpreter, monkeypatch):
    """Though the cluster's commands are beside the interpreter, and the runner is in a job."""
    (interpreter.parent / "srun").symlink_to("/bin/true")
    for name in ("SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_MEM_PER_NODE"):
        monkeypatch.setenv(name, "2")
    here = sealed(Begun(tmp_path / "here", interpreter, PHASE))
    there = sealed(begun(tmp_path / "there", interpreter, PHASE))
    assert results(there) == results(here)
    assert arms(there)["one"].final_weights_sha256 == arms(here)["one"].final_weights_sha256
    assert "srun" not in (there / arms(there)["one"].log).read_text()
    log = (there / arms(there)["shows"].log).read_text()
    assert "PYTHONHASHSEED=" in log
    assert "SLURM" not in log
    assert {"COMPLETED"} == {state for name, state in cluster.jobs() if run_of(there) in name}


def sealed(run):
    """The hub of a run that one arm has failed in, when it is there."""
    assert run.end() == 1, run.said.read_text()
    return run.hubs[0]


def run_of(hub):
    """By what its jobs are told from those of other runs."""
    return json.loads((hub / "journal.jsonl").read_text().splitlines()[0])["run"]
