"""Which engine runs: asked for, or chosen and said; and how an ended job is worded."""

import subprocess
import sys
from pathlib import Path

import pytest

from runner.core.errors import EngineError
from runner.engines import Needs, open_engine
from runner.engines.base import Handle
from runner.engines.ending import Ending, conclude, last_line
from runner.engines.images.snapshot import take
from runner.engines.kinds import ENGINES, KINDS, EngineName
from runner.engines.leftovers import FINDERS

ROOT = Path(__file__).parents[3]


@pytest.fixture
def told():
    return []


@pytest.fixture
def needs(tmp_path, told):
    state = tmp_path / "state"
    return Needs(
        variant="cpu",
        cache=state,
        say=told.append,
        code=take(ROOT, state),
        python=Path(sys.executable),
    )


def test_an_unknown_engine_is_refused_with_the_names_that_there_are(needs):
    with pytest.raises(EngineError, match="no engine 'pbs'; choose auto, docker, process, slurm"):
        open_engine("pbs", needs)


def test_an_interpreter_that_is_named_is_used_by_processes_and_said(needs, told):
    engine = open_engine("auto", needs)
    assert engine.name == "process"
    assert told[0] == "Engine: process, not isolated, as --python asks for"
    assert engine.describe()["environment_is_locked"] == (len(told) == 1)


def test_an_interpreter_cannot_be_named_for_containers(needs):
    with pytest.raises(EngineError, match="--python is for --engine process"):
        open_engine("docker", needs)


def test_without_a_daemon_processes_run_and_it_is_said_once_and_clearly(
    needs, told, monkeypatch, tmp_path
):
    from runner.engines import choose

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    without = Needs(variant="cpu", cache=needs.cache, say=told.append, code=needs.code)
    assert choose("auto", python=without.python, say=without.say) == "process"
    (line,) = told
    assert line.startswith("Engine: process; arms are NOT isolated from this machine (no Docker")


def test_docker_that_was_asked_for_and_is_not_there_is_an_error(needs, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with pytest.raises(EngineError, match="no Docker daemon answers"):
        open_engine("docker", Needs(variant="cpu", cache=needs.cache, say=print, code=needs.code))


@pytest.mark.parametrize(
    ("imported", "unwanted"),
    [
        ("runner.engines", {"docker", "requests", "filelock"}),
        ("runner.engines.process", {"docker", "requests", "torch", "numpy"}),
        ("runner.engines.images.build", {"docker", "requests", "torch", "numpy"}),
    ],
)
def test_the_docker_sdk_is_imported_by_the_docker_engine_alone(imported, unwanted):
    code = f"import sys, {imported}; print(*{{name.split('.')[0] for name in sys.modules}})"
    names = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert imported.split(".")[0] in names
    assert not unwanted & set(names)


def test_every_engine_that_there_is_can_be_asked_for_and_opened():
    from importlib import import_module

    from runner.cli import options

    folder = ROOT / "runner" / "engines"
    there = {path.stem for path in folder.glob("*.py") if "def open_engine(" in path.read_text()}
    assert there - {"__init__"} == set(ENGINES)
    for name in ENGINES:
        module = import_module(f"runner.engines.{name}")
        assert callable(module.open_engine)
        assert hasattr(module, "has_gpus") is KINDS[name].elsewhere
    assert options.EngineName is EngineName
    assert set(KINDS) == set(FINDERS) == set(ENGINES)


def test_an_engine_that_is_not_known_to_isolate_gets_no_foreign_code():
    from runner.engines.cluster.use import QueueUse
    from runner.jobs.sites import contains_jobs
    from runner.verify.trust import Consent, code_reasons

    def reasons(engine):
        contained = contains_jobs(engine, QueueUse())
        return code_reasons(
            ["its code"], engine=engine, asked="auto", consent=Consent(), contained=contained
        )

    for engine in {*ENGINES, "new"} - {"docker"}:
        assert reasons(engine)
    assert not reasons("docker")


@pytest.fixture
def handle(tmp_path):
    (tmp_path / "out").mkdir()
    return Handle(
        engine="process",
        id="1:1",
        name="arm",
        log_path=str(tmp_path / "console.log"),
        out_dir=str(tmp_path / "out"),
        started_at=1.0,
        timeout_s=7200.0,
        disk_bytes=4 << 30,
    )


def ended(handle, exit_code=0, killed_for=None, memory_bytes=8 << 30):
    return conclude(
        handle,
        Ending(
            exit_code=exit_code,
            killed_for=killed_for,
            memory_bytes=memory_bytes,
            started_at=1.5,
            ended_at=4.0,
        ),
    )


def test_a_result_is_what_makes_a_success(handle):
    assert ended(handle).status == "failed"
    (Path(handle.out_dir) / "result.json").write_text("{}")
    outcome = ended(handle)
    assert (outcome.status, outcome.started_at, outcome.ended_at) == ("succeeded", 1.5, 4.0)
    assert ended(handle, exit_code=1).status == "failed"


def test_a_kill_is_worded_by_its_reason_and_limit(handle):
    (Path(handle.out_dir) / "result.json").write_text("{}")
    assert ended(handle, 137, "memory").message == (
        "killed for memory: limit 8.0 GiB; raise resources.memory_gib or lower train.batch_size"
    )
    assert ended(handle, 137, "time").message == (
        "stopped at its time limit of 7200 s; raise resources.timeout_s or lower train.epochs"
    )
    assert ended(handle, 143, "stop").status == "interrupted"


def test_a_crash_ends_with_what_the_job_said_last(handle):
    Path(handle.log_path).write_bytes(b"epoch 1\r\repoch 2\nValueError: x \xff\n\n")
    outcome = ended(handle, exit_code=1)
    assert outcome.message == "exit status 1; the log ends with: ValueError: x \ufffd"
    assert ended(handle, exit_code=139).message.startswith("exit status 139 (SIGSEGV); ")
    assert ended(handle, exit_code=255).message.startswith("exit status 255 (signal 127); ")


def test_a_kill_that_may_have_been_for_memory_names_the_limit(handle):
    ending = Ending(
        exit_code=137, killed_for=None, memory_bytes=64 << 20, started_at=1.5, ended_at=4.0
    )
    untold = ending.model_copy(update={"memory_is_told": False})
    limit = "its limit of 64 MiB (resources.memory_gib) was reached or"
    assert limit not in conclude(handle, ending).message
    assert f"the kernel as {limit} the whole machine" in conclude(handle, untold).message


@pytest.mark.parametrize(
    ("log", "last"),
    [
        (b"", ""),
        (b"\n\r\n", ""),
        (b"10%\r20%\r30%", "30%"),
        (b"x" * 9000 + b"\nend\n", "end"),
        (b"y" * 9000, "y" * 300),
    ],
)
def test_the_last_line_is_the_last_that_says_something(tmp_path, log, last):
    (tmp_path / "console.log").write_bytes(log)
    assert last_line(tmp_path / "console.log") == last


def test_a_log_that_is_not_there_says_nothing(tmp_path):
    assert last_line(tmp_path / "nowhere") == ""
