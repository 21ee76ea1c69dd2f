"""GPUs: what the driver lists, what this process may use, and one lock for each."""

import os
import pwd
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from runner.core.errors import EngineError
from runner.core.locks import place
from runner.engines.gpus import Gpu, available, parse, reserve, visible

ROOT = Path(__file__).parents[3]
LISTING = (
    "GPU-6a1e4ef1-0000-4000-8000-000000000001, NVIDIA GeForce RTX 3090, 24576 MiB, 550.54.14\n"
    "GPU-9b2f5fa2-0000-4000-8000-000000000002, NVIDIA H200, 143771 MiB, 550.54.14\n"
)
FIRST, SECOND = (line.split(",")[0] for line in LISTING.splitlines())


def test_a_listing_names_every_gpu_with_its_memory_and_driver():
    first, second = parse(LISTING)
    assert first == Gpu(
        id=FIRST, name="NVIDIA GeForce RTX 3090", memory_bytes=24 << 30, driver="550.54.14"
    )
    assert (second.id, second.memory_bytes) == (SECOND, 143771 << 20)
    assert parse("") == []


def test_memory_that_the_driver_does_not_tell_is_none():
    (gpu,) = parse("GPU-1, NVIDIA GB10, [N/A], 580.1\n")
    assert gpu.memory_bytes is None


@pytest.mark.parametrize("line", ["GPU-1, NVIDIA", "0, NVIDIA, 1 MiB, 5", "Unable to talk to it"])
def test_a_line_of_another_form_is_refused(line):
    with pytest.raises(EngineError, match=r"expected uuid, name, memory\.total, driver_version"):
        parse(LISTING + line)


@pytest.mark.parametrize(
    ("setting", "ids"),
    [
        (None, [FIRST, SECOND]),
        ("", []),
        ("1", [SECOND]),
        ("1, 0", [SECOND, FIRST]),
        ("GPU-9b2f", [SECOND]),
        ("0,7,1", [FIRST]),
        ("-1", []),
        ("GPU-", []),
        ("NoDevFiles", []),
    ],
)
def test_what_cuda_may_not_see_is_not_available(setting, ids):
    assert [gpu.id for gpu in visible(parse(LISTING), setting)] == ids


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """An ``nvidia-smi`` that does what a shell script says, and no other on PATH."""

    def install(script):
        program = tmp_path / "bin" / "nvidia-smi"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return install


def test_the_driver_is_asked_for_what_is_parsed(driver):
    driver(
        'test "$*" = "--query-gpu=uuid,name,memory.total,driver_version --format=csv,noheader" '
        f"|| exit 64\ncat <<'END'\n{LISTING}END"
    )
    assert [gpu.id for gpu in available()] == [FIRST, SECOND]


def test_a_machine_without_driver_has_no_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert available() == []


def test_a_driver_without_devices_has_no_gpu(driver):
    driver("echo No devices were found; exit 6")
    assert available() == []


def test_a_broken_driver_is_an_error_and_not_the_absence_of_a_gpu(driver):
    driver("echo Driver/library version mismatch >&2; exit 18")
    with pytest.raises(EngineError, match=r"version mismatch\. Check the driver, .*--device cpu"):
        available()


def test_a_gpu_that_is_held_is_not_given_again(tmp_path):
    with reserve([FIRST, SECOND], tmp_path) as held:
        assert held == (FIRST, SECOND)
        with (
            pytest.raises(EngineError, match=r"every GPU of this machine \(1\) is held"),
            reserve([FIRST], tmp_path),
        ):
            pass
    with reserve([FIRST, SECOND], tmp_path) as held:
        assert held == (FIRST, SECOND)


def test_no_gpu_asked_for_is_none_held(tmp_path):
    with reserve([], tmp_path) as held:
        assert held == ()


HOLD = """
import sys
from pathlib import Path
from runner.engines.gpus import reserve
with reserve([sys.argv[1]], Path(sys.argv[2])):
    print('held', flush=True)
    sys.stdin.read()
"""


def test_another_runner_gets_the_gpus_that_are_left_and_a_lock_dies_with_its_holder(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, FIRST, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with reserve([FIRST, SECOND], tmp_path) as held:
            assert held == (SECOND,)
        other.kill()
        other.wait()
    with reserve([FIRST, SECOND], tmp_path) as held:
        assert held == (FIRST, SECOND)


def test_the_locks_of_the_machine_follow_no_variable(tmp_path, monkeypatch):
    for name in ("TMPDIR", "HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    name = f"GPU-{uuid.uuid4()}"
    folder, home = place().folder, pwd.getpwuid(os.getuid()).pw_dir
    assert folder in (Path("/run/lock"), Path(home, ".cache", "phasehub", "locks"))
    held = folder / f"phasehub-{name}.lock"
    try:
        with reserve([name]):
            assert held.stat().st_mode & 0o7777 == 0o644
            with (
                pytest.raises(EngineError, match="is held by another runner"),
                reserve([name]),
            ):
                pass
    finally:
        held.unlink()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.gpu
def test_this_machine_s_gpus_are_listed():
    gpus = available()
    if not gpus:
        pytest.skip("no GPU")
    assert all(gpu.id.startswith("GPU-") and gpu.memory_bytes for gpu in gpus)
