"""What runtimes are asked for, in their own words; tests/slurm runs them."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from runner.core.errors import EngineError
from runner.engines.base import PROMISES, Launch, Limits
from runner.engines.cluster import node
from runner.engines.images.build import BuiltImage
from runner.engines.isolation import BoundFolder
from runner.engines.runtimes.apptainer import MARK
from runner.engines.runtimes.command_line import bind
from runner.engines.runtimes.contained import GUARANTEES, Contained, NodeImage
from runner.engines.runtimes.container import identity, is_abandoned
from runner.engines.runtimes.start import starter_of
from runner.engines.supervisor import RECORD, SPEC, RefusedError
from runner.engines.views import view_of

DIGEST = "0" * 64
STAND_IN = """#!/bin/sh
while [ "$1" != /usr/bin/env ]; do shift; done
exec "$@"
"""
"""Runs what Apptainer is to run, on this machine: what it is kept from is not seen by this."""


@pytest.fixture
def image(tmp_path):
    folder = tmp_path / "node-images"
    folder.mkdir()
    (folder / "root").mkdir()
    (folder / "root.fingerprint").write_text(DIGEST)
    digests = ("lock_sha256", "models_sha256", "dockerfile_sha256", "packages_sha256")
    built = BuiltImage(
        reference="phasehub:cpu-1", id=f"sha256:{DIGEST}", variant="cpu", base="base",
        base_id=f"sha256:{DIGEST}", base_digests=(), python="3.11",
        **dict.fromkeys(digests, DIGEST),
    )  # fmt: skip
    return NodeImage(
        built=built, place=folder / "root", environment=("PATH=/bin", "LANG=C"), workdir="/opt"
    )


@pytest.fixture
def launch(tmp_path):
    for name in ("job", "out", "data"):
        (tmp_path / name).mkdir()
    return Launch(
        name="arm", command=("sh", "-c", "env; exit 3"), job_dir=tmp_path / "job",
        data_dir=tmp_path / "data", out_dir=tmp_path / "out", log_path=tmp_path / "log",
        environment={"PLAN": "a b"}, labels={"run": "r"},
        limits=Limits(
            timeout_s=60.0, memory_bytes=1 << 30, pids=7, shm_bytes=8, tmp_bytes=9,
            disk_bytes=1 << 20, threads=3,
        ),
    )  # fmt: skip


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A program of that name before all others."""

    def put(name):
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return str(folder / name)

    return put


def laid_out(runtime, image, launch):
    view = view_of(launch.out_dir)
    Contained(runtime, image).lay_out(view, launch)
    return view, starter_of(json.loads((view / SPEC).read_text()), view)


def test_apptainer_s_command_line(image, launch, stand_in, monkeypatch):
    program = stand_in("apptainer")
    monkeypatch.setenv("APPTAINER_BIND", "/")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    view, starter = laid_out("apptainer", image, replace(launch, num_gpus=2))
    command, environment = starter.prepare()
    folder, supervisor = launch.out_dir.parent, identity(os.getpid())
    user = ("--security=uid:10001", "--security=gid:10001") if os.getuid() == 0 else ()
    assert list(command) == [
        *(program, "--silent", "exec", "--containall", "--no-home", "--no-privs", "--no-eval"),
        *("--no-umask", "--no-mount=bind-paths,cwd,hostfs", *user, "--net", "--network=none"),
        *(f"--security=seccomp:{view}/seccomp.json", "--nv", f"--env={MARK}={supervisor}"),
        f"--mount=type=bind,source={view}/job,destination=/job,ro",
        f"--mount=type=bind,source={folder}/out,destination=/out",
        f"--mount=type=bind,source={folder}/data,destination=/data,ro",
        *("--pwd=/opt", str(image.place), "/usr/bin/env", "-i", "PATH=/bin", "LANG=C", "HOME=/tmp"),
        *("PYTHONUNBUFFERED=1", "PLAN=a b", "CUDA_VISIBLE_DEVICES=0,3"),
        *("timeout", "--signal=KILL", "80", "sh", "-c", "env; exit 3"),
    ]
    assert "APPTAINER_BIND" not in environment
    profile = json.loads((view / "seccomp.json").read_text())
    by_action = {rule["action"]: {*rule["names"]} for rule in reversed(profile["syscalls"])}
    # What traces could let it through, so nothing may.
    assert by_action["SCMP_ACT_TRACE"] == {"clone3"}
    assert "ptrace" not in by_action["SCMP_ACT_ALLOW"]


