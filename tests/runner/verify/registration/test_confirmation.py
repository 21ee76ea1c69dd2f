"""A hub confirms only what was registered before it began, and only if it ran just that."""

import itertools

import pytest

from models.config import Parameters
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord, Execution
from runner.hub.records.registered import RegisteredFinding, as_registered
from runner.manifest.findings import Finding
from runner.verify.registration.confirmation import confirm
from runner.verify.registration.registered_runs import counts
from runner.verify.sealed_hub import NamedHub

SEEDS = tuple(range(101, 111))
NORM = "model.decoder_norm"
ARCHITECTURES = ("hybrid", "stable_hybrid")


def contrast(architecture, expect="lower"):
    both = {"model.architecture": architecture}
    return {"arms": both | {NORM: "instance"}, "against": both | {NORM: "none"}, "expect": expect}


def registration(**changed):
    return {
        "phase": "phase8", "date": "2026-01-01", "measure": "flat", "level": "read back",
        "seeds": SEEDS, "n": len(SEEDS), "setting": {"train.learning_rate": 2e-2},
        "contrasts": tuple(map(contrast, ARCHITECTURES)),
    } | changed  # fmt: skip


def finding(name="NORM-1", claim="It helps.", **changed):
    return as_registered(
        Finding(
            id=name,
            date="2026-01-01",
            claim=claim,
            basis="Why.",
            registration=registration(**changed),
        )
    )


FINDING = finding()


def parameters(architecture, norm, **tables):
    model = {"architecture": architecture, "decoder_norm": norm}
    given = {"model": model, "train": {"learning_rate": 2e-2}} | tables
    return Parameters.model_validate(given).model_dump(mode="json")


def arm(architecture, norm, seed, *, flat=False, **changed):
    facts = {
        "name": f"{architecture}-{norm}-s{seed}", "status": "succeeded", "seed": seed,
        "parameters": parameters(architecture, norm),
        "execution": Execution(device="cpu", threads=1),
        "command": ("python", "-m", "models", "train", "--job", "{job}/job.json", "--out", "{out}"),
        "stats": {"collapse_kind": "flat" if flat else None}, "collapsed": flat,
    }  # fmt: skip
    return ArmRecord(**(facts | changed))


def grid(flat=(6, 6), seeds=SEEDS):
    """All cells; the first ``flat`` seeds of each architecture without the norm end flat."""
    return tuple(
        arm(architecture, norm, seed, flat=norm == "none" and place < number)
        for (architecture, number), norm in itertools.product(
            zip(ARCHITECTURES, flat, strict=True), ("none", "instance")
        )
        for place, seed in enumerate(seeds)
    )


@pytest.fixture
def hub(record):
    def made(name="one", arms=None, registered=(FINDING,), **changed):
        facts = {
            "arms": grid() if arms is None else tuple(arms), "registered": tuple(registered),
            "findings": tuple(one.id for one in registered) or ("NORM-1",),
            "identical_arms": (), "code": record.code.model_copy(update={"dirty": False}),
        }  # fmt: skip
        return NamedHub(name=name, record=record.model_copy(update=facts | changed))

    return made


def replaced(arms, place, **changed):
    return [one.model_copy(update=changed) if n == place else one for n, one in enumerate(arms)]


def outcomes(found):
    return [one.outcome for one in found.results]


def why(found, name="one"):
    """Why a hub does not count; nothing may have been concluded from it then."""
    assert found.counted == ()
    assert set(outcomes(found)) == {"open"}
    return "; ".join(found.passed_over[name])


# --- what counts ---------------------------------------------------------------------------------


