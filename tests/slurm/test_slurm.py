"""Phases on a real Slurm, which is brought up from nothing: what it gives, and what it survives."""

import json
import os
import signal

import pytest

from runner.engines.cluster.queue import Queue
from runner.jobs.devices import choose_device
from tests.faults.phase import (
    Begun,
    arms,
    manifest,
    phasehub,
    results,
    wait_until,
)
from tests.runner.conftest import TINY
from tests.slurm.cluster import missing
from tests.slurm.phase import SITE, begun, sealed, states_of

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SHOWS = 'name = "shows"\ncommand = ["/bin/sh", "-c", "env; exit 7"]\n'
"""An arm that prints what it is given, and fails."""
PHASE = TINY.partition('name = "two"')[0] + SHOWS
"""A real training, and what a job is shown."""


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
    for name in arms(there):
        wait_until(lambda name=name: states_of(cluster, there, name) == ["COMPLETED"])


def test_a_submitter_that_was_killed_is_gone_on_from(cluster, tmp_path, interpreter):
    text = manifest(one=0, two="held")
    run = begun(tmp_path / "run", interpreter, text)
    try:
        cluster.job_of("two")
        assert run.wait_for(lambda r: r.told("concluded", "one") and r.told("started", "two"))
        run.runner.kill()
        run.end()
        again = Begun.resumed(run)
        assert again.wait_for(lambda r: r.told("adopted", "two")), again.said.read_text()
        again.let_go("two")
        hub = sealed(again)
    finally:
        run.end_all()
    assert {name: arm.attempts for name, arm in arms(hub).items()} == {"one": 1, "two": 1}
    wait_until(lambda: states_of(cluster, hub, "two") == ["COMPLETED"])


def test_an_interrupt_and_a_seal_leave_nothing_in_the_queue(cluster, tmp_path, interpreter):
    run = begun(tmp_path / "run", interpreter, manifest(one="held"))
    try:
        cluster.job_of("one")
        assert run.wait_for(lambda r: r.told("started", "one"))
        run.runner.send_signal(signal.SIGINT)
        assert run.end() == 130, run.said.read_text()
        again = Begun.resumed(run)
        cluster.job_of("one")
        assert again.wait_for(lambda r: r.told("started", "one"))
        again.runner.kill()
        again.end()
        done = phasehub("seal", "--out", run.artifacts)
        assert done.returncode == 0, done.stderr
    finally:
        run.end_all()
    (hub,) = run.hubs
    assert arms(hub)["one"].status == "interrupted"
    assert set(states_of(cluster, hub, "one")) == {"CANCELLED"}


def test_results_come_without_a_controller_and_the_run_waits_for_it(cluster, tmp_path, interpreter):
    text = manifest(first="held", second=0)
    run = begun(tmp_path / "run", interpreter, text, "--jobs", "1")
    try:
        cluster.job_of("first")
        assert run.wait_for(lambda r: r.told("started", "first"))
        cluster.stop("slurmctld")
        run.let_go("first")
        assert run.end() == 3
        assert run.told("concluded", "first")
        assert "controller does not answer" in run.said.read_text()
        assert "phasehub resume" in run.said.read_text()
    finally:
        cluster.start_controller()
        cluster.wait_for_nodes()
        run.end_all()
    again = run.resume()
    assert again.returncode == 1, again.stderr
    (hub,) = run.hubs
    # The second was intended once, and nobody knows whether it was heard.
    assert {name: arm.attempts for name, arm in arms(hub).items()} == {"first": 1, "second": 2}
    wait_until(lambda: states_of(cluster, hub, "second") == ["COMPLETED"])


SILENT = """#!/bin/sh
PATH={path}
sbatch "$@" || exit
[ ! -e {folder}/answered ] || exit 0
touch {folder}/answered
echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv" >&2
exit 1
"""


def test_a_submission_whose_answer_was_lost_is_not_made_twice(cluster, tmp_path, monkeypatch):
    command = tmp_path / "sbatch"
    command.write_text(SILENT.format(path=os.environ["PATH"], folder=tmp_path))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    queue = Queue(every_s=0.5, patience_s=60.0)
    queue.submit("phasehub-answer-1", ["--output=/dev/null"], "#!/bin/sh\n")
    assert (tmp_path / "answered").exists()
    assert [name for name, _ in cluster.jobs()].count("phasehub-answer-1") == 1


def test_a_site_is_checked_by_a_job(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "phasehub" / "phasehub.toml"
    file.parent.mkdir()
    file.write_text(SITE.format(result_within_s=2.0))
    (tmp_path / "tiny.toml").write_text(TINY)
    assert f"Engine: slurm, as {file} names it" in phasehub("plan", tmp_path / "tiny.toml").stdout
    done = phasehub("site", "check", "--gpu", "--json")
    assert done.returncode == 0, done.stderr
    lines = json.loads(done.stdout)
    assert lines["site file"] == str(file)
    assert lines["folder"].endswith("is the same on the node")
    assert lines["clock"] == "as here"
    assert lines["blindness"] == "a job sees nothing of Slurm"
    assert "the job was given 0" in lines["GPUs"]
    file.write_text('[slurm]\npartition = "nowhere"\n')
    done = phasehub("site", "check")
    assert done.returncode == 3
    assert "invalid partition" in done.stderr
    file.write_text('[slurm]\nshared = "/nowhere"\n')
    assert "is not below /nowhere" in phasehub("site", "check").stderr
    file.write_text('[slurm]\npartitoin = "all"\n')
    assert phasehub("site", "check").returncode == 2


def test_where_no_node_has_a_gpu_arms_compute_on_the_cpu_and_that_is_said(cluster, tmp_path):
    """The cluster's nodes have GPUs, but for the one of the partition ``bare``."""
    wants_gpu = {"wants_gpu": True, "engine": "slurm", "project": tmp_path}
    site = tmp_path / "phasehub.toml"
    site.write_text('[slurm]\npartition = "all"\n')
    assert choose_device("auto", **wants_gpu) == ("cuda", None)
    site.write_text('[slurm]\npartition = "bare"\n')
    device, told = choose_device("auto", **wants_gpu)
    assert device == "cpu"
    assert "no node has one: running on the CPU" in told
    assert choose_device("cuda", **wants_gpu) == ("cuda", None)


def test_gpus_of_a_cluster_that_does_not_answer_are_held_to_be_there(monkeypatch, tmp_path):
    wants_gpu = {"wants_gpu": True, "engine": "slurm", "project": tmp_path}
    (tmp_path / "slurm.conf").write_text("ClusterName=none\nSlurmctldHost=nowhere.invalid\n")
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    assert choose_device("auto", **wants_gpu) == ("cuda", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_device("auto", **wants_gpu) == ("cuda", None)
