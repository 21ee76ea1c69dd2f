"""Each hostile arm ends as it should, and harms neither the host nor the other arms."""

import os
import re
import stat
import subprocess
import time

import pytest

from runner.engines import usage
from runner.engines.capped import LARGEST
from runner.jobs.collection import collect
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
    assert (outcome.status, outcome.ended_by) == ("out_of_memory", "memory")
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
    assert (outcome.status, outcome.ended_by) == ("failed", "signal")
    assert outcome.message.startswith("exit status 139 (SIGSEGV); ")


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


SYSTEM_CALL = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    got = libc.syscall(ctypes.c_long(number), *words)
    return 'done' if got >= 0 else errno.errorcode[ctypes.get_errno()]
"""
NEW_USER, TRUNCATED = 0x10000000, 1 << 32

ON_X86_64 = pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="system calls have other numbers elsewhere"
)


REFUSED = {
    "io_uring_setup": "425, 8, ctypes.create_string_buffer(256)",
    "io_uring_enter": "426, 0, 0, 0, 0, 0, 0",
    "io_uring_register": "427, 0, 0, 0, 0",
    "socket of AF_VSOCK": "41, 40, 1, 0",
    "socket of AF_VSOCK behind 32 bits": f"41, 40 | {TRUNCATED}, 1, 0",
    "socket of AF_ALG": "41, 38, 5, 0",
    "socket of AF_PACKET": "41, 17, 3, 0",
    "unshare": f"272, {NEW_USER}",
    "clone into a new user namespace": f"56, {NEW_USER} | 17, 0, 0, 0, 0",
    "setns": "308, 0, 0",
    "keyctl": "250, 0, -3, 1",
    "add_key": "248, b'user', b'name', b'secret', 6, -3",
    "bpf": "321, 0, ctypes.create_string_buffer(128), 128",
    "userfaultfd": "323, 0",
    "userfaultfd of user mode": "323, 1",
    "perf_event_open": "298, ctypes.create_string_buffer(128), 0, -1, -1, 0",
    "mount": "165, b'none', b'/tmp', b'tmpfs', 0, 0",
    "fsopen": "430, b'tmpfs', 0",
    "open_tree": "428, -100, b'/', 1",
    "pivot_root": "155, b'/tmp', b'/tmp'",
    "chroot": "161, b'/tmp'",
    "open_by_handle_at": "304, -100, ctypes.create_string_buffer(64), 0",
    "kexec_load": "246, 0, 0, 0, 0",
    "init_module": "175, b'', 0, b''",
    "reboot": "169, 0xfee1dead, 672274793, 0, 0",
    "settimeofday": "164, ctypes.create_string_buffer(16), 0",
    "swapon": "167, b'/out/x', 0",
    "iopl": "172, 3",
    "personality of another kind": "135, 0x400000",
    "device node": "133, b'/out/disk', 0o60666, 0x800",
}
"""A system call that computing does not take → its number on x86-64 and its arguments."""


@ON_X86_64
def test_system_calls_that_computing_does_not_take_are_refused(ran):
    calls = "".join(
        f"print({name!r}, call({words}), sep=': ')\n" for name, words in REFUSED.items()
    )
    outcome, log, out = ran(SYSTEM_CALL + calls + COMPLETE)
    assert outcome.status == "succeeded", log
    assert log.splitlines() == [f"{name}: EPERM" for name in REFUSED]
    assert sorted(path.name for path in out.iterdir()) == ["result.json"]


@ON_X86_64
def test_clone3_is_said_to_be_unknown_so_that_libraries_fall_back(ran):
    outcome, log, _ = ran(f"{SYSTEM_CALL}print(call(435, 0, 0))\n{COMPLETE}")
    assert (outcome.status, log) == ("succeeded", "ENOSYS\n")


@ON_X86_64
def test_programs_of_another_architecture_cannot_go_round_the_profile(ran):
    """The same call by the gate of 32-bit programs, ``int 0x80``, where 359 is ``socket``."""
    code = (
        "import ctypes, mmap\n"
        "gate = bytes.fromhex('53b867010000bb28000000b90100000031d2cd805bc3')\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(gate)\n"
        "place = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "print('sockets:', ctypes.CFUNCTYPE(ctypes.c_int)(place)(), flush=True)\n"
    )
    outcome, log, _ = ran(code + COMPLETE)
    assert outcome.status == "failed"
    assert outcome.exit_code == 128 + 31, log  # SIGSYS
    assert log == ""


def test_sockets_of_the_internet_and_of_unix_are_there(ran):
    code = (
        "import socket\n"
        "one, two = socket.socketpair()\n"
        "socket.socket(socket.AF_INET); socket.socket(socket.AF_INET6)\n"
        "print(*(name for _, name in socket.if_nameindex()))\n"
    )
    outcome, log, _ = ran(code + COMPLETE)
    assert (outcome.status, log) == ("succeeded", "lo\n")


@pytest.mark.parametrize(
    ("seccomp", "mode"), [("strict", "2"), ("docker", "2"), ("unconfined", "0")]
)
def test_a_manifest_can_relax_the_profile(ran, seccomp, mode):
    code = "print(*(line for line in open('/proc/self/status') if 'Seccomp:' in line))\n"
    outcome, log, _ = ran(code + COMPLETE, seccomp=seccomp)
    assert outcome.status == "succeeded"
    assert log.split() == ["Seccomp:", mode]


@ON_X86_64
def test_the_daemon_s_own_profile_differs_from_ours_where_it_says_so(ran):
    """The kernel refuses a null pointer, and the strict profile the call itself."""
    code = f"{SYSTEM_CALL}print(call(41, 38, 5, 0))\n{COMPLETE}"
    assert ran(code)[1] == "EPERM\n"
    assert ran(code, name="relaxed", seccomp="docker")[1] != "EPERM\n"


def test_processes_of_the_host_and_of_other_arms_are_neither_seen_nor_traced(
    engine, make_launch, finish
):
    sibling = engine.start(make_launch("import time; time.sleep(30)\n", name="sibling"))
    code = (
        "import ctypes, os\n"
        "print(*sorted(int(name) for name in os.listdir('/proc') if name.isdigit()))\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "print([libc.ptrace(16, pid, 0, 0) for pid in (2, 100, 1000)])\n"
    )
    launch = make_launch(code + COMPLETE)
    outcome = finish(engine, engine.start(launch))
    seen, traced = launch.log_path.read_text().splitlines()
    assert outcome.status == "succeeded"
    assert len(seen.split()) == 3  # docker-init, `timeout` and the job itself
    assert traced == "[-1, -1, -1]"
    assert engine.poll(sibling) is None
    engine.stop(sibling)


def test_programs_that_would_become_root_do_not(ran):
    code = (
        "import os, subprocess\n"
        "paths = [os.path.join(root, name) for root, _, ns in os.walk('/usr') for name in ns]\n"
        "found = [path for path in paths if os.lstat(path).st_mode & 0o4000]\n"
        "print('found', bool(found))\n"
        "for path in found[:2]:\n"
        "    subprocess.run([path, '--version'], stdin=subprocess.DEVNULL, capture_output=True)\n"
        "try:\n    os.setuid(0)\n"
        "except PermissionError:\n    print('refused')\n"
        "print(os.getuid() != 0)\n"
    )
    outcome, log, _ = ran(code + COMPLETE)
    assert outcome.status == "succeeded", log
    assert log.splitlines()[1:] == ["refused", "True"]


def test_an_arm_does_not_see_the_outputs_of_others(engine, make_launch, finish, tmp_path):
    secret = make_launch("pass", name="other").out_dir
    (secret / "weights").write_text("theirs")
    code = (
        "import os\n"
        f"for path in ({str(secret)!r}, '/out/../../other/out', '/proc/1/root/out/../other'):\n"
        "    print(os.path.exists(path))\n"
        "print(*sorted(os.listdir('/out')))\n"
    )
    launch = make_launch(code + COMPLETE)
    outcome = finish(engine, engine.start(launch))
    assert outcome.status == "succeeded"
    assert launch.log_path.read_text().splitlines() == ["False", "False", "False", ""]
    assert (secret / "weights").read_text() == "theirs"


# --- disk ----------------------------------------------------------------------------------------


def test_outputs_past_the_limit_end_their_arm_while_it_runs_and_name_the_limit(ran):
    code = (
        "with open('/out/big', 'wb', buffering=0) as file:\n"
        "    while True:\n        file.write(bytes(1 << 20))\n"
    )
    began = time.monotonic()
    outcome, _, _ = ran(code, disk_bytes=64 * MIB, memory_bytes=128 * MIB)
    assert time.monotonic() - began < 30
    assert (outcome.status, outcome.exit_code) == ("out_of_disk", 137)
    assert outcome.message == (
        "its outputs took more than the limit of 64 MiB; raise resources.disk_gib or write less"
    )


SLEEP = "import time; time.sleep(600)\n"


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        ("open('/out/hole', 'wb').truncate(4 << 30)\n", "more than the limit of 64 MiB"),
        (
            "import os\n"
            "file = open('/out/gone', 'wb', buffering=0)\n"
            "os.unlink('/out/gone')\n"
            "for _ in range(96):\n    file.write(bytes(1 << 20))\n",
            "more than the limit of 64 MiB",
        ),
        (
            "import os\nfor number in range(3001):\n    os.mknod(f'/out/{number}')\n",
            "more than 3,000 files and folders",
        ),
    ],
    ids=["a hole", "a file without a name", "too many files"],
)
def test_no_way_leads_round_the_limit_of_the_disk(ran, monkeypatch, hostile, said):
    monkeypatch.setattr(usage, "MOST_FILES", 3000)  # to be kind to the machine
    outcome, _, out = ran(hostile + SLEEP, disk_bytes=64 * MIB)
    subprocess.run(["find", str(out), "-mindepth", "1", "-delete"], check=True)
    assert outcome.status == "out_of_disk"
    assert said in outcome.message


def test_an_arm_that_ends_before_anyone_looks_is_past_the_limit_all_the_same(ran):
    code = "open('/out/hole', 'wb').truncate(4 << 30)\n"
    outcome, _, _ = ran(code + COMPLETE, disk_bytes=64 * MIB)
    assert (outcome.status, outcome.exit_code) == ("out_of_disk", 0)


# --- logs ----------------------------------------------------------------------------------------


def test_a_flood_on_the_console_is_cut_in_the_middle_and_other_arms_limits_hold(
    engine, make_launch
):
    flood = (
        "import os, time\n"
        "os.write(1, b'first\\n')\n"
        "block, said = b'flood ' * 10_000, 0\n"
        "while said < 200_000_000:\n    said += os.write(1, block)\n"
        "os.write(1, b'\\nlast %d' % said)\n"
    )
    noisy = make_launch(flood + COMPLETE, name="noisy")
    quiet = make_launch(SLEEP, name="quiet", timeout_s=1.0)
    handles = [engine.start(noisy), engine.start(quiet)]
    outcomes, slowest = {}, 0.0
    while len(outcomes) < 2:
        for handle in handles:
            began = time.monotonic()
            outcome = engine.poll(handle)
            slowest = max(slowest, time.monotonic() - began)
            if outcome is not None:
                outcomes[handle.name] = outcome
    began = time.monotonic()
    for handle in handles:
        engine.stop(handle)
    assert max(slowest, time.monotonic() - began) < 20
    assert outcomes["quiet"].status == "timed_out"
    assert outcomes["quiet"].ended_at - outcomes["quiet"].started_at < 20
    assert outcomes["noisy"].status == "succeeded"
    log = noisy.log_path.read_bytes()
    assert len(log) <= LARGEST
    assert log.startswith(b"first\nflood flood ")
    assert log.endswith(b"flood \nlast %d" % 200_040_000)
    (note,) = outcomes["noisy"].notes
    left_out = re.fullmatch(r"([\d,]+) bytes in the middle of its console log .* kept", note)[1]
    mark = f"\n[phasehub: {left_out} bytes of this log are left out here]\n".encode()
    written = len(b"first\n") + 200_040_000 + len(b"\nlast 200040000")
    assert len(log) - len(mark) == written - int(left_out.replace(",", ""))
    assert log.count(mark) == 1


def test_limits_hold_while_nobody_polls(engine, client, make_launch):
    """A runner that is busy with something else, as with the files of another arm."""
    handles = [
        engine.start(make_launch(SLEEP, name="sleeps", timeout_s=1.0)),
        engine.start(
            make_launch("open('/out/x', 'wb').truncate(1 << 40)\n" + SLEEP, name="writes")
        ),
    ]
    deadline = time.monotonic() + 30
    while any(client.containers.get(h.id).status in ("created", "running") for h in handles):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [engine.poll(handle).status for handle in handles] == ["timed_out", "out_of_disk"]
    for handle in handles:
        engine.stop(handle)


# --- what lies in /out ---------------------------------------------------------------------------


def fate(launch, outcome, folder):
    """What is said of an arm once its outputs were collected."""
    if outcome.status != "succeeded":
        return outcome.status, outcome.message
    found = collect(launch.out_dir, folder, experiment="train", job_sha256="0" * 64)
    return "collected", found.describe()


ODD = {
    "device": "import os; os.mknod('/out/disk', 0o60666, os.makedev(8, 0))\n",
    "result_fifo": "import os; os.mkfifo('/out/result.json')\n",
    "result_folder": "import os; os.mkdir('/out/result.json')\n",
    "result_zeros": "import os; os.symlink('/dev/zero', '/out/result.json')\n",
    "result_huge": "open('/out/result.json', 'wb').truncate(200 << 20)\n",
    "result_nan": "open('/out/result.json', 'w').write('{\"schema_version\": NaN}')\n",
    "result_deep": "open('/out/result.json', 'w').write('[' * 100_000)\n",
    "result_digits": "open('/out/result.json', 'w').write('{\"a\": 1' + '0' * 5000 + '}')\n",
    "result_outside": (
        "import json\n"
        "file = {'path': '../../../etc/passwd', 'sha256': '0' * 64, 'bytes': 1,\n"
        "        'deterministic': True}\n"
        "result = {'schema_version': 1, 'experiment': 'train', 'job_sha256': '0' * 64,\n"
        "          'files': [file]}\n"
        "json.dump(result, open('/out/result.json', 'w'))\n"
    ),
    "names": (
        "import json, os\n"
        "for name in (b'a\\nb', b'\\x1b[2J', b'\\xe2\\x80\\xae', b'\\xff\\xfe', b'x' * 255):\n"
        "    open(b'/out/' + name, 'w').close()\n"
        "os.makedirs('/out/' + '/'.join('d' * 100))\n"
        "os.symlink('/etc/passwd', '/out/link')\n"
        "result = {'schema_version': 1, 'experiment': 'train', 'job_sha256': '0' * 64,\n"
        "          'files': []}\n"
        "json.dump(result, open('/out/result.json', 'w'))\n"
    ),
}
SAID = {
    "device": ("failed", "PermissionError: [Errno 1] Operation not permitted"),
    "result_fifo": ("failed", "result.json is not a regular file"),
    "result_folder": ("failed", "result.json is not a regular file"),
    "result_zeros": ("failed", "result.json is not a regular file"),
    "result_huge": ("collected", "result.json is larger than"),
    "result_nan": ("collected", "holds NaN, which JSON does not have"),
    "result_deep": ("collected", "is nested more than 64 levels deep"),
    "result_digits": ("collected", "holds an integer of more than 20 digits"),
    "result_outside": ("collected", "does not stay inside its folder"),
    "names": ("collected", "has a control character or a backslash"),
}


def test_whatever_lies_among_the_outputs_is_a_failure_of_its_own_arm_in_words(
    engine, make_launch, tmp_path
):
    launches = {name: make_launch(code, name=name) for name, code in ODD.items()}
    handles = {name: engine.start(launch) for name, launch in launches.items()}
    outcomes = {}
    for name, handle in handles.items():
        while (outcome := engine.poll(handle)) is None:
            time.sleep(0.05)
        engine.stop(handle)
        outcomes[name] = outcome
    for name, outcome in outcomes.items():
        status, told = fate(launches[name], outcome, tmp_path / "hub" / name)
        assert status == SAID[name][0], (name, told)
        assert SAID[name][1] in told, (name, told)
        assert told.isprintable()
        assert len(told) < 5000
    assert not [
        path
        for path in (tmp_path / "hub").rglob("*")
        if path.name != "result.json" and path.is_file()
    ]