def test_a_hub_that_ran_what_was_registered_is_tested(hub):
    found = confirm(FINDING, [hub(arms=grid((6, 4)))])
    assert found.counted == ("one",)
    first, second = found.results
    assert first.counts.hits == (0, 6)
    assert first.p_value == pytest.approx(0.0035165555)
    assert first.p_adjusted == pytest.approx(2 * 0.0035165555)  # Holm: the smaller of two
    assert second.p_adjusted == pytest.approx(0.0421905517)  # and the larger by itself
    assert outcomes(found) == ["supports", "supports"]
    assert outcomes(confirm(FINDING, [hub(arms=grid((4, 4)))])) == ["no evidence"] * 2


def test_a_difference_on_the_other_side_contradicts(hub):
    other = finding(contrasts=(contrast("hybrid", "higher"),))
    assert outcomes(confirm(other, [hub(registered=[other])])) == ["contradicts"]
    either = finding(contrasts=(contrast("hybrid", "different"),))
    assert outcomes(confirm(either, [hub(registered=[either])])) == ["supports"]


def test_one_sided_looks_on_the_side_that_is_expected(hub):
    lower = finding(sides="one-sided", contrasts=(contrast("hybrid"),))
    (result,) = confirm(lower, [hub(registered=[lower], arms=grid((4, 4)))]).results
    assert result.p_value == pytest.approx(0.0421905517 / 2)
    higher = finding(sides="one-sided", contrasts=(contrast("hybrid", "higher"),))
    (result,) = confirm(higher, [hub(registered=[higher])]).results
    assert result.outcome == "no evidence"


def test_only_flat_counts_as_flat(hub):
    arms = [
        one.model_copy(update={"stats": {"collapse_kind": "not_finite"}}) if one.collapsed else one
        for one in grid()
    ]
    assert [one.counts.hits for one in confirm(FINDING, [hub(arms=arms)]).results] == [(0, 0)] * 2
    every = finding(measure="collapse")
    found = confirm(every, [hub(arms=arms, registered=[every])])
    assert [one.counts.hits for one in found.results] == [(0, 6)] * 2


def test_all_findings_that_were_registered_for_the_phase_share_the_adjustment(hub):
    alone = finding("NORM-1", contrasts=(contrast("hybrid"),))
    more = [finding(f"NORM-{n}", contrasts=(contrast("hybrid"),)) for n in (2, 3, 4)]
    arms = grid((5, 5))
    (result,) = confirm(alone, [hub(registered=[alone], arms=arms)]).results
    assert (result.outcome, result.p_adjusted) == ("supports", result.p_value)
    found = confirm(alone, [hub(registered=[alone, *more], arms=arms)])
    assert found.num_primary == 4
    assert found.results[0].p_adjusted == pytest.approx(4 * result.p_value)
    assert found.results[0].outcome == "no evidence"


# --- what does not count -------------------------------------------------------------------------


def test_a_hub_that_began_before_anything_was_registered_does_not_count(hub):
    assert why(confirm(FINDING, [hub(registered=())])) == "nothing was registered when it began"


