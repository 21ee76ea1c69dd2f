"""The arrays contradict what others say of them, and the arrays are believed."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from models.diagnostics.effective_dataset import dataset_leaves


@pytest.fixture(scope="module")
def loaded(workshop):
    return workshop.data(workshop.parameters(dataset={"num_train_objects": 2}))


def leaves_of(loaded, *, train=None, test=None, **metadata):
    stated = json.loads(json.dumps(loaded.metadata))
    stated["dataset"] |= metadata
    return dataset_leaves(train or loaded.train, test or loaded.test, stated)


def test_an_untouched_dataset_is_read_as_it_was_simulated(loaded):
    shown, planned = leaves_of(loaded), loaded.metadata["dataset"]
    for knob in ("photons", "probe_defocus"):
        assert shown.pop(knob) == pytest.approx(planned.pop(knob), rel=1e-8)
    assert shown == planned


@pytest.mark.parametrize("knob", ["train_object_seed", "test_object_seed"])
def test_a_seed_that_does_not_give_the_objects_is_not_believed(loaded, knob):
    assert leaves_of(loaded, **{knob: 3})[knob] is None


@pytest.mark.parametrize(
    ("knob", "false", "true"),
    [
        ("object_size", 65, 64),
        ("train_stride", 3, 8),
        ("test_stride", 2, 4),
        ("num_train_objects", 1, 2),
        ("set_phi", False, True),
        ("probe", "ideal_disk", "defocused_disk"),
    ],
)
def test_what_the_arrays_tell_is_not_taken_from_the_metadata(loaded, knob, false, true):
    assert leaves_of(loaded, **{knob: false})[knob] == true


def test_photons_are_measured_on_the_patches(loaded):
    bright = replace(loaded.train, y_i=loaded.train.y_i * np.float32(2))
    assert leaves_of(loaded, train=bright)["photons"] == pytest.approx(4e9, rel=1e-6)


def test_probes_that_differ_between_the_splits_show_both(loaded):
    real = replace(loaded.test, probe_guess=np.abs(loaded.test.probe_guess).astype(np.complex64))
    shown = leaves_of(loaded, test=real)["probe"]
    assert [kind for kind, _ in shown] == ["defocused_disk", "ideal_disk"]


@pytest.mark.parametrize("defocus", [-1.2, -0.05, 0.01, 0.3, 1.5])
@pytest.mark.parametrize("side", [8, 16, 32])
def test_the_curvature_is_read_to_the_precision_of_the_file(workshop, side, defocus):
    from models.data.probe import make_probe
    from models.diagnostics.effective_dataset import _probe

    dataset = workshop.parameters().dataset
    dataset = dataset.model_copy(update={"patch_size": side, "probe_defocus": defocus})
    kind, curvature = _probe(make_probe(dataset))
    assert kind == "defocused_disk"
    assert curvature == pytest.approx(defocus, rel=3e-7)


def test_a_measured_probe_is_known_by_its_file_and_by_being_no_disk(workshop, loaded):
    row, column = np.indices((16, 16)) - 7.5
    stream = io.BytesIO()
    np.savez(stream, probeGuess=np.exp(-(row**2) / 20 - column**2 / 30 + 0.2j * row))
    digest = workshop.keep_probe(stream.getvalue())
    planned = {"probe": "file", "probe_sha256": digest}
    measured = workshop.data(workshop.parameters(dataset=planned))
    shown = leaves_of(measured)
    assert {name: shown[name] for name in planned} == planned
    assert shown["probe_defocus"] is None
    stated = {**measured.metadata, "probe_sha256": "0" * 64}
    assert dataset_leaves(measured.train, measured.test, stated)["probe_sha256"] == "0" * 64
    disk = leaves_of(replace_metadata(loaded, probe_sha256=digest))
    assert (disk["probe"], disk["probe_sha256"]) == ("defocused_disk", None)


def replace_metadata(loaded, **changed):
    return replace(loaded, metadata={**loaded.metadata, **changed})


@pytest.mark.parametrize("gridsize", [1, 2])
def test_a_seed_of_the_dataset_s_own_is_believed_if_the_samples_lie_in_its_order(
    workshop, gridsize
):
    seed = workshop.data(workshop.parameters()).metadata["seed"]
    drawn = {"num_train_objects": 2, "gridsize": gridsize, "seed": seed}
    own = workshop.data(workshop.parameters(dataset=drawn))
    assert "seed" not in leaves_of(workshop.data(workshop.parameters()))
    assert leaves_of(own)["seed"] == seed
    assert leaves_of(own, seed=seed + 1)["seed"] is None
