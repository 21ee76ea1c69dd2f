"""How the tables of phase, profile and arm lie over one another."""

from runner.manifest.overrides import SECTIONS, merged, merged_sections


def test_later_tables_win_key_by_key():
    phase = {"epochs": 20, "learning_rate": 1e-3, "batch_size": 16}
    assert merged(phase, {"epochs": 3, "loss": "mae"}, {"epochs": 5}) == {
        "epochs": 5,
        "learning_rate": 1e-3,
        "batch_size": 16,
        "loss": "mae",
    }


def test_a_table_with_a_kind_replaces_the_one_below_it_as_a_whole():
    phase = {"optimizer": {"kind": "sgd", "momentum": 0.8}}
    arm = {"optimizer": {"kind": "adamw"}}
    assert merged(phase, arm) == {"optimizer": {"kind": "adamw"}}
    assert merged(phase, {"optimizer": {"kind": "sgd"}}) == {"optimizer": {"kind": "sgd"}}


def test_a_table_without_a_kind_changes_single_keys():
    phase = {"optimizer": {"kind": "sgd", "momentum": 0.8}}
    arm = {"optimizer": {"weight_decay": 0.1}}
    assert merged(phase, arm) == {
        "optimizer": {"kind": "sgd", "momentum": 0.8, "weight_decay": 0.1}
    }


def test_the_kind_of_the_dataset_does_not_replace_the_rest_of_it():
    phase = {"dataset": {"kind": "grid_lines", "photons": 1e6}}
    profile = {"dataset": {"kind": "grid_lines", "object_size": 256}}
    assert merged_sections([phase, profile])["dataset"] == {
        "kind": "grid_lines",
        "photons": 1e6,
        "object_size": 256,
    }


def test_merging_leaves_the_layers_as_they_are():
    phase = {"optimizer": {"kind": "sgd"}}
    merged(phase, {"optimizer": {"momentum": 0.5}})
    assert phase == {"optimizer": {"kind": "sgd"}}


def test_what_is_no_table_is_taken_for_an_empty_one():
    assert merged_sections([{"train": 3}, {"name": "x"}]) == {name: {} for name in SECTIONS}
