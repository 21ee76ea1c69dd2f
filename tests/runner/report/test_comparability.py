"""What makes rows no fair comparison is said beside the table, each thing in one sentence."""

import pytest

from runner.hub.records.provenance import ComparedHub
from runner.report.comparability import comparability_notes

SCORES = {"amp SSIM": "amp_ssim", "phase SSIM": "phase_ssim"}


def told(own, *others, facts=()):
    hubs = [(own.phase, own), *((other.phase, other) for other in others)]
    return list(comparability_notes(hubs, facts, SCORES))


@pytest.fixture
def other(record):
    """The same hub as another phase, each arm with another seed and other weights."""
    arms = tuple(
        arm.model_copy(update={"seed": arm.seed + 1, "final_weights_sha256": f"{place:064d}"})
        for place, arm in enumerate(record.arms)
        if not arm.differences
    )
    return record.model_copy(update={"phase": "phase7", "arms": arms, "identical_arms": ()})


def test_hubs_that_differ_in_nothing_but_their_plans_need_no_caution(record, other):
    assert told(record) == []
    assert told(record, other) == []


def test_a_hub_that_was_changed_is_said_to_be_worth_nothing(record, other):
    facts = ComparedHub(
        name="phase7/1", phase="phase7", profile=None, checksums_sha256="a" * 64,
        problem="phase7/1 is not as it was sealed\n  changed: hub.json",
    )  # fmt: skip
    assert told(record, other, facts=[facts]) == [
        "The hub phase7/1 is not as it was sealed; trust none of its rows: phase7/1 is not as it "
        "was sealed changed: hub.json"
    ]


def with_files(record, **digests):
    """The record with other digests of its dataset's files."""
    files = tuple(
        file.model_copy(update={"sha256": digests.get(file.path.partition(".")[0], file.sha256)})
        for file in record.datasets[0].files
    )
    dataset = record.datasets[0].model_copy(update={"files": files})
    return record.model_copy(update={"datasets": (dataset,)})


def test_other_data_are_named_file_by_file(record, other):
    assert told(record, with_files(other, test="f" * 64)) == [
        "phase7 was trained and scored on other data: test.npz cccccccccccc here, ffffffffffff "
        "there."
    ]


def test_a_file_of_the_data_that_is_missing_counts_as_another(record, other):
    less = other.datasets[0].model_copy(update={"files": other.datasets[0].files[:2]})
    assert told(record, other.model_copy(update={"datasets": (less,)})) == [
        "phase7 was trained and scored on other data: train.npz dddddddddddd here, none there."
    ]


def test_another_description_of_the_same_arrays_is_no_other_data(record, other):
    assert told(record, with_files(other, metadata="f" * 64)) == [
        "phase7 was trained and scored on the same arrays, described otherwise: metadata.json "
        "bbbbbbbbbbbb here, ffffffffffff there."
    ]


def test_what_is_to_be_said_of_several_hubs_is_said_once(record, other):
    arms = tuple(arm.model_copy(update={"seed": 0}) for arm in other.arms)
    third = other.model_copy(update={"phase": "phase6", "arms": arms})
    sentences = told(record, *(with_files(one, test="f" * 64) for one in (other, third)))
    assert [one[:55] for one in sentences if "other data" in one] == [
        "phase7 and phase6 were trained and scored on other data"
    ]


def test_other_surroundings_are_named_one_by_one(record, other):
    changed = other.model_copy(
        update={
            "engine": other.engine.model_copy(update={"name": "process"}),
            "image": None,
            "code": other.code.model_copy(update={"models_sha256": "f" * 64}),
        }
    )
    (sentence,) = told(record, changed)
    assert sentence == (
        "phase7 was made in other surroundings: engine docker here, process there; image "
        "666666666666 here, none there; packages eeeeeeeeeeee here, unknown there; code of models/ "
        "888888888888 here, ffffffffffff there."
    )


def test_another_device_and_other_threads_are_surroundings_too(record, other):
    where = other.arms[0].execution.model_copy(update={"device": "cuda", "threads": 8})
    arms = tuple(arm.model_copy(update={"execution": where}) for arm in other.arms)
    assert told(record, other.model_copy(update={"arms": arms})) == [
        "phase7 was made in other surroundings: device cpu here, cuda there; threads 2 here, 8 "
        "there."
    ]


def test_arms_of_one_hub_that_computed_differently_are_told(record):
    where = record.arms[0].execution.model_copy(update={"threads": 8})
    first = record.arms[0].model_copy(update={"execution": where})
    mixed = record.model_copy(update={"arms": (first, *record.arms[1:])})
    assert told(mixed) == [
        "The arms did not all compute in the same way: cpu with 2 threads and cpu with 8 threads. "
        "The bits depend on it."
    ]


def test_another_size_of_experiment_is_told(record, other):
    quick = other.model_copy(update={"profile": "quick"})
    assert told(record, quick) == [
        "phase7 is another size of experiment: profile quick there, the phase as written here."
    ]


def test_an_interrupted_hub_is_told(record, other):
    cut = other.model_copy(update={"interrupted": True})
    assert told(record, cut) == ["phase7 was interrupted: it has what was finished by then."]


def test_one_computation_made_twice_is_no_pair_of_runs(record, other):
    again = other.model_copy(update={"arms": (record.arms[0],)})
    first, *_ = told(record, again)
    assert first == (
        "stable_sgd and phase7 · stable_sgd have one plan and one seed: one computation made 2 "
        "times, and no independent runs. Their final weights have the same bytes."
    )
    drifted = record.arms[0].model_copy(update={"final_weights_sha256": "f" * 64})
    first, *_ = told(record, other.model_copy(update={"arms": (drifted,)}))
    assert first.endswith("Their final weights have different bytes.")


def test_arms_of_two_hubs_with_the_same_weights_are_called_identical(record, other):
    twin = other.arms[1].model_copy(
        update={"final_weights_sha256": record.arms[1].final_weights_sha256}
    )
    assert told(record, other.model_copy(update={"arms": (twin,)})) == [
        "stable_adamw and phase7 · stable_adamw are one and the same: their final weights have the "
        "same bytes although their plans differ in seed."
    ]


def test_a_score_that_means_nothing_for_any_arm_is_called_vacuous(record):
    arms = tuple(
        arm.model_copy(
            update={
                "stats": {**arm.stats, "phase_ssim": None},
                "null_reasons": {"phase_ssim": "the target phase has no variance"},
            }
        )
        for arm in record.arms
    )
    assert told(record.model_copy(update={"arms": arms})) == [
        "phase SSIM means nothing for any arm: the target phase has no variance. Nothing can be "
        "concluded from it."
    ]


def test_a_dropped_knob_of_another_hub_is_told_with_its_values(record, other):
    arms = (*other.arms, record.arm("stable_dropped"))
    assert told(record, other.model_copy(update={"arms": arms})) == [
        "phase7 · stable_dropped did not run as planned; its numbers say nothing about its plan: "
        "train.clip.max_norm: planned 0.5, effective None."
    ]


def test_where_no_hub_is_the_page_s_own_the_first_one_is_told_of_as_well(record, other):
    hubs = [(one.phase, one) for one in (record, other)]
    dropped, identical = comparability_notes(hubs, (), SCORES, own=False)
    assert dropped.startswith("phase8 · stable_dropped did not run as planned")
    assert identical == (
        "phase8 · stable_sgd and phase8 · stable_sgd_clip are one and the same: their final "
        "weights have the same bytes although their plans differ in train.clip.kind and "
        "train.clip.max_norm."
    )
