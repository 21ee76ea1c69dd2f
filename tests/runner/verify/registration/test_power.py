"""What a phase can answer follows from its numbers of runs, before any is made."""

from types import SimpleNamespace

import pytest

from models.config import Parameters
from runner.hub.records.registered import as_registered
from runner.manifest.findings import Finding
from runner.verify.registration.power import (
    knob_designs,
    registered_designs,
    registration_mismatches,
)
from runner.verify.statistics import Statistics

ARCHITECTURES = ("hybrid", "stable_hybrid")
NORM = "model.decoder_norm"


def registered(name="NORM-1", *, n=20, architectures=ARCHITECTURES, **changed):
    contrasts = tuple(
        {
            "arms": {"model.architecture": one, NORM: "instance"},
            "against": {"model.architecture": one, NORM: "none"},
            "expect": "lower",
        }
        for one in architectures
    )
    table = {
        "phase": "phase1", "date": "2026-01-01", "measure": "flat", "seeds": tuple(range(n)),
        "n": n, "contrasts": contrasts,
    }  # fmt: skip
    return as_registered(
        Finding(id=name, date="2026-01-01", claim="c", basis="b", registration=table | changed)
    )


def planned(n=20):
    return [
        SimpleNamespace(
            name=f"{architecture}-{norm}-{seed}",
            seed=seed,
            parameters=Parameters.model_validate(
                {"model": {"architecture": architecture, "decoder_norm": norm}}
            ).model_dump(mode="json"),
        )
        for architecture in ARCHITECTURES
        for norm in ("none", "instance")
        for seed in range(n)
    ]


def powers(design):
    return [round(power, 3) for _, power in design.powers]


def test_twenty_seeds_can_answer_and_are_told_their_power():
    one, other = registered_designs([registered()], planned())
    assert one.can_answer
    assert one.runs == (20, 20)
    assert one.best == pytest.approx(2 * 2 * 0.5**40)
    assert powers(one) == powers(other) == [1.0, 0.949]


def test_a_stated_effect_takes_the_place_of_the_usual_ones():
    (one,) = registered_designs(
        [registered(n=10, effects=((0.6, 0.0),), architectures=["hybrid"], alpha=0.025)],
        planned(10),
    )
    assert powers(one) == [0.834]


def test_too_few_seeds_cannot_answer():
    for design in registered_designs([registered(n=3)], planned(3)):
        assert design.best == pytest.approx(2 * 0.03125)
        assert not design.can_answer
        assert powers(design) == [0.0, 0.0]


def told_of(arms, *, profile=None, set_knobs=None):
    facts = {"phase": "phase1", "profile": profile, "set_knobs": set_knobs or {}}
    return list(registration_mismatches([registered()], arms=arms, **facts))


def test_what_is_planned_counts_and_not_what_is_registered():
    one, _ = registered_designs([registered()], planned(3))
    assert one.runs == (3, 3)
    assert not one.can_answer
    assert any("without the registered seeds" in told for told in told_of(planned(3)))


def test_a_cell_that_is_not_planned_cannot_answer():
    arms = [arm for arm in planned() if arm.parameters["model"]["decoder_norm"] == "none"]
    for design in registered_designs([registered()], arms):
        assert (design.best, design.can_answer, design.powers) == (None, False, ())


def test_more_registered_contrasts_make_each_harder():
    alone, _ = registered_designs([registered(n=4)], planned(4))
    among, *_ = registered_designs(
        [registered(n=4), registered("NORM-2", n=4), registered("NORM-3", n=4)], planned(4)
    )
    assert alone.best == pytest.approx(2 * 2 * 0.5**8)
    assert among.best == pytest.approx(6 * 2 * 0.5**8)
    assert alone.can_answer
    alone, _ = registered_designs([registered(n=10)], planned(10))
    among, *_ = registered_designs([registered(n=10), registered("NORM-2", n=10)], planned(10))
    assert (powers(alone)[0], powers(among)[0]) == (0.834, 0.633)


def test_one_sided_looks_on_the_side_that_is_expected():
    one, _ = registered_designs([registered(n=4, sides="one-sided")], planned(4))
    assert one.best == pytest.approx(2 * 0.5**8)
    assert powers(one)[0] > 0.1


def test_a_plan_as_registered_departs_in_nothing():
    assert told_of(planned()) == []
    told = told_of(planned(), profile="quick")
    assert told == ["this run does not count for NORM-1: it is of phase1, profile quick"]


def test_a_plan_over_which_knobs_are_set_does_not_count():
    (told,) = told_of(planned(), set_knobs={"train.epochs": 3})
    assert told == (
        "this run does not count for NORM-1: it was run with --set train.epochs=3, and not as the "
        "manifest is written"
    )


# --- comparisons that nobody registered ----------------------------------------------------------


def statistics(pairs):
    """Comparisons of groups of so many runs, each with the knobs that differ."""
    rows = [
        {
            "groups": ["a", "b"], "places": [0, 1], "knobs": list(knobs),
            "controlled": len(knobs) == 1, "metrics": {},
            "collapse": {
                "arms": list(runs), "collapsed": [0, 0], "difference": None, "odds_ratio": None,
                "p_value": None, "p_adjusted": None, "smallest_p_possible": None,
                "evidence": False, "words": "",
            },
        }
        for knobs, runs in pairs
    ]  # fmt: skip
    return Statistics.model_validate({
        "schema_version": 1, "confidence": 0.95, "seed": 1, "methods": {}, "groups": [],
        "num_comparisons": len(rows), "comparisons": rows, "factors": [], "dead_decoders": [],
        "notes": [],
    })  # fmt: skip


def cube(n):
    return statistics([((knob,), (n, n)) for knob in "abc" for _ in range(4)])


def test_five_seeds_in_twelve_comparisons_could_not_have_given_evidence():
    for design in knob_designs(cube(5)):
        assert design.best == pytest.approx(0.0739, abs=5e-5)
        assert not design.can_answer
        assert powers(design) == [0.0, 0.0]


def test_six_seeds_could():
    assert all(design.can_answer for design in knob_designs(cube(6)))


def test_power_of_comparisons_is_what_seventeen_and_thirty_seeds_take():
    for n, place in ((17, 0), (30, 1)):
        before, enough = (powers(knob_designs(cube(size))[0])[place] for size in (n - 1, n))
        assert before < 0.8 <= enough


def test_pairs_that_differ_in_several_knobs_count_among_the_comparisons_alone():
    (design,) = knob_designs(statistics([(("a",), (5, 5)), (("a", "b"), (5, 5))]))
    assert (design.knob, design.num_pairs, design.num_comparisons) == ("a", 1, 2)


def test_pairs_without_arms_that_count_are_no_comparisons():
    (design,) = knob_designs(statistics([(("a",), (5, 5)), (("b",), (0, 5))]))
    assert design.num_comparisons == 1
    assert knob_designs(statistics([])) == ()
