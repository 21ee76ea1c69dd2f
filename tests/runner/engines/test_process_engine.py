"""The process engine: the hostile list as far as it promises, and what survives a dead runner."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from runner.core.errors import EngineError, EngineLostError
from runner.engines import processes, supervisor
from runner.engines.base import PROMISES, Handle, Launch, Limits, Outcome
from runner.engines.process import ProcessEngine
from runner.jobs.progress import PlainDisplay
from runner.jobs.session import Session, cleaned_up

ROOT = Path(__file__).parents[3]
MIB = 1 << 20
COMPLETE = "import sys; open(sys.argv[2] + '/result.json', 'w').write('{}')\n"
"""The last line of a job that says it is complete; its arguments are ``{job}`` and ``{out}``."""
WAIT = "import os, sys, time\nwhile not os.path.exists(sys.argv[2] + '/go'): time.sleep(.005)\n"


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source" / "models").mkdir(parents=True)
    (tmp_path / "source" / "models" / "__init__.py").write_text("MARK = 'copied'\n")
    return tmp_path / "source"


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "lock.txt"
    path.write_text(f"no-such-package==1.0 --hash=sha256:{'0' * 64}\n")
    return path


@pytest.fixture
def engine(source, lock):
    return ProcessEngine(Path(sys.executable), source=source, lock=lock, given=True)


@pytest.fixture
def run_id():
    return uuid.uuid4().hex


@pytest.fixture
def make_launch(tmp_path, run_id):
    """A launch that runs Python code in fresh folders; none of its processes outlives the test."""

    def make(code, *, name="arm", command=None, gpu_ids=(), data=None, environment=None, **bounds):
        folder = tmp_path / name
        for part in ("job", "out"):
            (folder / part).mkdir(parents=True)
        (folder / "job" / "job.json").write_text('{"schema_version": 1}')
        limits = {
            "timeout_s": 60.0,
            "memory_bytes": 512 * MIB,
            "pids": 64,
            "shm_bytes": MIB,
            "tmp_bytes": MIB,
            "disk_bytes": 256 * MIB,
            "threads": 1,
        }
        return Launch(
            name=name,
            command=command or ("python", "-c", code, "{job}", "{out}"),
            job_dir=folder / "job",
            data_dir=data,
            out_dir=folder / "out",
            log_path=folder / "console.log",
            environment={"ARM": name} | (environment or {}),
            limits=Limits(**(limits | bounds)),
            gpu_ids=gpu_ids,
            labels={"run": run_id},
        )

    yield make
    assert processes_below(tmp_path) == []


def processes_below(folder):
    """Command lines of the processes that were started for a job in a folder."""
    found = [" ".join(words) for _, words in processes.command_lines()]
    return [line for line in found if str(folder) in line and "pytest" not in line.split()[0]]


def wait_for(condition, what, at_most_s=30):
    deadline = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.005)


def finish(engine, handle):
    try:
        wait_for(lambda: engine.poll(handle), "the job's end", at_most_s=60)
        return engine.poll(handle)
    finally:
        engine.stop(handle)


@pytest.fixture
def ran(engine, make_launch):
    """Run code: its outcome, its console, its output folder."""

    def run(code, **options):
        launch = make_launch(code, **options)
        outcome = finish(engine, engine.start(launch))
        return outcome, launch.log_path.read_text(), launch.out_dir

    return run


def test_an_arm_that_keeps_the_contract_succeeds_and_leaves_only_what_it_wrote(ran):
    outcome, log, out = ran(f"print('ready')\n{COMPLETE}")
    assert (outcome.status, outcome.exit_code, outcome.message) == ("succeeded", 0, "")
    assert log == "ready\n"
    assert [p.name for p in out.iterdir()] == ["result.json"]
    assert sorted(p.name for p in out.parent.iterdir()) == ["console.log", "job", "out"]


def test_a_job_finds_its_inputs_beside_its_job_file(ran, tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "train.npz").write_text("photons")
    code = (
        "import os, sys\n"
        "folder = sys.argv[1]\n"
        "print(os.listdir(folder), open(folder + '/../data/train.npz').read())\n"
        "print(open(os.path.normpath(folder + '/../data/train.npz')).read())\n"
    )
    outcome, log, _ = ran(code + COMPLETE, data=tmp_path / "dataset")
    assert outcome.status == "succeeded"
    assert log == "['job.json'] photons\nphotons\n"


def test_a_job_that_scribbles_over_its_job_file_changes_a_copy(ran, tmp_path):
    outcome, _, _ = ran("import sys; open(sys.argv[1] + '/job.json', 'w')\n" + COMPLETE)
    assert outcome.status == "succeeded"
    assert (tmp_path / "arm" / "job" / "job.json").read_text() == '{"schema_version": 1}'


def test_models_come_from_the_copied_source(ran, source):
    outcome, log, _ = ran("import models; print(models.MARK, models.__file__)\n" + COMPLETE)
    assert outcome.status == "succeeded"
    assert log == f"copied {source}/models/__init__.py\n"


def test_nothing_of_the_caller_s_environment_reaches_a_job(ran, monkeypatch):
    monkeypatch.setenv("A_TOKEN", "secret")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    outcome, log, _ = ran("import os; print(*sorted(os.environ))\n" + COMPLETE)
    assert outcome.status == "succeeded"
    assert set(log.split()) - {"LC_CTYPE"} == {
        *("ARM", "CUDA_VISIBLE_DEVICES", "HOME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE"),
        *("PYTHONPATH", "PYTHONUNBUFFERED", "TMPDIR"),
    }


def test_a_job_s_home_tmp_and_working_folder_are_its_own_and_vanish(ran, tmp_path):
    code = "import os, tempfile; print(os.getcwd(), os.environ['HOME'], tempfile.mkdtemp())\n"
    _, log, out = ran(code + COMPLETE)
    for place in log.split():
        assert place.startswith(f"{out}.process/tmp")
        assert not Path(place).exists()


def test_a_job_sees_the_gpus_it_was_given_and_no_other(ran):
    code = "import os; print(repr(os.environ['CUDA_VISIBLE_DEVICES']))\n" + COMPLETE
    assert ran(code)[1] == "''\n"
    assert ran(code, name="two", gpu_ids=("GPU-1", "GPU-2"))[1] == "'GPU-1,GPU-2'\n"


def test_exit_status_1_is_a_failure_even_with_a_result(ran):
    outcome, _, _ = ran(COMPLETE + "raise SystemExit(1)")
    assert (outcome.status, outcome.exit_code) == ("failed", 1)
    assert outcome.message == "exit status 1; the log is empty"


def test_a_crash_names_its_signal_and_the_end_of_its_log(ran):
    outcome, _, _ = ran("import os; print('last words', flush=True); os.abort()")
    assert (outcome.status, outcome.exit_code) == ("failed", 134)
    assert outcome.message == "exit status 134 (SIGABRT); the log ends with: last words"


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ("pass", "there is no result.json: the job ended before it was complete"),
        ("import sys; open(sys.argv[2] + '/result.json', 'w')", "result.json is empty"),
        (
            "import os, sys; os.symlink('/etc/hostname', sys.argv[2] + '/result.json')",
            "result.json is not a regular file",
        ),
    ],
)
def test_exit_status_0_without_a_real_result_is_a_failure(ran, left, said):
    outcome, _, _ = ran(left)
    assert (outcome.status, outcome.exit_code) == ("failed", 0)
    assert outcome.message == f"exit status 0, but {said}"


def test_a_command_that_is_not_there_is_a_failure_that_names_it(ran):
    outcome, log, _ = ran("", command=("no-such-program",))
    assert (outcome.status, outcome.exit_code) == ("failed", 127)
    assert log == "no-such-program: No such file or directory\n"


def test_a_command_that_no_system_could_run_is_a_failure_that_says_why(ran):
    outcome, log, _ = ran("", command=("python", "-c", "a\0b"))
    assert (outcome.status, outcome.exit_code) == ("failed", 127)
    assert log.endswith(": embedded null byte\n")


def test_memory_past_the_limit_is_named_with_the_limit(ran):
    code = "import time; held = bytearray(400 << 20); time.sleep(600)\n"
    outcome, _, _ = ran(code, memory_bytes=128 * MIB)
    assert (outcome.status, outcome.exit_code) == ("out_of_memory", 137)
    assert outcome.ended_by == "memory"
    assert outcome.message == (
        "killed for memory: limit 128 MiB; raise resources.memory_gib or lower train.batch_size"
    )


def test_memory_of_all_descendants_counts(ran):
    code = (
        "import subprocess, sys, time\n"
        "hold = 'import time; held = bytearray(60 << 20); time.sleep(600)'\n"
        "for _ in range(3): subprocess.Popen([sys.executable, '-c', hold])\n"
        "time.sleep(600)\n"
    )
    outcome, _, _ = ran(code, memory_bytes=128 * MIB)
    assert outcome.status == "out_of_memory"


def test_memory_that_processes_share_counts_once(ran):
    code = (
        "import os, time\n"
        "held = bytearray(100 << 20)\n"
        "children = []\n"
        "for _ in range(4):\n"
        "    if (pid := os.fork()) == 0:\n        time.sleep(.6); os._exit(0)\n"
        "    children.append(pid)\n"
        "for pid in children: os.waitpid(pid, 0)\n"
    )
    outcome, log, _ = ran(code + COMPLETE, memory_bytes=256 * MIB)
    assert outcome.status == "succeeded", log


def test_a_job_that_refuses_to_be_asked_is_killed_at_its_time_limit_with_all_it_started(
    ran, tmp_path
):
    code = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('asleep', flush=True)\n"
        f"sleep = [sys.executable, '-c', 'import time; time.sleep(600)', {str(tmp_path)!r}]\n"
        "subprocess.Popen(sleep)\n"
        "subprocess.Popen(sleep, start_new_session=True)\n"
        "if os.fork() == 0:\n"  # an orphan in a session of its own
        "    os.setsid()\n"
        "    if os.fork() == 0: time.sleep(600)\n"
        "    os._exit(0)\n"
        "time.sleep(600)\n"
    )
    outcome, log, _ = ran(code, timeout_s=1.0)
    assert (outcome.status, outcome.ended_by) == ("timed_out", "time")
    assert outcome.message.startswith("stopped at its time limit of 1 s; raise resources.timeout_s")
    assert log == "asleep\n"
    assert processes_below(tmp_path) == []


def test_outputs_past_the_limit_end_their_job_and_name_the_limit(ran):
    code = "import sys, time; open(sys.argv[2] + '/hole', 'wb').truncate(1 << 40)\n"
    outcome, _, _ = ran(code + "time.sleep(600)\n", disk_bytes=64 * MIB)
    assert (outcome.status, outcome.exit_code) == ("out_of_disk", 137)
    assert outcome.message == (
        "its outputs took more than the limit of 64 MiB; raise resources.disk_gib or write less"
    )
    outcome, _, _ = ran(code + COMPLETE, name="quick", disk_bytes=64 * MIB)
    assert outcome.status == "out_of_disk", "whether it ended before anybody looked, or not"


def test_a_removed_file_that_a_job_holds_open_counts(ran):
    code = (
        "import os, sys, time\n"
        "file = open(sys.argv[2] + '/gone', 'wb')\n"
        "os.unlink(file.name)\n"
        "file.truncate(1 << 40)\n"
        "time.sleep(600)\n"
    )
    assert ran(code, disk_bytes=64 * MIB)[0].status == "out_of_disk"


def test_a_flood_on_the_console_is_cut_in_the_middle(ran):
    code = (
        "import os\nfor n in range(600):\n    os.write(1, b'%05d ' % n + b'x' * 65_529 + b'\\n')\n"
    )
    outcome, log, _ = ran(code + COMPLETE)
    assert outcome.status == "succeeded"
    (note,) = outcome.notes
    left_out = note.partition(" ")[0]
    mark = f"\n[phasehub: {left_out} bytes of this log are left out here]\n"
    head, _, end = log.partition(mark)
    assert head.startswith("00000 x")
    assert end.splitlines()[-1].startswith("00599 x")
    assert len(head) + len(end) + int(left_out.replace(",", "")) == 600 * 65_536


@pytest.mark.parametrize(
    "written", ["", "[", '{"exit_code": 0}', '{"killed_for": 7}', "[" * 100_000, "/dev/zero"]
)
def test_a_job_that_writes_its_own_end_deceives_itself_alone(engine, make_launch, written):
    launch = make_launch(WAIT)
    handle = engine.start(launch)
    record = launch.out_dir.with_name("out.process") / supervisor.RECORD
    if written == "/dev/zero":
        record.symlink_to(written)
    else:
        record.write_text(written)
    outcome = engine.poll(handle)
    engine.stop(handle)
    assert outcome.status == "interrupted"
    assert "its supervisor left ended.json" in outcome.message


def test_what_a_job_leaves_running_ends_with_it(ran, tmp_path):
    code = (
        "import subprocess, sys\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(600)', sys.argv[2]]\n"
        "subprocess.Popen(sleep, start_new_session=True)\n"
    )
    outcome, _, _ = ran(code + COMPLETE)
    assert outcome.status == "succeeded"
    assert processes_below(tmp_path) == []


def test_a_job_that_kills_its_process_group_does_not_reach_its_supervisor(ran):
    outcome, _, _ = ran("import os, signal; os.killpg(0, signal.SIGKILL)")
    assert (outcome.status, outcome.exit_code) == ("failed", 137)


def test_a_job_that_others_kill_is_told_apart_from_one_past_a_limit(engine, make_launch, tmp_path):
    handle = engine.start(make_launch(WAIT))
    wait_for(lambda: len(processes_below(tmp_path)) == 2, "supervisor and job")
    (job,) = supervisor.descendants(processes.pid_of(handle.id))
    os.kill(job, signal.SIGKILL)
    wait_for(lambda: engine.poll(handle), "the end")
    outcome = engine.poll(handle)
    assert (outcome.status, outcome.ended_by) == ("failed", "signal")
    assert outcome.message.startswith("exit status 137 (SIGKILL), which phasehub did not send: ")
    engine.stop(handle)


def test_a_clock_that_was_set_meanwhile_is_a_note_and_ends_nothing(engine, make_launch):
    """The job is real; the clock of the machine is not set, but the handle tells another one."""
    started = engine.start(make_launch("", timeout_s=600.0))
    wait_for(lambda: engine.poll(started), "the end")
    assert engine.poll(started).notes == ()
    for earlier_s, way in ((3600.0, "forward"), (-3600.0, "back")):
        handle = dataclasses.replace(started, started_at=started.started_at - earlier_s)
        outcome = engine.poll(handle)
        assert outcome.ended_by == "itself"
        (note,) = outcome.notes
        assert note.startswith(f"the machine's clock was set {way} by 3,600 s since it began")
    engine.stop(started)


def test_the_log_has_both_streams_as_they_came_and_can_be_read_meanwhile(engine, make_launch):
    code = (
        "import sys\n"
        "sys.stdout.write('\\r1\\r2'); sys.stdout.flush()\n"
        "sys.stderr.buffer.write(b'caf\\xe9\\n'); sys.stderr.flush()\n"
    )
    launch = make_launch(code + WAIT)
    handle = engine.start(launch)
    wait_for(lambda: launch.log_path.read_bytes() == b"\r1\r2caf\xe9\n", "the console")
    assert engine.poll(handle) is None
    engine.stop(handle)


LEAVES_A_LAST_WORD = """
import signal, sys, time
def leave(number, frame):
    open(sys.argv[2] + '/last', 'w').close()
    sys.exit(143)
