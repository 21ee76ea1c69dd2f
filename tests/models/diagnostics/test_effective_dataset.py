"""The arrays contradict what others say of them, and the arrays are believed."""

from __future__ import annotations

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
