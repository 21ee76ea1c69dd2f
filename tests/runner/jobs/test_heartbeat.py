"""An arm that says nothing for too long has ended; one that nobody could hear has not."""

import dataclasses

import pytest

from runner.engines.base import Handle
from runner.jobs.heartbeat import MOST_AT_A_LOOK_S, Heartbeat
from runner.manifest.model import load
from runner.plan.make import make_plan
from runner.plan.other_jobs import arm_audit_job
from tests.runner.conftest import TINY

HANDLE = Handle(
    engine="process", id="1:1", name="one", log_path="", out_dir="", started_at=0.0,
    timeout_s=1.0, disk_bytes=1,
)  # fmt: skip


@dataclasses.dataclass
class Clock:
    now_s: float = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY.replace("threads = 1", "threads = 1\nsilent_for_min = 0.5"))
    return make_plan(load(path))


def test_an_arm_ends_that_wrote_nothing_for_so_long_and_says_so(plan):
    clock = Clock()
    heartbeat = Heartbeat(plan.arms[0], clock)
    for second in range(100):
        clock.now_s += 1
        heartbeat.listen(heard=second < 60)
        ended = heartbeat.end(HANDLE)
        assert (ended is not None) == (second >= 89)
    assert ended.status == "silent"
    assert ended.message.startswith("no sign of life for 0.5 min")


def test_time_in_which_nobody_listened_is_no_silence(plan):
    clock = Clock()
    heartbeat = Heartbeat(plan.arms[0], clock)
    clock.now_s += 3600
    heartbeat.listen(heard=False)
    assert heartbeat.end(HANDLE) is None
    for _ in range(int(30 // MOST_AT_A_LOOK_S)):
        clock.now_s += MOST_AT_A_LOOK_S
        heartbeat.listen(heard=False)
    assert heartbeat.end(HANDLE) is not None


def test_jobs_beside_the_arms_may_be_silent_and_so_may_arms_by_default(plan, tmp_path):
    assert [arm.resources.silent_for_min for arm in plan.arms] == [0.5] * len(plan.arms)
    beside = [*plan.datasets, arm_audit_job(plan.arms[0], ("start",))]
    (tmp_path / "tiny.toml").write_text(TINY)
    default = make_plan(load(tmp_path / "tiny.toml"))
    assert "silent_for_min" not in str(default.model_dump(mode="json"))
    for job in (*beside, *default.arms):
        clock = Clock()
        heartbeat = Heartbeat(job, clock)
        clock.now_s += 5
        heartbeat.listen(heard=False)
        heartbeat._silent_s = 1e9
        assert heartbeat.end(HANDLE) is None