signal.signal(signal.SIGTERM, leave)
open(sys.argv[2] + '/partial', 'w').close()
time.sleep(600)
"""


@pytest.mark.parametrize(("stop_s", "left"), [(20.0, ["last", "partial"]), (0.0, ["partial"])])
def test_a_job_that_has_time_for_it_is_asked_before_it_is_killed(engine, make_launch, stop_s, left):
    launch = make_launch(LEAVES_A_LAST_WORD, stop_s=stop_s)
    handle = engine.start(launch)
    wait_for((launch.out_dir / "partial").exists, "the partial output")
    engine.stop(handle)
    assert sorted(path.name for path in launch.out_dir.iterdir()) == left


def test_a_job_that_does_not_listen_is_killed_all_the_same(engine, make_launch, tmp_path):
    code = "import signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    launch = make_launch(code + "open(sys.argv[2] + '/partial', 'w')\n" + WAIT, stop_s=0.1)
    handle = engine.start(launch)
    wait_for((launch.out_dir / "partial").exists, "the partial output")
    engine.stop(handle)
    assert processes_below(tmp_path) == []


def test_a_stopped_job_leaves_its_outputs_and_no_process(engine, make_launch, tmp_path):
    launch = make_launch("import sys; open(sys.argv[2] + '/partial', 'w')\n" + WAIT)
    handle = engine.start(launch)
    wait_for((launch.out_dir / "partial").exists, "the partial output")
    engine.stop(handle)
    engine.stop(handle)
    assert processes_below(tmp_path) == []
    assert sorted(p.name for p in launch.out_dir.parent.iterdir()) == ["console.log", "job", "out"]
    assert engine.poll(handle).status == "interrupted"
    assert not engine.adopt(handle)


def test_a_folder_that_was_used_is_refused_and_the_job_in_it_goes_on(engine, make_launch):
    launch = make_launch(WAIT + COMPLETE)
    handle = engine.start(launch)
    with pytest.raises(EngineError, match="was used before"):
        engine.start(launch)
    (launch.out_dir / "go").touch()
    assert finish(engine, handle).status == "succeeded"


def test_leftovers_of_a_run_are_stopped_by_its_label_and_others_are_not(
    engine, make_launch, run_id, tmp_path
):
    handle = engine.start(make_launch(WAIT, name="lost"))
    assert engine.remove_leftovers("another run") == []
    assert engine.poll(handle) is None
    assert engine.remove_leftovers(run_id) == ["out"]
    assert processes_below(tmp_path) == []
    assert engine.remove_leftovers(run_id) == []


START_AND_DIE = """
import json, os, sys
from pathlib import Path
from runner.engines.base import Launch, Limits
from runner.engines.process import ProcessEngine
from runner.jobs.progress import PlainDisplay
from runner.jobs.session import Session, cleaned_up

