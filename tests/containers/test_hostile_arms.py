"""Each hostile arm ends as it should, and harms neither the host nor the other arms."""

import os
import stat
import subprocess

import pytest

from tests.containers.conftest import COMPLETE, MIB

pytestmark = pytest.mark.docker


@pytest.fixture
def ran(engine, make_launch, finish):
    """Run code in a container: its outcome, its console, its output folder."""

    def run(code, **bounds):
        launch = make_launch(code, **bounds)
        outcome = finish(engine, engine.start(launch))
        return outcome, launch.log_path.read_text(), launch.out_dir

    return run


def test_an_arm_that_keeps_the_contract_succeeds(ran):
    outcome, log, out = ran(f"print('ready')\n{COMPLETE}")
    assert (outcome.status, outcome.exit_code, outcome.message) == ("succeeded", 0, "")
    assert log == "ready\n"
    assert (out / "result.json").read_text() == "{}"
    assert 0 < outcome.ended_at - outcome.started_at < 60


WRITABLE = """
import os
def writable(folder):
    try:
        open(os.path.join(folder, 'planted'), 'w').close()
        return True
    except OSError:
        return False
print(*sorted(root for root, _, _ in os.walk('/') if not root.startswith('/proc')
              and writable(root)))
"""


def test_an_arm_can_write_to_its_outputs_and_to_memory_and_nowhere_else(ran):
    outcome, log, _ = ran(WRITABLE + COMPLETE)
    assert outcome.status == "succeeded", log
    assert log.split() == ["/dev/mqueue", "/dev/shm", "/out", "/tmp"]


@pytest.mark.parametrize("place", ["/", "/opt/phasehub/models", "/opt/venv", "/etc", "/job"])
def test_an_arm_that_writes_elsewhere_fails_and_is_told_why(ran, place):
    outcome, log, _ = ran(f"open('{place}/planted', 'w')\n{COMPLETE}")
    assert outcome.status == "failed"
    assert outcome.exit_code == 1
    assert outcome.message == f"exit status 1; the log ends with: {log.splitlines()[-1]}"
    assert "Read-only file system" in outcome.message


def test_a_job_s_inputs_are_read_only(engine, make_launch, finish, tmp_path):
    data = tmp_path / "dataset"
    data.mkdir()
    (data / "train.npz").write_bytes(b"photons")
    code = (
        "for name in ('/job/job.json', '/data/train.npz', '/job/../data/train.npz'):\n"
        "    print(len(open(name).read()))\n"
        "    try:\n        open(name, 'w')\n"
        "    except OSError as error:\n        print(error.strerror)\n"
    )
    launch = make_launch(code + COMPLETE, data=data)
    outcome = finish(engine, engine.start(launch))
    assert outcome.status == "succeeded"
    refused = "Read-only file system"
    assert launch.log_path.read_text().splitlines() == ["21", refused, "7", refused, "7", refused]
    assert (data / "train.npz").read_bytes() == b"photons"


def test_there_is_no_network_but_the_container_s_own_loopback(ran):
    code = (
        "import os, socket\n"
        "open('/out/interfaces', 'w').write(' '.join(os.listdir('/sys/class/net')))\n"
        "socket.create_connection(('192.0.2.1', 80), timeout=5)\n"
    )
    outcome, _, out = ran(code + COMPLETE)
    assert (out / "interfaces").read_text() == "lo"
    assert outcome.status == "failed"
    assert "Network is unreachable" in outcome.message


def test_a_manifest_can_let_an_arm_reach_the_network(ran):
    outcome, log, _ = ran(
        f"import os; print(*os.listdir('/sys/class/net'))\n{COMPLETE}", network=True
    )
    assert outcome.status == "succeeded"
    assert "eth0" in log.split()


def test_memory_past_the_limit_is_named_with_the_limit(ran):
    outcome, _, _ = ran("held = bytearray(1 << 30)\n" + COMPLETE, memory_bytes=64 * MIB)
    assert outcome.status == "out_of_memory"
    assert outcome.exit_code == 137
    assert outcome.message == (
        "killed for memory: limit 64 MiB; raise resources.memory_gib or lower train.batch_size"
    )


def test_shared_memory_and_tmp_have_their_own_limits(ran):
    code = (
        "for place in ('/dev/shm', '/tmp'):\n"
        "    try:\n"
        "        with open(place + '/big', 'wb', buffering=0) as file:\n"
        "            size = 0\n"
        "            while True:\n                size += file.write(bytes(1 << 20))\n"
        "    except OSError as error:\n        print(size >> 20, error.strerror)\n"
    )
    outcome, log, _ = ran(code + COMPLETE, shm_bytes=8 * MIB, tmp_bytes=4 * MIB)
    assert outcome.status == "succeeded"
    assert log.splitlines() == ["8 No space left on device", "4 No space left on device"]


def test_nothing_in_tmp_can_be_executed(ran):
    code = (
        "import shutil, subprocess\n"
        "shutil.copy('/bin/true', '/tmp/true')\n"
        "subprocess.run(['/tmp/true'])\n"
    )
    outcome, _, _ = ran(code + COMPLETE)
    assert outcome.status == "failed"
    assert "Permission denied" in outcome.message


