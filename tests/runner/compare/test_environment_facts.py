"""Two hubs' places are told apart by causes; two runs at one place have every fact in common."""

import json

import pytest

from runner.compare.environment_facts import FactChange, environment_facts, fact_changes
from runner.hub import layout


@pytest.fixture
def hubs(tiny_hubs):
    return tiny_hubs[:2]


@pytest.fixture
def copy(tiny_copy):
    return tiny_copy


def facts(folder):
    return environment_facts(folder, layout.read(folder))


def rewrite(folder, name, change):
    table = json.loads((folder / name).read_bytes())
    change(table)
    (folder / name).write_text(json.dumps(table))


def each_arm(folder, change):
    for arm in ("one", "two"):
        rewrite(folder, f"arms/{arm}/environment.json", change)


def told(before, after):
    return [fact.told for fact in fact_changes(facts(before), facts(after))]


def test_two_runs_of_a_manifest_on_one_machine_have_every_fact_in_common(hubs):
    assert fact_changes(*map(facts, hubs)) == ()


def test_what_an_arm_ran_with_is_among_the_facts(hubs):
    found = facts(hubs[0])
    assert found["engine.name"] == "process"
    assert found["arms.one.threads"] == 1
    assert found["arms.one.determinism"] == "portable"
    assert found["arms.one.variables.ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert "avx2" in found["arms.one.cpu.instruction_sets"]
    assert {"arms.one.packages.numpy", "arms.one.python", "packages_sha256"} <= found.keys()


def test_times_paths_and_sizes_of_memory_are_no_facts(hubs):
    found = json.dumps(facts(hubs[0]))
    assert str(hubs[0].parent.parent) not in found
    for name in ("memory", "started", "ended", "/tmp", "wall_s", "pid"):
        assert name not in found


def test_flags_that_no_kernel_is_chosen_by_are_no_facts(copy, hubs):
    each_arm(
        copy,
        lambda table: table["cpu"]["flags"].extend(["smep", "avoid", "popcnt_twice", "rdrand"]),
    )
    assert told(hubs[0], copy) == []


def test_another_instruction_set_is_told_by_what_only_one_side_has(copy, hubs):
    def change(table):
        table["cpu"]["flags"] = [*(set(table["cpu"]["flags"]) - {"avx2", "fma"}), "amx_tile_new"]

    each_arm(copy, change)
    assert told(hubs[0], copy) == [
        "cpu.instruction_sets: only before: avx2, fma; only after: amx_tile_new"
    ]


def test_a_fact_that_differs_for_one_arm_names_the_arm(copy, hubs):
    rewrite(copy, "arms/two/environment.json", lambda table: table.update(threads=3))
    assert told(hubs[0], copy) == ["arms.two.threads: 1 → 3"]


def test_a_variable_that_was_set_on_one_side_only(copy, hubs):
    each_arm(copy, lambda table: table["variables"].update(KMP_AFFINITY="none,0"))
    assert told(hubs[0], copy) == ["variables.KMP_AFFINITY: none → none,0"]


def test_packages_that_only_one_side_has_are_one_fact(copy, hubs):
    def change(table):
        del table["packages"]["numpy"]
        table["packages"] |= {"torch": "1.0", "new": "2", "other": "3"}

    each_arm(copy, change)
    found = fact_changes(facts(hubs[0]), facts(copy))
    assert [fact.name for fact in found] == ["packages", "packages.torch"]
    assert found[0].told.startswith("packages: only before: numpy ")
    assert found[0].told.endswith("; only after: new 2, other 3")


def test_of_many_packages_the_first_are_told_in_words(copy, hubs):
    many = {f"p{number:02}": "1" for number in range(20)}
    each_arm(copy, lambda table: table["packages"].update(many))
    (told_fact,) = told(hubs[0], copy)
    assert told_fact.endswith(", p11 1 and 8 more")


def test_which_of_several_gpus_was_free_is_no_fact(copy, hubs):
    each_arm(copy, lambda table: table["variables"].update(CUDA_VISIBLE_DEVICES="GPU-1"))
    assert told(hubs[0], copy) == []


def test_other_packages_other_source_and_another_engine_are_facts(copy, hubs):
    def change(record):
        record["code"]["models_sha256"] = "0" * 64
        record["engine"].update(name="docker", isolated=True)
        record["engine"]["facts"]["packages_sha256"] = "1" * 64
        record["image"] = {"base_id": "sha256:2", "id": "sha256:3"}

    rewrite(copy, layout.RECORD, change)
    each_arm(copy, lambda table: table["packages"].update(numpy="1.0"))
    names = [fact.name for fact in fact_changes(facts(hubs[0]), facts(copy))]
    assert names == ["code.models_sha256", "engine.name", "packages.numpy", "packages_sha256"]


def test_the_id_of_an_image_is_no_fact_and_what_it_is_made_from_is(copy):
    image = {"base_id": "sha256:2", "id": "sha256:3", "lock_sha256": "4" * 64}
    rewrite(copy, layout.RECORD, lambda record: record.update(image=image))
    before = facts(copy)
    image |= {"base_id": "sha256:5", "id": "sha256:6"}
    rewrite(copy, layout.RECORD, lambda record: record.update(image=image))
    assert fact_changes(before, facts(copy)) == (
        FactChange(
            name="image.base_id",
            before="sha256:2",
            after="sha256:5",
            told="image.base_id: sha256:2 → sha256:5",
        ),
    )


def test_what_one_side_has_not_recorded_is_told_as_such_and_once(copy, hubs):
    each_arm(copy, lambda table: [table.pop("packages"), table.pop("libc")])
    found = fact_changes(facts(hubs[0]), facts(copy))
    assert [(fact.name, fact.recorded) for fact in found] == [
        ("libc", "before"),
        ("packages", "before"),
    ]
    assert found[0].told.startswith("libc: recorded only before: glibc")


def test_an_arm_that_left_nothing_still_has_what_was_planned_for_it_and_the_machine(copy, hubs):
    for arm in ("one", "two"):
        (copy / f"arms/{arm}/environment.json").unlink()
    found = fact_changes(facts(hubs[0]), facts(copy))
    assert {fact.recorded for fact in found} == {"before"}
    assert not {"cpu.model", "threads", "determinism"} & {fact.name for fact in found}


def test_an_arm_that_only_one_hub_has_tells_nothing(copy, hubs):
    rewrite(copy, layout.RECORD, lambda record: record["arms"].pop())
    rewrite(copy, "arms/two/environment.json", lambda table: table.update(threads=3))
    assert told(hubs[0], copy) == []


def test_hubs_without_a_common_arm_are_compared_by_what_holds_for_all(copy, hubs):
    rewrite(copy, layout.RECORD, lambda record: record.update(arms=[]))
    rewrite(copy, layout.ENVIRONMENT, lambda table: table["machine"]["cpu"].update(model="Other"))
    (found,) = fact_changes(facts(hubs[0]), facts(copy))
    assert (found.name, found.after) == ("cpu.model", "Other")


@pytest.mark.parametrize("arms", ["", "arms.one."])
def test_facts_come_by_name_whether_or_not_the_hubs_have_an_arm_in_common(arms):
    letters = "qwertzuiopasdfghjklyxcvbnm"
    before = {f"{arms}variables.{letter}": "1" for letter in letters}
    after = {f"{arms}variables.{letter}": "2" for letter in letters}
    alone = {f"{arms}only_{letter}": "1" for letter in letters}
    names = [fact.name for fact in fact_changes(before | alone, after)]
    assert len(names) == 2 * len(letters)
    assert names == sorted(names)