told = json.loads(sys.stdin.read())
for key in ("job_dir", "out_dir", "log_path"):
    told["launch"][key] = Path(told["launch"][key])
launch = Launch(**(told["launch"] | {"limits": Limits(**told["launch"]["limits"])}))
places = {key: Path(told[key]) for key in ("python", "source", "lock")}
engine = ProcessEngine(places.pop("python"), given=True, **places)
print(json.dumps(vars(engine.start(launch))), flush=True)
os._exit(9)
"""


@pytest.fixture
def start_in_a_runner_that_dies(source, lock):
    def start(launch):
        told = {
            "python": sys.executable,
            "source": source,
            "lock": lock,
            "launch": vars(launch) | {"limits": vars(launch.limits)},
        }
        died = subprocess.run(
            [sys.executable, "-c", START_AND_DIE],
            input=json.dumps(told, default=str),
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert died.returncode == 9, died.stderr
        return Handle(**json.loads(died.stdout))

    return start


def test_a_job_outlives_its_runner_and_another_runner_takes_over(
    engine, make_launch, start_in_a_runner_that_dies
):
    launch = make_launch(WAIT + "print('after')\n" + COMPLETE)
    handle = start_in_a_runner_that_dies(launch)
    assert engine.adopt(handle)
    assert engine.poll(handle) is None
    (launch.out_dir / "go").touch()
    assert finish(engine, handle).status == "succeeded"
    assert launch.log_path.read_text() == "after\n"


def test_limits_hold_while_no_runner_lives(engine, make_launch, start_in_a_runner_that_dies):
    handle = start_in_a_runner_that_dies(make_launch(WAIT, timeout_s=0.2))
    wait_for(lambda: not processes.runs(handle.id), "the supervisor's end")
    assert engine.adopt(handle)
    assert finish(engine, handle).status == "timed_out"


def test_another_runner_can_stop_an_adopted_job(
    engine, make_launch, start_in_a_runner_that_dies, tmp_path
):
    handle = start_in_a_runner_that_dies(make_launch(WAIT))
    assert processes_below(tmp_path)
    engine.stop(handle)
    assert processes_below(tmp_path) == []


def test_another_process_with_the_same_id_is_not_taken_for_the_job(engine, make_launch):
    launch = make_launch(WAIT)
    handle = engine.start(launch)
    engine.stop(handle)
    mine = processes.identity(os.getpid())
    reused = f"{processes.pid_of(mine)}:{int(mine.split(':')[1]) - 1}"
    stale = Handle(**(vars(handle) | {"id": reused}))
    assert not engine.adopt(stale)
    engine.stop(stale)  # would end this very test
    assert processes.runs(mine)


def test_the_end_of_a_job_is_waited_for_and_not_a_time(
    engine, make_launch, start_in_a_runner_that_dies
):
    """Beside one that goes on. Where nothing told of the end, this would take an hour."""
    others = engine.start(make_launch(WAIT, name="other"))
    adopted = start_in_a_runner_that_dies(make_launch(WAIT))
    for handle in (engine.start(make_launch(COMPLETE, name="quick")), adopted):
        Path(handle.out_dir, "go").touch()
        engine.wait([others, handle], 3600)
        assert engine.poll(handle) is not None
        engine.wait([others, handle], 3600)  # at once: it has ended before
    assert engine.poll(others) is None
    for handle in (others, adopted):
        engine.stop(handle)


def test_a_supervisor_that_is_killed_takes_its_job_along_and_is_reported(
    engine, make_launch, tmp_path
):
    handle = engine.start(make_launch(WAIT))
    wait_for(lambda: len(processes_below(tmp_path)) == 2, "supervisor and job")
    os.kill(processes.pid_of(handle.id), signal.SIGKILL)
    wait_for(lambda: engine.poll(handle), "the report")
    assert engine.poll(handle).status == "interrupted"
    assert engine.poll(handle).ended_by == "supervisor"
    assert "supervisor was killed" in engine.poll(handle).message
    wait_for(lambda: processes_below(tmp_path) == [], "the job's end")
    engine.stop(handle)


def test_a_stuck_supervisor_is_killed_with_its_job(engine, make_launch, tmp_path, monkeypatch):
    monkeypatch.setattr("runner.engines.process.STOP_S", 0.1)
    handle = engine.start(make_launch(WAIT))
    wait_for(lambda: len(processes_below(tmp_path)) == 2, "supervisor and job")
    os.kill(processes.pid_of(handle.id), signal.SIGSTOP)
    engine.stop(handle)
    wait_for(lambda: processes_below(tmp_path) == [], "the end of both")


def test_what_is_not_promised_is_said(engine, ran):
    """A job reaches the network and the host's files: the facts must not say otherwise."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)\n"
        outcome, log, _ = ran(code + COMPLETE)
        assert outcome.status == "succeeded", log
    facts = engine.describe()
    assert not engine.isolated
    assert json.loads(json.dumps(facts)) == facts
    assert {"network", "files", "pids", "capabilities", "swap", "system_calls"} == set(
        facts["not_enforced"]
    )
    assert set(facts["enforced"]) == PROMISES - set(facts["not_enforced"])
    assert any(note.startswith("network: ") for note in facts["notes"])


