import pytest

from runner.hub.records.arm import ArmRecord, Execution, RuleRecord
from runner.manifest.follow_ups import Step
from runner.phase.conditions import judge_condition, not_judged


def arm(name, *, collapsed=False, holds=True, status="succeeded"):
    rule = RuleRecord(rule="not collapsed", measured=collapsed, margin=None, holds=holds)
    return ArmRecord(
        name=name,
        status=status,
        seed=1,
        parameters={},
        execution=Execution(device="cpu", threads=1),
        command=("python",),
        collapsed=collapsed,
        rules=(rule,),
    )


def judged(when, *arms):
    found = judge_condition(when, arms)
    return found.held, found.basis, found.arms


FLAT, SOUND = arm("flat", collapsed=True, holds=False), arm("sound")
FAILED = arm("failed", collapsed=None, holds=None, status="failed")


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        ([FLAT], (True, "1 of 1 arm collapsed", ("flat",))),
        ([FLAT, SOUND], (False, "1 of 2 arms collapsed", ("flat",))),
        ([FLAT, FAILED], (False, "1 of 2 arms collapsed, 1 left no result", ("flat",))),
        ([], (False, "0 of 0 arms collapsed", ())),
    ],
)
def test_every_arm_has_to_collapse_and_a_failed_one_has_not(arms, expected):
    assert judged("every_arm_collapses", *arms) == expected


def test_one_collapse_is_enough_where_any_will_do():
    assert judged("an_arm_collapses", SOUND, FLAT) == (True, "1 of 2 arms collapsed", ("flat",))
    assert judged("an_arm_collapses", SOUND) == (False, "0 of 1 arm collapsed", ())


def test_an_arm_misses_success_if_a_rule_does_not_hold_or_cannot_be_measured_or_it_failed():
    unmeasured = arm("unmeasured", holds=None)
    differs = arm("differs", status="configuration_differs")
    assert judged("an_arm_misses_success", SOUND, unmeasured, FLAT, differs, FAILED) == (
        True,
        "4 of 5 arms missed the success rules",
        ("unmeasured", "flat", "differs", "failed"),
    )
    assert judged("an_arm_misses_success", SOUND)[0] is False


def test_a_step_whose_turn_never_came_was_not_judged():
    step = Step(name="all", when="an_arm_collapses", capture=("activations",))
    record = not_judged(step)
    assert (record.held, record.basis) == (None, "the run ended before its turn")
    assert (record.name, record.when, record.capture) == (
        "all",
        "an_arm_collapses",
        ("activations",),
    )