def test_a_job_sees_the_plan_s_environment_and_its_end_is_on_record(image, launch, stand_in):
    stand_in("apptainer")
    view, _ = laid_out("apptainer", image, launch)
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", node.START, str(view)],
        env=os.environ | {"SLURM_JOB_ID": "7"}, check=True,
    )  # fmt: skip
    record = json.loads((view / RECORD).read_text())
    assert (record["exit_code"], record["killed_for"], record["refused"]) == (3, None, "")
    names = {line.partition("=")[0] for line in launch.log_path.read_text().splitlines()}
    assert names - {"PWD", "SHLVL", "_"} == {"PATH", "LANG", "HOME", "PYTHONUNBUFFERED", "PLAN"}


def test_a_node_without_the_runtime_says_so(image, launch, monkeypatch):
    monkeypatch.setattr("runner.engines.runtimes.container.ON_PATH", ())
    monkeypatch.setenv("PATH", "/nowhere")
    _, starter = laid_out("apptainer", image, launch)
    with pytest.raises(RefusedError, match=r"there is no apptainer on .*phasehub\.toml"):
        starter.prepare()


def test_gpus_that_slurm_gave_are_docker_s(image, launch, stand_in, monkeypatch):
    stand_in("docker")
    monkeypatch.setenv("SLURM_JOB_GPUS", "1,2")
    _, starter = laid_out("docker", image, replace(launch, num_gpus=2))
    starter._info = {}
    assert '--gpus="device=1,2"' in starter.command()
    assert {"--cpus=3", "--pids-limit=7", "--memory=1073741824"} <= {*starter.command()}


@pytest.mark.parametrize("lacking", ["MemoryLimit", "SwapLimit", "PidsLimit"])
def test_a_daemon_that_keeps_less_than_the_hub_says_is_refused(image, launch, lacking):
    _, starter = laid_out("docker", image, launch)
    limits = dict.fromkeys(("MemoryLimit", "SwapLimit", "PidsLimit"), True)
    starter._info = limits
    starter.refuse()
    starter._info = limits | {lacking: False}
    with pytest.raises(RefusedError, match="cannot hold a job to its limits"):
        starter.refuse()


@pytest.mark.parametrize("runtime", sorted(GUARANTEES))
def test_what_a_runtime_cannot_keep_is_said(image, runtime):
    facts = Contained(runtime, image).describe()
    assert {*facts["enforced"], *facts["not_enforced"]} == PROMISES
    assert ("pids" in facts["not_enforced"]) == (
        runtime == "apptainer" or (runtime != "docker" and os.getuid() != 0)
    )


def test_what_a_runtime_cannot_do_is_refused_before_a_job_is_submitted(image, launch):
    for runtime in ("podman", "oci"):
        with pytest.raises(EngineError, match="gives a container no GPU"):
            laid_out(runtime, image, replace(launch, num_gpus=1))
    looser = replace(launch, limits=replace(launch.limits, seccomp="docker"))
    for runtime in ("apptainer", "oci"):
        with pytest.raises(EngineError, match=r"seccomp = \"strict\" or"):
            laid_out(runtime, image, looser)


def test_a_folder_of_any_name_is_bound():
    odd = BoundFolder(source='/a,b "c"', place="/job", locked=True)
    assert bind(odd) == 'type=bind,"source=/a,b ""c""",target=/job,readonly'


def test_only_what_a_dead_supervisor_of_this_node_left_is_abandoned():
    here = {"node": os.uname().nodename}
    mine = identity(os.getpid())
    assert not is_abandoned({**here, "supervisor": mine})
    assert is_abandoned({**here, "supervisor": mine + "0"})  # another process had its number
    assert not is_abandoned({"node": "another", "supervisor": mine + "0"})
    assert not is_abandoned(here)
