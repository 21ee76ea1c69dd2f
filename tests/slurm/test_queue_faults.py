"""What administrators, other users and broken nodes do to jobs in a real queue: a word for each."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from runner.core.files import remove_tree
from runner.engines import processes
from tests.faults.disks import HELD, fill, is_under_way, mounted
from tests.faults.phase import Begun, arms, manifest, phasehub, wait_until
from tests.slurm.cluster import missing
from tests.slurm.phase import begun, sealed, states_of

__all__ = ["mounted"]
MOMENT_S = 1.0
"""Time for the runner to see things as they are for now; nothing depends on whether it did."""
pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture
def run_of(tmp_path, interpreter):
    """Begins a phase on the cluster; in the end nothing of it is left."""
    runs = []

    def begin(text, *options, **site):
        runs.append(begun(tmp_path / "run", interpreter, text, *options, **site))
        return runs[-1]

    yield begin
    for run in runs:
        run.end_all()
        for process in supervisors_of(run):  # of nodes that were cut off
            os.kill(process, signal.SIGKILL)


def words_of(hub):
    return {name: (arm.status, arm.ended_by) for name, arm in arms(hub).items()}


def test_what_is_done_to_jobs_has_a_word(cluster, run_of):
    """One after the other: a job is cancelled, put back, preempted, timed out, its supervisor
    is killed, its node is lost, and one is held."""
    names = ("cancelled", "requeued", "preempted", "timed", "killed", "lost")
    text = manifest(**dict.fromkeys(names, "held"), hold=0)
    run = run_of(text, "--jobs", "1", "--retries", "0")
    node = None
    try:
        cluster.do("scancel", cluster.job_of("cancelled"))
        # One that is put back before it has begun runs when it is its turn again.
        wait_until(lambda: run.has(".staging-*/.attempts/requeued/1/out.process/begun"))
        requeue(cluster, cluster.job_of("requeued"))
        urgent = preempt(cluster, cluster.job_of("preempted"))
        cluster.do("scancel", urgent)
        cluster.do("scontrol", "update", f"jobid={cluster.job_of('timed')}", "endtime=now")
        cluster.job_of("killed")
        os.kill(supervisor_of(run, "killed"), signal.SIGKILL)
        node = cluster.node_of(cluster.job_of("lost"))
        cluster.do("scontrol", "update", "partitionname=all", "state=down")
        cluster.kill(node)
        cluster.do("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        cluster.do("scontrol", "hold", cluster.job_of("hold", "PENDING"))
        hub = sealed(run, 130)
    finally:
        cluster.do("scontrol", "update", "partitionname=all", "state=up")
        run.end_all()
        if node is not None:
            cluster.mend(node)
    assert words_of(hub) == {
        "cancelled": ("interrupted", "cancellation"),
        "requeued": ("interrupted", "requeue"),
        "preempted": ("interrupted", "preemption"),
        "timed": ("timed_out", "time"),
        "killed": ("interrupted", "supervisor"),
        "lost": ("interrupted", "node"),
        "hold": ("could_not_start", "hold"),
    }
    assert phasehub("verify", hub).returncode == 0
    ends = {
        "cancelled": "CANCELLED", "requeued": "CANCELLED", "preempted": "PREEMPTED",
        "timed": "TIMEOUT", "killed": "FAILED", "lost": "NODE_FAIL", "hold": "CANCELLED",
    }  # fmt: skip
    for name, state in ends.items():
        wait_until(lambda name=name, state=state: states_of(cluster, hub, name) == [state])


def requeue(cluster, number):
    """What an administrator may do to a job that is not to be put back into the queue."""
    cluster.do("scontrol", "update", f"jobid={number}", "requeue=1")
    cluster.do("scontrol", "requeue", number)


def preempt(cluster, number):
    """Have a job give way to one of more weight; the number of that."""
    node = cluster.node_of(number)
    urgent = cluster.ask(
        "sbatch", "--parsable", "--partition=urgent", "--exclusive", f"--nodelist={node}",
        "--output=/dev/null", "--wrap=sleep 600",
    ).strip()  # fmt: skip
    wait_until(lambda: cluster.node_of(urgent) == node)
    return urgent


def supervisor_of(run, arm):
    """The process that supervises an arm's job, once it does."""
    found = []

    def there():
        found[:] = supervisors_of(run, arm)
        return len(found) == 1

    wait_until(there)
    return found[0]


def supervisors_of(run, arm=""):
    """Processes of jobs of an arm, or of all, on whichever node."""
    below = str(run.artifacts / "tiny") + "/", f"/.attempts/{arm}"
    return [
        processes.pid_of(identity)
        for identity, words in processes.command_lines()
        if any(word.startswith(below[0]) and below[1] in word for word in words)
        and any("cluster.node" in word for word in words)
    ]


def test_all_jobs_are_cancelled_at_once_and_run_again(cluster, run_of):
    names = ("one", "two", "three")
    run = run_of(manifest(**dict.fromkeys(names, "held")))
    for name in names:
        cluster.job_of(name)
    assert run.wait_for(lambda r: all(r.told("started", name) for name in names))
    cluster.do("scancel", f"--user={os.getuid()}")
    for name in names:
        assert run.wait_for(lambda r, name=name: is_at(r, name, 2))
        run.let_go(name)
    hub = sealed(run)
    assert {name: arm.attempts for name, arm in arms(hub).items()} == dict.fromkeys(names, 2)