def test_an_environment_that_is_not_the_lock_s_is_described_with_what_differs(engine):
    facts = engine.describe()
    assert facts["environment_is_locked"] is False
    assert facts["differences"] == ["no-such-package: locked 1.0, not installed"]
    assert facts["interpreter"] == sys.executable
    assert len(facts["packages_sha256"]) == 64


def test_an_interpreter_that_does_not_run_is_an_error_with_the_remedy(source, lock, tmp_path):
    for path in (tmp_path / "nowhere", Path("/bin/false")):
        engine = ProcessEngine(path, source=source, lock=lock, given=True)
        with pytest.raises(EngineError, match="does not run as a Python interpreter"):
            engine.check()


def test_descendants_are_found_through_every_generation():
    sleep = "import time; print('up', flush=True); time.sleep(600)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleep!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"up\n"
        (grandchild,) = supervisor.descendants(child.pid)
        assert {child.pid, grandchild} <= set(supervisor.descendants(os.getpid()))
        for pid in (grandchild, child.pid):
            os.kill(pid, signal.SIGKILL)


# --- clocks --------------------------------------------------------------------------------------


def test_a_supervisor_that_was_frozen_is_ended_soon_after_its_job_s_time_limit(
    engine, make_launch, tmp_path, monkeypatch
):
    monkeypatch.setattr("runner.engines.process.GRACE_S", 0)
    monkeypatch.setattr("runner.engines.process.STOP_S", 0.1)
    handle = engine.start(make_launch(WAIT))
    wait_for(lambda: len(processes_below(tmp_path)) == 2, "supervisor and job")
    os.kill(processes.pid_of(handle.id), signal.SIGSTOP)
    assert engine.poll(handle) is None
    outcome = engine.poll(dataclasses.replace(handle, timeout_s=0.0))
    assert outcome.status == "timed_out"
    wait_for(lambda: processes_below(tmp_path) == [], "the end of both")
    engine.stop(handle)


