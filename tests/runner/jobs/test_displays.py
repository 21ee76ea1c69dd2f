"""What is seen while jobs run: lines that fit a terminal, and a summary a minute in a log."""

import re

import pytest

from runner.jobs.events import Stage, Started, StepDone, UnitDone
from runner.jobs.job_progress import JobProgress
from runner.jobs.live import LEVELS, lines, sparks
from runner.jobs.overall import Overall
from runner.jobs.progress import PlainDisplay
from runner.manifest.model import load
from runner.plan.make import make_plan
from tests.runner.conftest import TINY

WIDTH = 80


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def arms(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    known = make_plan(load(path)).arms[0]
    return [known.model_copy(update={"name": f"arm{n}", "steps": 1000}) for n in range(40)]


def fitting(name, step, pace=10.0, units=20):
    job = JobProgress(name, 1000)
    job.update(Started(event="started", epochs=20, steps_per_epoch=50))
    job.update(Stage(event="stage", stage="fit"))
    for number in range(units):
        job.update(
            UnitDone(event="epoch", epoch=number, train_loss=1 / (1 + number), val_loss=0.5,
                     learning_rate=1e-3, steps_per_s=pace)
        )  # fmt: skip
    job.update(StepDone(event="step", step=step - 1, steps_per_s=pace))
    return job


def text_of(jobs, overall):
    return [line.plain for line in lines(jobs, overall, WIDTH)]


def test_no_line_is_wider_than_the_terminal_and_each_says_who_how_far_and_how_long(arms):
    overall = Overall(arms, waiting={arm.name for arm in arms[12:]})
    jobs = [fitting("x" * 60, 500), fitting("short", 250, units=5)]
    *of_jobs, last = text_of(jobs, overall)
    assert all(len(line) < WIDTH for line in (*of_jobs, last))
    assert re.fullmatch(r"x+…  ━+ +20/20  0:00:50 left  [▁-█]+  train.*", of_jobs[0])
    assert of_jobs[1].split()[:1] == ["short"]
    assert "5/20" in of_jobs[1]
    assert last.startswith("12/40 arms")


def test_no_bar_stands_there_full():
    job = fitting("one", 999)
    assert "━" in text_of([job], None)[0]
    job.update(StepDone(event="step", step=999, steps_per_s=10.0))
    assert "━" not in text_of([job], None)[0]
    job.update(Stage(event="stage", stage="evaluate"))
    assert "evaluate" in text_of([job], None)[0]


def test_a_curve_is_drawn_between_its_least_and_its_greatest():
    assert sparks([8, 7, 6, 5, 4, 3, 2, 1]) == LEVELS[::-1]
    assert sparks([2, 2, 2]) == LEVELS[0] * 3
    assert sparks([-1.7e308, 1.7e308]) == LEVELS[0] + LEVELS[-1]


def test_the_time_left_is_that_of_all_arms_by_the_pace_of_those_that_run(arms):
    names = {arm.name for arm in arms[36:]}
    overall = Overall(arms, waiting=names)
    assert overall.seconds_left() > 0, "by the formula alone"
    for arm in arms[36:38]:
        overall.begin(fitting(arm.name, 500))
    # Two have half of 100 s before them, and two, which are like them, the whole.
    assert overall.seconds_left() == pytest.approx((50 + 50 + 100 + 100) / 2)
    assert overall.text() == "36/40 arms, about 0:02:30 left"
    overall.end(fitting(arms[36].name, 1000))
    assert overall.ended == 37
    overall.begin(JobProgress(arms[36].name, 1000))
    assert overall.ended == 36, "an arm that is run again has not ended"
    overall.begin(JobProgress("arm1.audit", None))
    overall.end(JobProgress("arm1.audit", None))
    assert overall.ended == 36


def test_arms_of_which_nothing_is_known_are_held_to_be_like_those_that_ended(arms):
    clock = Clock()
    own = [arm.model_copy(update={"steps": None}) for arm in arms[:3]]
    overall = Overall(own, waiting={arm.name for arm in own}, now=clock)
    assert overall.text() == "0/3 arms"
    overall.begin(JobProgress("arm0", None))
    clock.now_s += 30
    overall.end(JobProgress("arm0", None))
    assert overall.text() == "1/3 arms, about 0:01:00 left"


def test_a_log_has_times_and_a_summary_every_minute_while_something_runs(arms, capsys):
    clock = Clock()
    display = PlainDisplay(clock)
    display.expect(Overall(arms, waiting={"arm38", "arm39"}))
    clock.now_s = 100
    display.tick()
    display.begin(fitting("arm38", 500))
    for clock.now_s in range(130, 311, 10):
        display.tick()
    display.end(fitting("arm38", 1000), "arm38: finished after 9 s")
    clock.now_s = 500
    display.tick()
    said = capsys.readouterr().err.splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ "
    assert all(re.match(stamp, line) for line in said)
    assert [re.sub(stamp, "", line) for line in said] == [
        "arm38: started",
        *["38/40 arms, about 0:02:30 left; arm38 (epoch 20/20)"] * 4,
        "arm38: finished after 9 s",
    ]