@pytest.mark.parametrize(
    "changed",
    [
        {"alpha": 0.01},
        {"sides": "one-sided"},
        {"measure": "collapse"},
        {"contrasts": (contrast("hybrid"),)},
        {"setting": {}},
        {"claim": "It harms."},
        {"effects": ((0.9, 0.1),)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_registration_that_was_changed_after_the_run_has_no_hub(hub, changed):
    after = finding(**changed)
    assert why(confirm(after, [hub()])) == (
        f"it was begun under another registration, {FINDING.sha256[:12]}"
    )


def test_what_a_hub_carries_is_bound_to_its_digest():
    table = FINDING.model_dump(mode="json")
    table["registration"]["alpha"] = 0.01
    with pytest.raises(ValueError, match="sha256 is not the digest of what is registered"):
        RegisteredFinding.model_validate(table)


def test_what_a_hub_carries_is_what_its_phase_names(hub):
    table = hub().record.model_dump(mode="json")
    assert HubRecord.model_validate(table).registered == (FINDING,)
    with pytest.raises(ValueError, match="registered has NORM-1, and findings does not name it"):
        HubRecord.model_validate(table | {"findings": []})


BAD = {
    "before the day": ({"started": "2025-12-31T23:59:59.000+00:00"}, "begun before 2026-01-01"),
    "another phase": ({"phase": "phase9"}, "it is of phase9 in full"),
    "a profile": ({"profile": "quick"}, "it is of phase8, profile quick"),
    "interrupted": ({"interrupted": True}, "it was interrupted"),
    "in part": ({"only": ("a",)}, "it was run in part"),
    "set": ({"set_knobs": {"train.epochs": 3}}, "it was run with --set train.epochs=3"),
}


@pytest.mark.parametrize("case", BAD)
def test_another_run_than_was_registered_does_not_count(hub, case):
    changed, told = BAD[case]
    assert told in why(confirm(FINDING, [hub(**changed)]))


@pytest.mark.parametrize("changed", [{"dirty": True}, {"dirty": None}, {"commit": None}])
def test_code_that_was_not_committed_does_not_count(hub, record, changed):
    code = record.code.model_copy(update={"dirty": False} | changed)
    assert "not committed" in why(confirm(FINDING, [hub(code=code)]))


def test_a_registration_that_no_commit_had_does_not_count(hub):
    uncommitted = FINDING.model_copy(update={"commit": ""})
    told = why(confirm(FINDING, [hub(registered=[uncommitted])]))
    assert told == "no commit had the registration when it began"


def test_a_hub_that_does_not_tell_whether_it_was_committed_counts_and_says_so(hub):
    found = confirm(FINDING, [hub()])
    assert found.counted == ("one",)
    assert found.undated["one"].startswith("whether the registration was committed when it began")
    assert f"git show {'7' * 40}:docs/study/findings.toml tells" in found.undated["one"]
    committed = FINDING.model_copy(update={"commit": "c" * 40})
    assert confirm(FINDING, [hub(registered=[committed])]).undated == {}


def test_fewer_or_more_seeds_than_registered_do_not_count(hub):
    assert "is without the registered seeds 110" in why(
        confirm(FINDING, [hub(arms=grid(seeds=SEEDS[:-1]))])
    )
    more = (*SEEDS, 111)
    assert "with seeds that are not registered, 111" in why(
        confirm(FINDING, [hub(arms=grid(seeds=more))])
    )
    extra = arm("hybrid", "none", SEEDS[0], name="again", flat=True)
    assert "with more than one arm for 101" in why(confirm(FINDING, [hub(arms=[*grid(), extra])]))


def test_a_cell_that_was_not_run_does_not_count(hub):
    arms = [one for one in grid() if one.parameters["model"]["decoder_norm"] == "none"]
    assert "without the registered seeds 101, 102, 103, 104, 105 and others" in why(
        confirm(FINDING, [hub(arms=arms)])
    )


def test_another_setting_than_was_registered_does_not_count(hub):
    arms = [
        one.model_copy(update={"parameters": one.parameters | {"train": {"learning_rate": 1e-2}}})
        for one in grid()
    ]
    told = why(confirm(FINDING, [hub(arms=arms)]))
    assert "no arm with model.architecture hybrid, model.decoder_norm none has " in told
    assert "train.learning_rate 0.02" in told


def test_arms_at_another_setting_beside_the_cells_are_none_of_its_business(hub):
    slow = {"train": {"learning_rate": 2e-3}}
    beside = [
        arm("hybrid", "none", seed, name=f"slow-{seed}", flat=True,
            parameters=parameters("hybrid", "none", **slow))
        for seed in SEEDS
    ]  # fmt: skip
    assert confirm(FINDING, [hub(arms=[*grid(), *beside])]).counted == ("one",)


def test_a_knob_that_was_not_registered_may_not_differ_between_the_cells(hub):
    arms = [
        one.model_copy(
            update={"parameters": parameters("hybrid", "instance",
                                             train={"learning_rate": 2e-2, "epochs": 3})}
        )
        if one.name.startswith("hybrid-instance")
        else one
        for one in grid()
    ]  # fmt: skip
    assert "train.epochs differs, and the contrast is of model.decoder_norm alone" in why(
        confirm(FINDING, [hub(arms=arms)])
    )


def test_the_cells_may_not_compute_in_other_ways(hub):
    arms = [
        one.model_copy(update={"execution": Execution(device="cuda", threads=1)})
        if one.parameters["model"]["decoder_norm"] == "instance"
        else one
        for one in grid()
    ]
    told = why(confirm(FINDING, [hub(arms=arms)]))
    assert "its arms did not all compute in the same way: cpu with 1 threads" in told


def test_a_knob_may_not_differ_within_a_cell(hub):
    other = parameters("hybrid", "none", train={"learning_rate": 2e-2, "batch_size": 8})
    arms = replaced(grid(), 3, parameters=other)
    assert "train.batch_size differs" in why(confirm(FINDING, [hub(arms=arms)]))


@pytest.mark.parametrize("status", ["failed", "timed_out", "interrupted", "not_run"])
def test_an_arm_that_did_not_end_makes_its_cell_incomplete(hub, status):
    arms = replaced(grid(), 3, status=status)
    assert why(confirm(FINDING, [hub(arms=arms)])) == "hybrid-none-s104: did not run as planned"


def test_an_arm_that_was_configured_otherwise_makes_its_cell_incomplete(hub, record):
    dropped = record.arm("stable_dropped").differences
    arms = replaced(grid(), 3, differences=dropped)
    assert "did not run as planned" in why(confirm(FINDING, [hub(arms=arms)]))


def test_an_arm_with_a_command_of_its_own_makes_its_cell_incomplete(hub):
    arms = replaced(grid(), 3, command=("python", "-c", "cheat()"))
    assert "ran a command of its own" in why(confirm(FINDING, [hub(arms=arms)]))


def test_what_was_not_measured_makes_its_cell_incomplete(hub):
    arms = replaced(grid(), 3, stats={})
    assert why(confirm(FINDING, [hub(arms=arms)])) == "hybrid-none-s104: flat was not measured"


def test_a_finding_rests_on_audited_arms_unless_it_says_otherwise(hub):
    given = {name: value for name, value in registration().items() if name != "level"}
    strict = as_registered(
        Finding(id="N-1", date="2026-01-01", claim="c", basis="b", registration=given)
    )
    assert strict.plan.level == "audited"
    found = confirm(strict, [hub(registered=[strict])])
    assert "is read back, and not audited as is registered" in why(found)
    one = grid()[0]
    assert counts(one, "read back")
    assert not counts(one, "audited")


# --- data ----------------------------------------------------------------------------------------

ANEW = finding(data="anew")


def drawn(arms, **changed):
    """Arms that see data of their own seed; ``changed`` gives a key as a function of the arm."""
    made = []
    for one in arms:
        keys = {
            "seed": one.seed,
            "train_object_seed": 2 * one.seed,
            "test_object_seed": 2 * one.seed + 1,
        }
        keys |= {name: value(one) for name, value in changed.items()}
        table = one.parameters["dataset"] | keys
        # Not validated: the data of another version may have keys that ours does not know.
        made.append(one.model_copy(update={"parameters": one.parameters | {"dataset": table}}))
    return made


def test_data_drawn_anew_for_each_seed_are_shared_by_the_cells(hub):
    assert confirm(ANEW, [hub(registered=[ANEW], arms=drawn(grid()))]).counted == ("one",)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"seed": lambda _: 1}, "not every seed has a dataset.seed of its own"),
        ({"test_object_seed": lambda _: 2}, "dataset.test_object_seed of its own"),
        ({"test_object_seed": lambda one: 2 * one.seed}, "dataset.test_object_seed of its own"),
        ({"photons": lambda one: 1e9 + one.seed}, "differ in more than what they are drawn from"),
        (
            {"seed": lambda one: one.seed + 1000 * ("instance" in one.name)},
            "arms of one seed do not share their data",
        ),
    ],
)
def test_data_that_are_not_what_was_registered_do_not_count(hub, changed, told):
    found = confirm(ANEW, [hub(registered=[ANEW], arms=drawn(grid(), **changed))])
    assert told in why(found)