def test_a_clock_that_is_set_forward_ends_no_job_early(engine, make_launch):
    started = engine.start(make_launch(WAIT))
    an_hour_ago = dataclasses.replace(started, started_at=started.started_at - 3600)
    assert an_hour_ago.elapsed_s < 3000
    assert engine.poll(an_hour_ago) is None
    engine.stop(started)


def test_after_another_start_of_the_machine_the_date_is_all_there_is(engine, make_launch):
    started = engine.start(make_launch(WAIT))
    engine.stop(started)
    before = dataclasses.replace(started, boot_id="another", began_s=1e9)
    an_hour_ago = dataclasses.replace(before, started_at=before.started_at - 3600)
    in_an_hour = dataclasses.replace(before, started_at=before.started_at + 3600)
    assert an_hour_ago.elapsed_s >= 3600
    assert in_an_hour.elapsed_s == 0


def test_no_end_comes_before_its_start():
    times = {"started_at": 2000.0, "ended_at": 1000.0}
    assert Outcome(status="failed", exit_code=1, message="", **times).ended_at == 2000.0


def test_leftovers_to_spare_go_on(engine, make_launch, run_id):
    spared, other = engine.start(make_launch(WAIT)), engine.start(make_launch(WAIT, name="two"))
    assert engine.remove_leftovers(run_id, [spared.id]) == ["out"]
    assert (engine.poll(spared), engine.adopt(spared)) == (None, True)
    assert not engine.adopt(other)
    engine.stop(spared)


# --- what a session leaves behind ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "resumable", "goes_on"),
    [
        (None, True, False),
        (EngineError("no room"), True, False),
        (EngineLostError("no answer"), True, True),
        (EngineLostError("no answer"), False, False),
    ],
)
def test_a_job_outlives_its_session_only_where_another_process_can_take_it_over(
    engine, make_launch, run_id, error, resumable, goes_on
):
    session = Session(engine=engine, shown=PlainDisplay(), run_id=run_id, resumable=resumable)
    with suppress(EngineError), cleaned_up(session):
        handle = engine.start(make_launch("import time; time.sleep(600)\n"))
        if error is not None:
            raise error
    assert processes.runs(handle.id) is goes_on
    engine.stop(handle)
