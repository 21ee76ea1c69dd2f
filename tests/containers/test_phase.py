"""Whole phases through the command line: containers, processes, hostile arms, interrupts."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner import hub
from runner.environment import state_dir
from runner.places import Places
from runner.statistics import read_statistics

ROOT = Path(__file__).parents[2]

SMALL = """
schema_version = 1
[phase]
name = "{name}"
title = "A phase for tests"
question = "Does the runner do what it says?"
stage = "stage_a"
seed = 7
[resources]
threads = 1
timeout_s = {timeout_s}
memory_gib = 1.0
pids = 64
[dataset]
object_size = 64
patch_size = 16
train_stride = 6
test_stride = 6
probe_defocus = 0.3
[model]
architecture = "hybrid"
hidden_channels = 2
modes = 3
fno_blocks = 2
[train]
epochs = {epochs}
learning_rate = 1e-3
[verdict]
success = ["not collapsed"]
[audit]
level = "read back"
"""


@pytest.fixture
def write(tmp_path):
    def write(arms: str, *, name="trial", epochs=1, timeout_s=120):
        path = tmp_path / f"{name}.toml"
        path.write_text(SMALL.format(name=name, epochs=epochs, timeout_s=timeout_s) + arms)
        return path

    return write


def command(manifest, artifacts, *options, engine="docker", python=sys.executable):
    return [
        python, "-m", "runner", "run", str(manifest), "--out", str(artifacts),
        "--engine", engine, *options,
    ]  # fmt: skip


def run(manifest, artifacts, *options, engine="docker", cwd=ROOT):
    """Run a phase to its end: the hub's path, the exit code, and what was said on stderr."""
    done = subprocess.run(
        command(manifest, artifacts, *options, engine=engine),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PHASEHUB_STATE": str(state_dir())},
    )
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    return Path(lines[-1]), done.returncode, done.stderr


def deterministic(path: Path) -> dict[str, str]:
    """Path → digest of every file of a hub that is declared deterministic."""
    return {file.path: file.sha256 for file in hub.read(path).artifacts if file.deterministic}