def test_shared_data_are_shared(hub):
    assert "do not share one dataset" in why(confirm(FINDING, [hub(arms=drawn(grid()))]))
    assert "of its own" in why(confirm(ANEW, [hub(registered=[ANEW])]))


# --- several hubs --------------------------------------------------------------------------------

LATER = "2026-01-31T05:00:00.000+00:00"
EARLIER = "2026-01-02T05:00:00.000+00:00"


def test_all_hubs_that_meet_it_are_pooled_and_each_run_counts_once(hub):
    found = confirm(FINDING, [hub("one"), hub("two", started=LATER)])
    assert found.counted == ("one", "two")
    assert [one.counts.runs for one in found.results] == [(10, 10)] * 2


def test_the_newest_does_not_win(hub):
    older, newer = hub("one", arms=grid((1, 1))), hub("two", started=LATER)
    for order in ([older, newer], [newer, older]):
        found = confirm(FINDING, order)
        assert set(outcomes(found)) == {"open"}
        assert "differ about" in found.conflict


def test_an_interrupted_run_under_the_registration_may_be_repeated_and_must_agree(hub):
    cut = hub("cut", started=EARLIER, interrupted=True, arms=replaced(grid(), 39, status="not_run"))
    found = confirm(FINDING, [cut, hub()])
    assert found.counted == ("one",)
    assert outcomes(found) == ["supports"] * 2
    other = hub("cut", started=EARLIER, interrupted=True, arms=grid((0, 0)))
    assert "differ about" in confirm(FINDING, [other, hub()]).conflict


