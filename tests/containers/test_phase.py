"""Whole phases in containers: the same bits as processes, hostile arms, interrupts."""

import functools
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.core.installation import state_dir
from runner.hub import layout
from tests import phases
from tests.phases import ROOT, command, run


@pytest.fixture
def write(tmp_path):
    return functools.partial(phases.write, tmp_path)


def deterministic(path: Path) -> dict[str, str]:
    """Path → digest of every file of a hub that is declared deterministic."""
    return {file.path: file.sha256 for file in layout.read(path).artifacts if file.deterministic}


def containers_of(phase: str) -> str:
    return subprocess.run(
        ["docker", "ps", "--all", "--quiet", "--filter", f"label=phasehub.phase={phase}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.docker
def test_containers_and_processes_leave_the_same_bits(image, tmp_path):
    """The quickstart's quick profile, audited, on an object with a quarter of the patches."""
    whole = (ROOT / "manifests" / "quickstart.toml").read_text()
    manifest = tmp_path / "quickstart.toml"
    manifest.write_text(whole.replace("object_size = 160", "object_size = 96"))
    assert manifest.read_text() != whole
    hubs = {}
    for engine in ("docker", "process"):
        path, code, said = run(manifest, tmp_path / engine, "--profile", "quick", engine=engine)
        record = layout.read(path)
        assert code == 0, said
        assert [arm.status for arm in record.arms] == ["succeeded", "succeeded"]
        assert record.engine.name == engine
        assert record.engine.isolated is (engine == "docker")
        assert layout.verify(path).intact
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
    record = layout.read(path)
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
    assert layout.verify(path).intact
    assert containers_of("trial") == ""


def through_nox(manifest, artifacts):
    options = ["--out", str(artifacts), "--engine", "docker"]
    return [sys.executable, "-m", "nox", "-s", "run", "--", str(manifest), *options]


@pytest.mark.docker
@pytest.mark.parametrize(
    ("number", "make_command"),
    [(signal.SIGINT, command), (signal.SIGTERM, command), (signal.SIGINT, through_nox)],
)
def test_an_interrupt_leaves_no_container_and_a_run_that_can_be_sealed_as_it_is(
    image, write, tmp_path, number, make_command
):
    arms = """
[[arms]]
name = "short"
train.epochs = 2
[[arms]]
name = "long"
command = ["python", "-c", "import time; print('asleep', flush=True); time.sleep(600)"]
[[arms]]
name = "later"
resources.threads = CORES
"""
    # The last one wants all cores, so it waits for as long as another one sleeps.
    manifest = write(arms.replace("CORES", str(os.cpu_count())))
    process = subprocess.Popen(
        make_command(manifest, tmp_path), cwd=ROOT, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.PIPE, env=os.environ | {"PHASEHUB_STATE": str(state_dir())},
        start_new_session=True,
    )  # fmt: skip
    for line in process.stderr:
        if "short: ran as planned" in line:
            break
    # As a terminal does it: the signal reaches every process of the group.
    os.killpg(process.pid, number)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert layout.find_hubs(tmp_path) == []
    assert containers_of("trial") == ""
    sealed = subprocess.run(
        [sys.executable, "-m", "runner", "seal", "--out", tmp_path], cwd=ROOT, text=True,
        check=True, stdout=subprocess.PIPE, env=os.environ | {"PHASEHUB_STATE": str(state_dir())},
    )  # fmt: skip
    path = Path(sealed.stdout.splitlines()[-1])
    record = layout.read(path)
    assert record.interrupted
    assert {arm.name: arm.status for arm in record.arms} == {
        "short": "succeeded",
        "long": "interrupted",
        "later": "not_run",
    }
    assert containers_of("trial") == ""
    assert layout.verify(path).intact


@pytest.mark.docker
def test_a_daemon_that_is_not_there_is_told_in_the_hub_and_by_the_exit_code(
    write, tmp_path, monkeypatch
):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    path, code, said = run(write('[[arms]]\nname = "only"\n'), tmp_path)
    assert code == 3
    assert "daemon" in said
    assert layout.read(path).arm("only").status == "could_not_start"
    assert layout.verify(path).intact


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
    shutil.copytree(ROOT / "tests" / "models", tmp_path / "tests" / "models")
    path, code, stderr = run(write(REGRESSION), tmp_path / "artifacts")
    assert code == 0, stderr
    record = layout.read(path)
    assert [arm.name for arm in record.arms] == ["one-s1", "one-s2"]
    assert [arm.seed for arm in record.arms] == [1, 2]
    (result,) = record.tests.results
    assert (result.outcome, record.tests.hold) == ("passed", True)
    assert "1 passed" in (path / "regression_tests.log").read_text()
    assert any("optional arms two-s1 and two-s2" in note for note in record.notes)
    assert "Regression tests: 1 passed" in (path / "README.md").read_text()