def test_processes_past_the_limit_are_refused(ran):
    code = (
        "import os, time\n"
        "children = 0\n"
        "try:\n"
        "    while children < 1000:\n"
        "        if os.fork() == 0:\n            time.sleep(60)\n"
        "        children += 1\n"
        "except BlockingIOError:\n"
        "    open('/out/children', 'w').write(str(children))\n"
        "    raise\n"
    )
    outcome, _, out = ran(code, pids=16)
    assert outcome.status == "failed"
    assert 10 <= int((out / "children").read_text()) < 16
    assert "Resource temporarily unavailable" in outcome.message


def test_an_arm_that_sleeps_past_its_time_limit_is_stopped(ran):
    code = "print('asleep', flush=True)\nimport time; time.sleep(600)\n" + COMPLETE
    outcome, log, _ = ran(code, timeout_s=1.0)
    assert outcome.status == "timed_out"
    assert outcome.message == (
        "stopped at its time limit of 1 s; raise resources.timeout_s or lower train.epochs"
    )
    assert 1.0 <= outcome.ended_at - outcome.started_at < 30
    assert log == "asleep\n"


def test_an_arm_that_refuses_to_be_asked_is_killed_at_its_time_limit(ran):
    code = (
        "import signal, time\n"
        "for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "time.sleep(600)\n"
    )
    outcome, _, _ = ran(code, timeout_s=1.0)
    assert outcome.status == "timed_out"


def test_exit_status_1_is_a_failure_even_with_a_result(ran):
    outcome, _, _ = ran(COMPLETE + "raise SystemExit(1)")
    assert (outcome.status, outcome.exit_code) == ("failed", 1)
    assert outcome.message == "exit status 1; the log is empty"


def test_a_crash_names_its_signal(ran):
    outcome, _, _ = ran("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert outcome.status == "failed"
    assert outcome.message.startswith("exit status 139 (SIGSEGV)")


def test_exit_status_0_without_a_result_is_a_failure(ran):
    outcome, _, _ = ran("pass")
    assert (outcome.status, outcome.exit_code) == ("failed", 0)
    assert "there is no result.json" in outcome.message


def test_an_empty_result_is_no_result(ran):
    outcome, _, out = ran("open('/out/result.json', 'w')")
    assert outcome.status == "failed"
    assert outcome.message == "exit status 0, but result.json is empty"
    assert (out / "result.json").stat().st_size == 0


def test_a_link_is_no_result_and_what_it_points_to_is_not_touched(ran, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("{}")
    owner = secret.stat().st_uid
    secret.chmod(0o600)
    outcome, _, out = ran(f"import os; os.symlink({str(secret)!r}, '/out/result.json')")
    assert outcome.status == "failed"
    assert outcome.message == "exit status 0, but result.json is not a regular file"
    assert (out / "result.json").is_symlink()
    assert (secret.read_text(), secret.stat().st_uid) == ("{}", owner)


def test_a_job_has_neither_root_nor_capabilities_nor_a_way_to_them(ran):
    outcome, log, _ = ran("print(open('/proc/self/status').read())\n" + COMPLETE)
    assert outcome.status == "succeeded"
    facts = dict(line.split(":\t", 1) for line in log.splitlines() if ":\t" in line)
    assert 0 not in map(int, facts["Uid"].split())
    assert 0 not in map(int, facts["Gid"].split())
    assert {facts[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp"] == "2"


def test_nothing_of_the_caller_s_environment_reaches_a_job(ran, monkeypatch):
    monkeypatch.setenv("A_TOKEN", "secret")
    outcome, log, _ = ran("import os; print(*sorted(os.environ))\n" + COMPLETE)
    assert outcome.status == "succeeded"
    assert log.split() == [
        *("HOME", "HOSTNAME", "LANG", "PATH", "PHASEHUB_TEST", "PYTHONPATH", "PYTHONUNBUFFERED")
    ]


def test_outputs_belong_to_the_caller_whatever_was_done_to_them(ran):
    code = (
        "import os\n"
        "os.makedirs('/out/deep/er')\n"
        "open('/out/deep/er/file', 'w').close()\n"
        "os.chmod('/out/deep/er/file', 0o4777)\n"
        "os.symlink('/etc/passwd', '/out/link')\n"
    )
    outcome, _, out = ran(code + COMPLETE)
    assert outcome.status == "succeeded"
    found = [out, *out.rglob("*")]
    assert len(found) == 6
    assert {(p.lstat().st_uid, p.lstat().st_gid) for p in found} == {(os.getuid(), os.getgid())}
    assert not (out / "deep/er/file").stat().st_mode & stat.S_ISUID or os.getuid() != 0


def test_outputs_nested_deeper_than_a_path_is_long_are_no_trouble(ran):
    code = (
        "import os\n"
        "os.chdir('/out')\n"
        "for _ in range(1200):\n    os.mkdir('deep'); os.chdir('deep')\n"
    )
    outcome, _, out = ran(code + COMPLETE)
    owner = (out / "deep").stat().st_uid
    subprocess.run(["rm", "-rf", out / "deep"], check=True)  # deeper than pytest can clean up
    assert outcome.status == "succeeded"
    assert owner == os.getuid()
