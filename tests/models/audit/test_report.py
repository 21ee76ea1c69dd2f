from __future__ import annotations

import math

import pytest

from models.audit.report import Check, silent


def compared(derived, twin, found):
    check = Check(name="loss", declared="mae")
    check.measured("batch", derived, twin, found, 1e-4)
    return check.verdict


@pytest.mark.parametrize(
    ("derived", "twin", "found", "verdict"),
    [
        (1.0, 1.0, 1.0, "agrees"),
        (1.0, 1.0, 1.1, "differs"),
        (1.0, 1.001, 1.01, "agrees"),
        (6e39, math.inf, math.inf, "not comparable"),
        (6e39, math.nan, None, "not comparable"),
        (math.nan, math.nan, math.nan, "not comparable"),
        (1.0, 1.0, math.nan, "differs"),
        (6e39, math.inf, 3.0, "differs"),
        (math.nan, math.nan, 3.0, "differs"),
    ],
)
def test_what_overflows_on_both_sides_is_no_agreement(derived, twin, found, verdict):
    assert compared(derived, twin, found) == verdict


INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("derived", "found", "verdict"),
    [
        (NAN, NAN, "agrees"),
        (None, None, "agrees"),
        (NAN, None, "agrees"),  # as JSON has it
        (INF, INF, "agrees"),
        (-INF, -INF, "agrees"),
        (INF, -INF, "not comparable"),
        (NAN, INF, "not comparable"),
        (INF, None, "not comparable"),
        (NAN, 3.0, "differs"),
        (INF, 3.0, "differs"),
        (None, 3.0, "differs"),
        (3.0, NAN, "differs"),
        (3.0, None, "differs"),
        (3.0, INF, "differs"),
        (NAN, "missing", "differs"),
        (None, "missing", "differs"),
        (INF, [], "differs"),
    ],
)
def test_what_is_not_finite_agrees_with_its_like_alone(derived, found, verdict):
    check = Check(name="scores", declared="by definition")
    check.close("amp_mae", derived, found, 1e-4)
    assert check.verdict == verdict
    assert check.compared + check.not_comparable == 1


def of_step(number, **values):
    """The checks of an Adam's step whose gradient had ``values``; the count of steps is right."""
    loss, update = (
        Check(name=f"step {number}: {name}", declared="") for name in ("loss", "update")
    )
    loss.measured("batch", values["derived"], values["twin"], values["found"], 1e-4)
    update.equal("weight: steps", number + 1, number + 1)
    return [loss, update]


FINITE = {"derived": 1.0, "twin": 1.0, "found": 1.0}
OVERFLOWED = {"derived": 6e39, "twin": INF, "found": INF}


def test_a_window_in_which_only_steps_could_be_counted_says_nothing():
    checks = [*of_step(0, **FINITE), *of_step(7, **OVERFLOWED), *of_step(8, **OVERFLOWED)]
    assert not silent(range(1), checks)
    assert silent(range(7, 9), checks)
    assert not silent(range(7, 9), [*checks[:-2], *of_step(8, **FINITE)])


def test_a_window_in_which_something_is_missing_is_not_silent():
    checks = of_step(7, **OVERFLOWED)
    checks[1].problems.append("weight is gone after the step")
    assert not silent(range(7, 8), checks)


def test_a_check_that_compared_nothing_differs():
    assert Check(name="loss", declared="mae").verdict == "differs"


def test_a_check_tells_how_much_could_not_be_compared():
    check = Check(name="loss", declared="mae")
    check.equal("epochs", 2, 2)
    check.measured("batch", math.inf, math.inf, None, 1e-4)
    assert check.verdict == "agrees"
    assert check.table()["compared"] == check.table()["not_comparable"] == 1
