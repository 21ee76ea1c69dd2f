"""Conditional steps as a manifest declares them."""

import pytest

from runner.core.errors import ManifestError
from runner.manifest.follow_ups import Step
from runner.manifest.model import load
from runner.plan.make import make_plan
from runner.report.plan_text import render_plan

PHASE = """\
schema_version = 1
[phase]
name = "steps"
title = "A phase"
question = "Why?"
seed = 7
[verdict]
success = ["not collapsed"]
[[arms]]
name = "one"
[[steps]]
name = "gradients"
when = "every_arm_collapses"
capture = ["gradient_histograms"]
[[steps]]
name = "failures"
when = "an_arm_misses_success"
capture = ["activations", "gradient_histograms"]
checkpoint = "last"
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "steps.toml"
        path.write_text(text)
        return load(path)

    return read


def mistake(read, old, new):
    assert PHASE.count(old) == 1
    with pytest.raises(ManifestError) as caught:
        read(PHASE.replace(old, new))
    return str(caught.value).split("steps.toml:", 1)[1]


def test_steps_are_planned_as_they_are_declared(read):
    assert make_plan(read(PHASE)).steps == (
        Step(
            name="gradients",
            when="every_arm_collapses",
            capture=("gradient_histograms",),
            checkpoint="at_collapse",
        ),
        Step(
            name="failures",
            when="an_arm_misses_success",
            capture=("activations", "gradient_histograms"),
            checkpoint="last",
        ),
    )


def test_the_plan_shows_each_step_with_its_condition(read):
    blocks = render_plan(make_plan(read(PHASE))).split("\n\n")
    rows = next(b for b in blocks if b.startswith("Steps after the arms")).split("\n")[1:]
    assert [row.split() for row in rows] == [
        ["step", "when", "capture", "checkpoint"],
        ["gradients", "every_arm_collapses", "gradient_histograms", "at_collapse"],
        ["failures", "an_arm_misses_success", "activations,", "gradient_histograms", "last"],
    ]


def test_two_steps_of_one_name_are_refused(read):
    assert mistake(read, 'name = "failures"', 'name = "gradients"') == (
        "16: steps[1].name: got 'gradients', the name of the step on line 12 already; rename one "
        'of them\n    16 | name = "gradients"'
    )


def test_a_step_for_arms_that_miss_rules_needs_rules(read):
    assert mistake(read, 'success = ["not collapsed"]', "success = []") == (
        "17: steps[1].when: got 'an_arm_misses_success', but verdict.success has no rules that an "
        "arm could miss; give rules, or wait for a collapse\n"
        '    17 | when = "an_arm_misses_success"'
    )


def test_an_unknown_condition_is_answered_with_the_known_ones(read):
    told = mistake(read, '"every_arm_collapses"', '"all_arms_collapse"')
    assert told.startswith("13: steps[0].when: got 'all_arms_collapse'; ")
    for condition in ("every_arm_collapses", "an_arm_collapses", "an_arm_misses_success"):
        assert condition in told


def test_a_step_captures_something_and_nothing_twice(read):
    assert "expected at least 1 of them" in mistake(
        read, 'capture = ["gradient_histograms"]', "capture = []"
    )
    twice = '["activations", "activations"]'
    assert "a capture is named twice; name each once" in mistake(
        read, '["activations", "gradient_histograms"]', twice
    )