def is_at(run, arm, attempt):
    """Whether it is at that attempt, and no other is left."""
    found = run.attempts(arm)
    return [one.name for one in found] == [str(attempt)] and (found[0] / "out").is_dir()


def test_a_drained_node_ends_what_it_has_and_other_jobs_wait(cluster, run_of):
    run = run_of(manifest(first="held", second="held", third=0), "--jobs", "2")
    try:
        drained = cluster.node_of(cluster.job_of("first"))
        cluster.job_of("second")
        cluster.drain(*cluster.nodes)
        run.let_go("second")
        cluster.job_of("third", "PENDING")
        assert run.wait_for(lambda r: "third: its job" in r.said.read_text())
        assert "waits for nodes" in run.said.read_text()
        for node in set(cluster.nodes) - {drained}:
            cluster.do("scontrol", "update", f"nodename={node}", "state=resume")
        assert run.wait_for(lambda r: r.told("concluded", "third"))
        run.let_go("first")
        hub = sealed(run)
    finally:
        run.end_all()
        cluster.resume()
    assert {arm.attempts for arm in arms(hub).values()} == {1}


def test_what_a_node_that_was_cut_off_writes_late_counts_nowhere(cluster, run_of):
    """Two attempts at an arm are alive at once, and the first is the first to have a result."""
    run = run_of(manifest(one="held").replace("weights of $word", "weights of $out"))
    node = cluster.node_of(cluster.job_of("one"))
    try:
        (first,) = run.attempts("one")
        job = supervisor_of(run, "one")
        cluster.kill(node)
        cluster.do("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        cluster.job_of("one")
        assert run.wait_for(lambda r: r.told("started", "one") and is_at(r, "one", 2))
        os.kill(job, 0)  # nobody could reach it
        for folder in ("job", "out", "out.process"):
            (first / folder).mkdir(parents=True)
        (first / "job" / "job.json").write_bytes(
            (run.attempts("one")[-1] / "job/job.json").read_bytes()
        )
        (first / "out" / "go").touch()
        wait_until(lambda: (first / "out.process" / "ended.json").exists())
        assert (first / "out" / "result.json").exists()
        run.let_go("one")
        hub = sealed(run)
    finally:
        run.end_all()
        cluster.mend(node)
    (arm,) = arms(hub).values()
    assert arm.attempts == 2
    (weights,) = hub.rglob("weights")
    assert weights.read_text().split("/")[-2] == "2"
    assert phasehub("verify", hub).returncode == 0


@pytest.fixture
def apart(cluster):
    """A cluster with one node, whose view of the shared folder can be kept from being ours."""
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("no node can have mounts of its own here")
    first, *others = cluster.nodes
    cluster.drain(*others)
    cluster.stop(first)
    cluster.start_node(first, apart=True)
    yield cluster
    cluster.stop(first)
    cluster.mend(first)


def keep_back(run, arm, folder):
    """Have what the arm's node writes from now on lie in another folder, ours see none of it."""
    job = supervisor_of(run, arm)
    (attempt,) = run.attempts(arm)
    for name in ("out", "out.process"):
        shutil.copytree(attempt / name, folder / name)
        words = ["mount", "--bind", folder / name, attempt / name]
        subprocess.run(["nsenter", f"--target={job}", "--mount", *words], check=True)
    return attempt


def test_a_result_may_be_late_over_the_shared_folder(apart, run_of, tmp_path):
    """The queue is the first to tell of an end, then word of it comes, and the files at last."""
    run, kept = run_of(manifest(late="held"), result_within_s=300.0), tmp_path / "kept"
    number = apart.job_of("late")
    attempt = keep_back(run, "late", kept)
    (kept / "out" / "go").touch()
    apart.wait_for_end(number)
    time.sleep(MOMENT_S)
    shutil.copy(kept / "out.process" / "ended.json", attempt / "out.process")
    time.sleep(MOMENT_S)
    for name in ("weights", "result.json"):
        shutil.copy(kept / "out" / name, attempt / "out")
    hub = sealed(run)
    assert arms(hub)["late"].attempts == 1


def test_a_result_that_never_comes_is_the_shared_folder_s_fault(apart, run_of, tmp_path):
    run, kept = (
        run_of(manifest(never="held"), "--retries", "0", result_within_s=0.5),
        tmp_path / "kept",
    )
    apart.job_of("never")
    keep_back(run, "never", kept)
    (kept / "out" / "go").touch()
    hub = sealed(run, 130)
    assert words_of(hub) == {"never": ("interrupted", "folder")}
    assert (kept / "out" / "result.json").exists()


def test_a_run_whose_shared_folder_is_full_goes_on_once_there_is_room(
    cluster, run_of, mounted, tmp_path
):
    (tmp_path / "run").mkdir()
    disk = mounted("size=24m", tmp_path / "run" / "artifacts")
    run = run_of(HELD)
    assert run.wait_for(is_under_way), run.said.read_text()
    (attempt,) = run.attempts("two")
    (disk / "go").touch()
    fill(disk)
    (disk / "go").rename(attempt / "out" / "go")
    assert run.end() == 3, run.said.read_text()
    assert "no room is left" in run.said.read_text()
    remove_tree(disk / "ballast")
    again = Begun.resumed(run)
    assert again.wait_for(lambda r: is_at(r, "two", 2)), again.said.read_text()
    run.let_go("two")
    hub = sealed(again)
    assert {name: arm.attempts for name, arm in arms(hub).items()} == {
        "one": 1,
        "two": 2,
        "three": 1,
    }
    assert cluster.jobs("PENDING,RUNNING") == []
