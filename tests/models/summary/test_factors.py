"""The knobs of a matrix: pooled over the others and within each of their settings."""

import json

import pytest

from models.config.summary import Summary
from models.summary.factors import dead_decoders, summarise_factors
from tests.models.summary.conftest import group

GROUPS = (
    ("none", 2e-3, 5, 0),
    ("instance", 2e-3, 5, 0),
    ("none", 2e-2, 1, 4),
    ("instance", 2e-2, 5, 0),
)


def matrix(groups=GROUPS):
    knobs = [{"norm": norm, "rate": rate} for norm, rate, *_ in groups]
    place = {"phase": "p", "hub": "p/1"}
    tables = [
        {**place, "name": str(i), "label": str(i), "arms": [], "knobs": each}
        for i, each in enumerate(knobs)
    ]
    factors = [
        {
            **place,
            "knob": "norm",
            "others": ["rate"],
            "values": ["none", "instance"],
            "strata": [[0, 1], [2, 3]],
        },
        {
            **place,
            "knob": "rate",
            "others": ["norm"],
            "values": [2e-3, 2e-2],
            "strata": [[0, 2], [1, 3]],
        },
    ]
    table = {"groups": tables, "pairs": [], "factors": factors}
    summary = Summary.model_validate_json(json.dumps(table))
    return summary, [group(str(i), sound, flat) for i, (_, _, sound, flat) in enumerate(groups)]


def test_a_knob_is_pooled_over_all_others():
    norm, rate = summarise_factors(*matrix())
    assert [(v["value"], v["num_collapsed"], v["num_arms"]) for v in norm["values"]] == [
        ("none", 4, 10),
        ("instance", 0, 10),
    ]
    assert [(v["value"], v["num_collapsed"]) for v in rate["values"]] == [(2e-3, 0), (2e-2, 4)]
    # Fisher's p of the only setting in which the counts could differ; mixed, it would be 0.0867.
    assert norm["p_value"] == pytest.approx(0.0476190476)
    assert norm["words"] == (
        "norm: none: 4 of 10 collapsed, instance: 0 of 10 collapsed; no evidence that the rate "
        "depends on it (exact stratified test, p = 0.0476, adjusted for 2 comparisons 0.0714); a "
        "hint at most: among so many comparisons such a result can be chance"
    )


def test_a_knob_is_looked_at_within_each_setting_of_the_others():
    norm, _ = summarise_factors(*matrix())
    low, high = norm["strata"]
    assert (low["others"], high["others"]) == ({"rate": 2e-3}, {"rate": 2e-2})
    assert low["p_value"] == 1.0
    assert high["p_value"] == pytest.approx(0.0476190476)
    assert [v["num_collapsed"] for v in high["values"]] == [4, 0]


def test_a_value_without_arms_that_count_is_not_tested():
    summary, groups = matrix([(n, r, 0, 0) if n == "none" else (n, r, 5, 0) for n, r, *_ in GROUPS])
    norm, _ = summarise_factors(summary, groups)
    assert norm["p_value"] is None
    assert norm["values"][0]["collapse_rate"] is None
    assert norm["words"].endswith("no test was made")


def test_dead_decoders_are_set_against_collapse():
    share = "decoder_share_not_positive"
    dead = group("dead", 0, 2).runs
    sound = group("sound", 3, **{share: 0.5})
    flat = [type(run)(**vars(run) | {"stats": {**run.stats, share: 0.99}}) for run in dead]
    (found,) = dead_decoders([sound, type(sound)(label="dead", runs=tuple(flat))])
    assert found == {
        "statistic": share,
        "collapsed": {"n": 2, "min": 0.99, "max": 0.99},
        "not_collapsed": {"n": 3, "min": 0.5, "max": 0.5},
        "probability_above": 1.0,
    }
    assert dead_decoders([group("sound", 3)]) == []
    assert dead_decoders([sound])[0]["probability_above"] is None
