"""Which knobs which architecture has, and which shapes exist."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from models.config import BELONGS, Model, Parameters, largest_num_blocks

ARCHITECTURES = ("hybrid", "stable_hybrid", "hybrid_resnet", "fno", "cnn")

VALUES = {
    "max_hidden_channels": 64,
    "modes": 8,
    "corners": 2,
    "fno_blocks": 3,
    "cnn_blocks": 3,
    "max_levels": 2,
    "stable_block": "zero_gamma",
    "decoder_norm": "instance",
}


def model(**table):
    return Model.model_validate(table)


def refusal(**tables):
    with pytest.raises(ValidationError) as caught:
        Parameters.model_validate(tables)
    (error,) = caught.value.errors()
    return error["msg"].removeprefix("Value error, ")


def test_every_conditional_knob_is_tried_here():
    assert VALUES.keys() == BELONGS.keys()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("knob", sorted(VALUES))
def test_a_knob_is_taken_where_it_belongs_and_refused_elsewhere(knob, architecture):
    table = {"architecture": architecture, knob: VALUES[knob]}
    if architecture in BELONGS[knob]:
        assert getattr(model(**table), knob) == VALUES[knob]
        return
    assert getattr(model(architecture=architecture), knob) is None
    text = refusal(model=table)
    assert text.startswith(f"{knob} belongs to architecture")
    assert text.endswith(f", not to '{architecture}'; remove it")


def test_the_refusal_names_all_architectures_that_have_the_knob():
    assert refusal(model={"cnn_blocks": 2}) == (
        "cnn_blocks belongs to architectures 'fno' and 'cnn', not to 'hybrid'; remove it"
    )
    assert refusal(model={"stable_block": "zero_gamma"}) == (
        "stable_block belongs to architecture 'stable_hybrid', not to 'hybrid'; remove it"
    )


@pytest.mark.parametrize(
    ("architecture", "knobs"),
    [
        ("hybrid", {"modes": 12, "corners": 1, "fno_blocks": 4, "decoder_norm": "none"}),
        ("stable_hybrid", {"stable_block": "layerscale", "layerscale_init": 1e-3}),
        ("hybrid_resnet", {"fno_blocks": 4, "layerscale_init": 0.1}),
        ("fno", {"fno_blocks": 4, "cnn_blocks": 2}),
        ("cnn", {"cnn_blocks": 5}),
    ],
)
def test_knobs_have_the_defaults_of_their_architecture(architecture, knobs):
    shown = model(architecture=architecture).model_dump()
    assert knobs.items() <= shown.items()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_parameters_come_back_from_json_as_they_were(architecture):
    whole = model(architecture=architecture)
    assert Model.model_validate_json(whole.model_dump_json()) == whole


def test_a_knob_that_is_taken_away_must_be_given():
    assert refusal(model={"modes": None}) == "modes must be given for architecture 'hybrid'"
    assert refusal(model={"architecture": "cnn", "cnn_blocks": None}) == (
        "cnn_blocks must be given for architecture 'cnn'"
    )


@pytest.mark.parametrize(
    ("table", "remedy"),
    [
        ({"layerscale_init": 0.1}, "remove it"),
        ({"architecture": "hybrid_resnet", "layerscale_init": None}, "give it"),
        ({"architecture": "stable_hybrid", "layerscale_init": None}, "give it"),
        (
            {
                "architecture": "stable_hybrid",
                "stable_block": "zero_gamma",
                "layerscale_init": 1e-3,
            },
            "remove it",
        ),
    ],
)
def test_the_initial_layerscale_belongs_to_two_kinds_of_blocks(table, remedy):
    assert refusal(model=table) == (
        "layerscale_init belongs to stable_block 'layerscale' and to architecture "
        f"'hybrid_resnet', and to no other; {remedy}"
    )


def test_the_residual_network_needs_a_block_before_each_halving():
    assert refusal(model={"architecture": "hybrid_resnet", "fno_blocks": 1}) == (
        "fno_blocks 1 is too few for architecture 'hybrid_resnet', whose first two blocks are "
        "each followed by a halving; give at least 2"
    )


@pytest.mark.parametrize(
    ("table", "halvings"),
    [
        ({"fno_blocks": 4}, 3),
        ({"fno_blocks": 8, "max_levels": 4}, 4),
        ({"fno_blocks": 2, "max_levels": 4}, 1),
        ({"architecture": "hybrid_resnet", "fno_blocks": 9}, 2),
        ({"architecture": "fno", "fno_blocks": 9}, 0),
        ({"architecture": "cnn", "cnn_blocks": 4}, 3),
    ],
)
def test_halvings_follow_from_the_blocks(table, halvings):
    assert model(**table).num_halvings == halvings


@pytest.mark.parametrize(
    ("architecture", "blocks"), [("hybrid", "fno_blocks"), ("cnn", "cnn_blocks")]
)
def test_a_shape_that_cannot_exist_is_refused_with_the_largest_that_fits(architecture, blocks):
    assert largest_num_blocks(64) == 6
    assert refusal(model={"architecture": architecture, blocks: 8}) == (
        f"model.{blocks} 8 cannot fit dataset.patch_size 64: at most 6 blocks fit; lower it, or "
        "set model.max_levels to at most 5"
    )


def test_the_residual_network_needs_a_side_that_can_be_halved_twice():
    assert refusal(dataset={"patch_size": 66}, model={"architecture": "hybrid_resnet"}) == (
        "dataset.patch_size 66 cannot be halved twice, as model.architecture 'hybrid_resnet' "
        "does; give a multiple of 4"
    )


def test_networks_of_constant_size_fit_any_number_of_blocks():
    table = {"dataset": {"patch_size": 66}, "model": {"architecture": "fno", "fno_blocks": 12}}
    assert Parameters.model_validate(table).model.fno_blocks == 12


def test_more_modes_than_a_map_has_are_refused():
    text = refusal(dataset={"patch_size": 16}, model={"modes": 12, "corners": 2, "fno_blocks": 2})
    assert re.match(r"model\.modes 12 exceeds the 9 that maps of dataset\.patch_size 16 ", text)
    assert Parameters.model_validate(
        {"dataset": {"patch_size": 16}, "model": {"architecture": "cnn", "cnn_blocks": 2}}
    )
