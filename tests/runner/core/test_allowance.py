"""What cgroups grant, of both versions, as the kernel's files say it."""

import os

import psutil
import pytest

from runner.core.allowance import allowance

MIB = 2**20


def lay(mount, files):
    for name, text in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(text)


V2 = {
    "job/inner/cpu.max": "150000 100000\n",
    "job/inner/memory.max": "max\n",
    "job/cpu.max": "max 100000\n",
    "job/memory.max": f"{300 * MIB}\n",
    "job/memory.current": f"{200 * MIB}\n",
    "job/memory.stat": f"anon 1\ninactive_file {50 * MIB}\n",
}
V1 = {
    "cpu/job/cpu.cfs_quota_us": "100000\n",
    "cpu/job/cpu.cfs_period_us": "100000\n",
    "memory/job/memory.limit_in_bytes": f"{300 * MIB}\n",
    "memory/job/memory.usage_in_bytes": f"{200 * MIB}\n",
    "memory/job/memory.stat": f"inactive_file 3\ntotal_inactive_file {50 * MIB}\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/memory.usage_in_bytes": "1\n",
}


@pytest.mark.parametrize(
    ("member", "files"),
    [("0::/job/inner\n", V2), ("4:memory:/job\n3:cpu,cpuacct:/job\n0::/\n", V1)],
    ids=["v2", "v1"],
)
def test_the_least_of_all_limits_above_us_holds(tmp_path, member, files):
    lay(tmp_path / "mount", files)
    (tmp_path / "member").write_text(member)
    found = allowance(tmp_path / "member", tmp_path / "mount")
    assert (found.cores, found.memory_bytes, found.free_bytes) == (1, 300 * MIB, 150 * MIB)


@pytest.mark.parametrize("member", [None, "0::/\n", "0::/gone\n"])
def test_without_limits_it_is_the_machine(tmp_path, member):
    lay(tmp_path / "mount", {"cpu.max": "max 100000\n", "memory.max": "max\n"})
    if member is not None:
        (tmp_path / "member").write_text(member)
    found = allowance(tmp_path / "member", tmp_path / "mount")
    assert found.cores == len(os.sched_getaffinity(0))
    assert found.memory_bytes == psutil.virtual_memory().total