@pytest.mark.parametrize("phase", ["phase8", "phase10"])
def test_seeds_that_were_run_before_are_not_fresh(hub, phase):
    peek = arm("hybrid", "none", 105, flat=True)
    before = hub("peek", phase=phase, arms=[peek], registered=(), findings=(), started=EARLIER)
    assert why(confirm(FINDING, [before, hub()])) == "seed 105 was run before, in peek"
    planned = hub("peek", phase=phase, registered=(), findings=(), started=EARLIER,
                  arms=[peek.model_copy(update={"status": "not_run"})])  # fmt: skip
    assert confirm(FINDING, [planned, hub()]).counted == ("one",)
    after = hub("later", phase=phase, arms=[peek], registered=(), findings=(), started=LATER)
    assert confirm(FINDING, [after, hub()]).counted == ("one",)


def test_to_register_again_after_a_look_takes_fresh_seeds(hub):
    first = hub("first", started=EARLIER, arms=grid((3, 3)))
    again = finding(alpha=0.04)
    second = hub("second", registered=[again])
    assert "seed 101 was run before, in first" in why(confirm(again, [first, second]), "second")


def test_a_hub_made_again_is_no_new_evidence(hub, record):
    from runner.hub.records.again import ReproductionRecord

    again = ReproductionRecord(
        hub="phase8/one", hub_sha256="0" * 64, outcome="identical", arms=(), image="", files=(),
        facts=(),
    )  # fmt: skip
    assert "is no new evidence" in why(confirm(FINDING, [hub(reproduction=again)]))


def test_to_strike_a_finding_afterwards_makes_nothing_easier(hub):
    """Three were registered for the runs; that the register names one now changes nothing."""
    others = [finding(f"NORM-{n}", contrasts=(contrast("hybrid"),)) for n in (2, 3)]
    found = confirm(FINDING, [hub(registered=[FINDING, *others])])
    assert found.num_primary == 4
