from __future__ import annotations

import math

import pytest

from models.audit.report import Check


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


def test_a_check_that_compared_nothing_differs():
    assert Check(name="loss", declared="mae").verdict == "differs"


def test_a_check_tells_how_much_could_not_be_compared():
    check = Check(name="loss", declared="mae")
    check.equal("epochs", 2, 2)
    check.measured("batch", math.inf, math.inf, None, 1e-4)
    assert check.verdict == "agrees"
    assert check.table()["compared"] == check.table()["not_comparable"] == 1