def containers_of(phase: str) -> str:
    return subprocess.run(
        ["docker", "ps", "--all", "--quiet", "--filter", f"label=phasehub.phase={phase}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.docker
def test_containers_and_processes_leave_the_same_bits(image, tmp_path):
    manifest = ROOT / "manifests" / "quickstart.toml"
    hubs = {}
    for engine in ("docker", "process"):
        path, code, said = run(manifest, tmp_path / engine, "--profile", "quick", engine=engine)
        record = hub.read(path)
        assert code == 0, said
        assert [arm.status for arm in record.arms] == ["succeeded", "succeeded"]
        assert record.engine.name == engine
        assert record.engine.isolated is (engine == "docker")
        assert hub.verify(path).intact
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=path, check=True)
        hubs[engine] = path
    container, process = deterministic(hubs["docker"]), deterministic(hubs["process"])
    assert container == process
    weights = [name for name in container if name.endswith(("model.pt", "model_best.pt"))]
    assert len(weights) == 4


HOSTILE = '''
[[arms]]
name = "good"
[[arms]]
name = "writes_elsewhere"
command = ["python", "-c", "open('/etc/owned', 'w')"]
[[arms]]
name = "opens_a_socket"
command = ["python", "-c", """
import socket
# A datagram socket sends nothing when it is connected, but it needs a route.
socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))"""]
[[arms]]
name = "eats_memory"
command = ["python", "-c", "x = [bytearray(1 << 28) for _ in range(64)]"]
[[arms]]
name = "forks"
command = ["python", "-c", "import os, time\\nwhile True:\\n    if os.fork() == 0: time.sleep(60)"]
[[arms]]
name = "sleeps"
command = ["python", "-c", "import time; time.sleep(600)"]
resources.timeout_s = 3
[[arms]]
name = "exits_1"
command = ["python", "-c", "print('last words'); raise SystemExit(1)"]
[[arms]]
name = "leaves_a_link"
command = ["python", "-c", """
import os, sys
os.symlink('/etc/passwd', sys.argv[1] + '/result.json')""", "{out}"]
[[arms]]
name = "leaves_nothing_in_it"
command = ["python", "-c", "import sys; open(sys.argv[1] + '/result.json', 'w')", "{out}"]
[[arms]]
name = "poisons_its_events"
command = ["python", "-c", """
import sys, time
with open(sys.argv[1] + '/events.jsonl', 'wb') as events:
    for line in (b'{"event": "step", "step": null}', b'[' * 60_000, b'{"event": "epoch"}',
                 b'{"event": "step", "step": 50, "steps_per_s": 1e-300}', bytes(1)):
        events.write(line + bytes([10]))
time.sleep(1)
raise SystemExit(1)""", "{out}"]
[[arms]]
name = "pipe_for_events"
command = ["python", "-c", """
import os, sys, time
os.mkfifo(sys.argv[1] + '/events.jsonl')
time.sleep(1)
raise SystemExit(1)""", "{out}"]
[[arms]]
name = "zeros_for_events"
command = ["python", "-c", """
import os, sys, time
os.symlink('/dev/zero', sys.argv[1] + '/events.jsonl')
time.sleep(1)
raise SystemExit(1)""", "{out}"]
[[arms]]
name = "fills_the_disk"
resources.disk_gib = 0.0625
command = ["python", "-c", """
import sys, time
open(sys.argv[1] + '/hole', 'wb').truncate(4 << 30)
time.sleep(600)""", "{out}"]
[[arms]]
name = "floods_its_log"
command = ["python", "-c", """
import os
for _ in range(600): os.write(1, b'flood' * 13_000 + bytes([13]))
raise SystemExit(1)"""]
'''


@pytest.mark.docker
def test_hostile_arms_end_as_they_should_and_the_others_go_on(image, write, tmp_path):
    path, code, said = run(write(HOSTILE, timeout_s=600), tmp_path)
    record = hub.read(path)
    fates = {arm.name: arm for arm in record.arms}
    assert code == 1, said
    assert fates["good"].status == "succeeded"
    assert fates["writes_elsewhere"].status == "failed"
    assert "Read-only file system" in "\n".join(fates["writes_elsewhere"].log_tail)
    assert fates["opens_a_socket"].status == "failed"
    assert "unreachable" in "\n".join(fates["opens_a_socket"].log_tail)
    assert fates["eats_memory"].status == "out_of_memory"
    assert "1.0 GiB" in fates["eats_memory"].message
    assert fates["forks"].status == "failed"
    assert "Resource temporarily unavailable" in "\n".join(fates["forks"].log_tail)
    assert fates["sleeps"].status == "timed_out"
    assert "3" in fates["sleeps"].message
    assert fates["exits_1"].status == "failed"
    assert fates["exits_1"].exit_code == 1
    assert fates["exits_1"].log_tail == ("last words",)
    for name in ("leaves_a_link", "leaves_nothing_in_it"):
        assert fates[name].status in ("invalid_output", "failed")
        assert "result.json" in fates[name].message
    odd = {
        "poisons_its_events": "events.jsonl: 5 lines are no events, the first of them: step.step: ",
        "pipe_for_events": "events.jsonl: it was not read further: events.jsonl is not a regular ",
        "zeros_for_events": "events.jsonl: it was not read further: events.jsonl is a symbolic",
        "floods_its_log": " bytes in the middle of its console log were left out; beginning and",
    }
    pages = [(path / page).read_text() for page in ("README.md", "summary.md", "report.html")]
    for name, said in odd.items():
        assert fates[name].status == "failed"
        (note,) = fates[name].notes
        assert said in note
        assert all(f"{name}" in page and "events.jsonl: 5 lines are no" in page for page in pages)
    assert fates["fills_the_disk"].status == "out_of_disk"
    assert fates["fills_the_disk"].message == (
        "its outputs took more than the limit of 64 MiB; raise resources.disk_gib or write less"
    )
    assert (path / fates["floods_its_log"].log).stat().st_size < 25 << 20
    assert all(len(line) <= 1000 for line in fates["floods_its_log"].log_tail)
    assert hub.verify(path).intact
    assert containers_of("trial") == ""


def through_nox(manifest, artifacts):
    options = ["--out", str(artifacts), "--engine", "docker"]
    return [sys.executable, "-m", "nox", "-s", "run", "--", str(manifest), *options]


@pytest.mark.docker
@pytest.mark.parametrize(
    ("number", "make_command"),
    [(signal.SIGINT, command), (signal.SIGTERM, command), (signal.SIGINT, through_nox)],
)
def test_an_interrupt_leaves_no_container_and_keeps_what_was_finished(
    image, write, tmp_path, number, make_command
):
    arms = """
[[arms]]
name = "short"
[[arms]]
name = "long"
command = ["python", "-c", "import time; print('asleep', flush=True); time.sleep(600)"]
[[arms]]
name = "later"
"""
    manifest = write(arms)
    # One share of the cores: the arms run one after another.
    text = manifest.read_text().replace("threads = 1", f"threads = {os.cpu_count()}")
    manifest.write_text(text)
    process = subprocess.Popen(
        make_command(manifest, tmp_path), cwd=ROOT, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.PIPE, env=os.environ | {"PHASEHUB_STATE": str(state_dir())},
        start_new_session=True,
    )  # fmt: skip
    for line in process.stderr:
        if line.startswith("long: started"):
            break
    # As a terminal does it: the signal reaches every process of the group.
    os.killpg(process.pid, number)
    out, _ = process.communicate(timeout=120)
    path = Path(out.splitlines()[-1])
    record = hub.read(path)
    assert process.returncode == 130
    assert record.interrupted
    assert {arm.name: arm.status for arm in record.arms} == {
        "short": "succeeded",
        "long": "interrupted",
        "later": "not_run",
    }
    assert containers_of("trial") == ""
    assert hub.verify(path).intact


@pytest.fixture
def other_checkout(tmp_path):
    """A copy of the sources in which a defect can be planted."""
    root = tmp_path / "checkout"
    for name in ("runner", "models"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Dockerfile", root)
    return root


TWO_RATES = """
[[arms]]
name = "slow"
train.learning_rate = 1e-4
[[arms]]
name = "fast"
train.learning_rate = 1e-3
"""


def test_a_knob_that_is_dropped_on_its_way_fails_its_arm(other_checkout, write, tmp_path):
    source = other_checkout / "models" / "training" / "optimizers.py"
    text = source.read_text()
    assert "parameters, lr=rate, betas" in text
    source.write_text(text.replace("parameters, lr=rate, betas", "parameters, lr=1e-3, betas"))
    path, code, said = run(write(TWO_RATES), tmp_path, engine="process", cwd=other_checkout)
    record = hub.read(path)
    assert code == 1, said
    assert record.arm("fast").status == "succeeded"
    slow = record.arm("slow")
    assert slow.status == "configuration_differs"
    assert "train.learning_rate: planned 0.0001, effective 0.001" in slow.message
    assert [group.arms for group in record.identical_arms] == [("slow", "fast")]
    assert record.identical_arms[0].knobs == ("train.learning_rate",)
    summary = (path / "summary.md").read_text()
    assert "train.learning\\_rate" in summary or "train.learning_rate" in summary


def test_another_seed_gives_other_weights_and_the_same_seed_the_same(write, tmp_path):
    arms = """
[[arms]]
name = "one"
[[arms]]
name = "same"
[[arms]]
name = "other"
seed = 8
"""
    path, code, said = run(write(arms), tmp_path, engine="process")
    record = hub.read(path)
    assert code == 0, said
    digests = [record.arm(name).final_weights_sha256 for name in ("one", "same", "other")]
    assert digests[0] == digests[1] != digests[2]


def test_another_interpreter_is_told_apart_from_the_lock(write, tmp_path):
    path, code, said = run(
        write('[[arms]]\nname = "only"\n'), tmp_path, "--python", sys.executable, engine="process"
    )
    record = hub.read(path)
    assert code == 0, said
    assert record.engine.facts["interpreter"] == Places().hide(sys.executable)
    assert record.engine.facts["differences"] == []


def test_what_an_interpreter_lacks_of_the_lock_is_listed_in_the_hub(write, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True
    )
    bare = str(tmp_path / "bare" / "bin" / "python")
    manifest = write('[[arms]]\nname = "only"\nresources.network = true\n')
    path, code, _ = run(manifest, tmp_path, "--python", bare, engine="process")
    record = hub.read(path)
    assert code == 1
    assert "torch: locked 2.13.0+cpu, not installed" in record.engine.facts["differences"]
    network, packages, statistics = record.notes
    assert statistics == "no statistics over arms: no arm succeeded"
    assert network == "only may reach the network"
    assert packages.startswith("the environment is not the lock's, ")
    assert "all of them in hub.json" in (path / "summary.md").read_text()


@pytest.mark.docker
def test_a_daemon_that_is_not_there_is_told_in_the_hub_and_by_the_exit_code(
    write, tmp_path, monkeypatch
):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    path, code, said = run(write('[[arms]]\nname = "only"\n'), tmp_path)
    assert code == 3
    assert "daemon" in said
    assert hub.read(path).arm("only").status == "could_not_start"
    assert hub.verify(path).intact


def test_stdout_ends_with_the_hub_and_stderr_has_plain_progress(write, tmp_path):
    path, _, said = run(write('[[arms]]\nname = "only"\n', epochs=2), tmp_path, engine="process")
    assert json.loads((path / "hub.json").read_text())["phase"] == "trial"
    assert "only: epoch 2/2" in said
    assert "steps/s" in said
    assert "\x1b" not in said


def test_a_manifest_that_is_wrong_runs_nothing_and_exits_2(write, tmp_path):
    manifest = write('[[arms]]\nname = "only"\ntrain.learning_rat = 1\n')
    done = subprocess.run(
        command(manifest, tmp_path / "hubs"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "learning_rate" in done.stderr
    assert not (tmp_path / "hubs").exists()


REGRESSION = """
[tests]
select = [
  "tests/models/nets/test_blocks.py::test_the_layerscale_block_is_nearly_the_identity_at_first",
]
[[arms]]
name = "one"
[[arms]]
name = "two"
optional = true
[matrix]
seed = [1, 2]
"""


@pytest.mark.docker
def test_regression_tests_run_in_the_image_of_the_arms_and_a_matrix_makes_them(write, tmp_path):
    path, code, stderr = run(write(REGRESSION), tmp_path / "artifacts")
    assert code == 0, stderr
    record = hub.read(path)
    assert [arm.name for arm in record.arms] == ["one-s1", "one-s2"]
    assert [arm.seed for arm in record.arms] == [1, 2]
    (result,) = record.tests.results
    assert (result.outcome, record.tests.hold) == ("passed", True)
    assert "1 passed" in (path / "regression_tests.log").read_text()
    assert any("optional arms two-s1 and two-s2" in note for note in record.notes)
    assert "Regression tests: 1 passed" in (path / "README.md").read_text()


SEEDS = """
[matrix]
train.learning_rate = [1e-3, 2e-3]
seed = [1, 2]
"""


def test_a_phase_ends_with_statistics_over_its_seeds_and_those_of_an_earlier_phase(write, tmp_path):
    earlier, code, said = run(
        write('[[arms]]\nname = "only"\ntrain.learning_rate = 3e-3\n', name="before"),
        tmp_path,
        engine="process",
    )
    assert code == 0, said
    manifest = write(SEEDS, name="after")
    text = manifest.read_text().replace("seed = 7", 'seed = 7\ncompare_with = ["before", "never"]')
    manifest.write_text(text)
    path, code, said = run(manifest, tmp_path, engine="process")
    assert code == 0, said
    record = hub.read(path)
    assert record.summary.status == "succeeded"
    assert [one.name for one in record.compared] == [f"before/{earlier.name}"]
    statistics = read_statistics(path, "statistics.json")
    assert [(group.label, group.num_arms) for group in statistics.groups] == [
        ("lr1e-3", 2),
        ("lr2e-3", 2),
        ("before · only", 1),
    ]
    assert [pair.places for pair in statistics.comparisons] == [(0, 1), (0, 2), (1, 2)]
    assert "no sealed hub of never to compare with" in record.notes
    assert all((path / name).is_file() for name in ("losses.png", "scores.png", "summary/job.json"))
    assert "before · only" in (path / "summary.md").read_text()


def test_a_phase_in_which_nothing_succeeded_says_why_it_has_no_statistics(write, tmp_path):
    arms = '[[arms]]\nname = "broken"\ncommand = ["python", "-c", "raise SystemExit(3)"]\n'
    path, code, _ = run(write(arms), tmp_path, engine="process")
    assert code == 1
    assert hub.read(path).summary is None
    assert "no statistics over arms: no arm succeeded" in hub.read(path).notes
    assert not (path / "statistics.json").exists()
