"""The forward model against nature: energy, symmetries, derivatives, independence of the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.config import Dataset
from models.data.probe import defocused_disk, ideal_disk, make_probe
from models.data.scan import make_scan
from models.physics.diffraction import aperture, normalise_probe, predict_amplitude
from models.physics.fourier import fft2c
from models.physics.losses import mae


def random_objects(*shape: int, dtype: torch.dtype = torch.complex128) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(5))


def probe_of(side: int = 16) -> torch.Tensor:
    dataset = Dataset(object_size=64, patch_size=side, test_stride=2, probe_defocus=0.3)
    return normalise_probe(torch.from_numpy(make_probe(dataset)))


# --- the probe -----------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [8, 10, 32, 64, 128])
def test_a_normalised_probe_has_a_mean_amplitude_of_a_quarter_inside_the_aperture(side):
    probe = normalise_probe(torch.from_numpy(defocused_disk(side, 0.1)))
    assert probe.dtype == torch.complex64
    assert (aperture(side) * probe.abs()).mean().item() == pytest.approx(0.25, rel=1e-6)


def test_the_ideal_disk_has_the_published_normalisation():
    probe = torch.from_numpy(ideal_disk(64))
    assert 4 * (aperture(64) * probe).mean().item() == pytest.approx(0.36719, abs=5e-6)
    assert normalise_probe(probe).abs().max().item() == pytest.approx(2.7234, abs=5e-5)


@pytest.mark.parametrize("side", [10, 64])
def test_the_aperture_is_the_disk_of_a_quarter_of_the_side_about_the_half_pixel_centre(side):
    inside = aperture(side)
    for row in range(side):
        for column in range(side):
            distance = np.hypot(row - (side - 1) / 2, column - (side - 1) / 2)
            assert inside[row, column].item() == float(distance < side / 4)


def test_normalisation_does_not_depend_on_the_brightness_of_the_probe():
    probe = torch.from_numpy(defocused_disk(16, 0.3))
    torch.testing.assert_close(normalise_probe(37 * probe), normalise_probe(probe))


@pytest.mark.parametrize(
    ("probe", "mistake"),
    [
        (torch.ones(4, 8, dtype=torch.complex64), "one square image"),
        (torch.zeros(8, 8, dtype=torch.complex64), "aperture is 0.0"),
        (torch.full((8, 8), torch.nan, dtype=torch.complex64), "aperture is nan"),
    ],
)
def test_a_probe_without_light_or_shape_is_refused(probe, mistake):
    with pytest.raises(ValueError, match=mistake):
        normalise_probe(probe)


# --- the predicted amplitude ---------------------------------------------------------------------


def test_the_pattern_holds_the_energy_of_the_exit_wave_times_the_gain_squared():
    objects, probe = random_objects(3, 1, 16, 16), probe_of()
    predicted = predict_amplitude(objects, probe, 17.4)
    energy = (objects * probe).abs().square().sum(dim=(-2, -1))
    torch.testing.assert_close(predicted.square().sum(dim=(-2, -1)), 17.4**2 * energy)


def test_a_global_phase_does_not_show():
    objects, probe = random_objects(2, 1, 16, 16), probe_of()
    turned = objects * torch.exp(torch.tensor(1.234j, dtype=torch.complex128))
    torch.testing.assert_close(
        predict_amplitude(turned, probe, 2.0), predict_amplitude(objects, probe, 2.0)
    )


def test_the_amplitude_scales_with_object_and_gain():
    objects, probe = random_objects(1, 1, 16, 16), probe_of()
    once = predict_amplitude(objects, probe, 1.0)
    torch.testing.assert_close(predict_amplitude(3 * objects, probe, 5.0), 15 * once)


def test_moving_the_exit_wave_does_not_show():
    objects, probe = random_objects(1, 1, 16, 16), probe_of()
    moved = predict_amplitude(objects.roll((3, -2), (-2, -1)), probe.roll((3, -2), (0, 1)), 1.0)
    torch.testing.assert_close(moved, predict_amplitude(objects, probe, 1.0))


def test_a_phase_ramp_moves_the_pattern_by_whole_pixels():
    objects, probe = random_objects(1, 1, 16, 16), probe_of()
    angle = 2 * torch.pi * 3 * torch.arange(16, dtype=torch.float64) / 16
    ramp = torch.polar(torch.ones_like(angle), angle)[:, None]
    still = predict_amplitude(objects, probe, 1.0)
    torch.testing.assert_close(predict_amplitude(objects * ramp, probe, 1.0), still.roll(3, -2))


def test_it_is_the_modulus_of_the_far_field():
    objects, probe = random_objects(2, 1, 8, 8), probe_of(8)
    expected = 17.4 * fft2c(objects * probe).abs()
    assert torch.equal(predict_amplitude(objects, probe, 17.4), expected)
    assert not expected.is_complex()


def test_the_gradient_agrees_with_finite_differences():
    probe = probe_of(8).to(torch.complex128)
    objects = random_objects(2, 1, 8, 8).requires_grad_()
    assert torch.autograd.gradcheck(lambda o: predict_amplitude(o, probe, 17.4), (objects,))


@pytest.mark.parametrize("size", [0.0, 1e-40, 1e-20])
def test_the_gradient_of_a_dark_object_is_finite(size):
    objects = torch.full((1, 1, 8, 8), size, dtype=torch.complex64, requires_grad=True)
    predict_amplitude(objects, probe_of(8), 17.4).sum().backward()
    assert torch.isfinite(torch.view_as_real(objects.grad)).all()


def test_the_gradient_never_exceeds_the_gain_times_the_probe():
    probe = probe_of(8)
    objects = random_objects(4, 1, 8, 8, dtype=torch.complex64).requires_grad_()
    predicted = predict_amplitude(objects, probe, 17.4)
    predicted[..., 4, 4].sum().backward()
    bound = 17.4 * probe.abs() / 8
    assert (objects.grad.abs() <= bound * (1 + 1e-5)).all()


@pytest.mark.parametrize("side", [16, 32, 64])
def test_a_prediction_does_not_depend_on_its_batch(side):
    objects = random_objects(16, 1, side, side, dtype=torch.complex64)
    probe = probe_of(side)
    together = predict_amplitude(objects, probe, 17.4)
    alone = torch.cat([predict_amplitude(one[None], probe, 17.4) for one in objects])
    rest = predict_amplitude(objects[:5], probe, 17.4)
    reversed_ = predict_amplitude(objects.flip(0), probe, 17.4).flip(0)
    assert torch.equal(together, alone)
    assert torch.equal(together[:5], rest)
    assert torch.equal(together, reversed_)


# --- the flat solution ---------------------------------------------------------------------------


def test_the_best_constant_object_has_the_loss_of_the_known_plateau():
    dataset = Dataset()
    patches = torch.from_numpy(make_scan(dataset, "test").patches(0, 1089))[:, None]
    probe = normalise_probe(torch.from_numpy(make_probe(dataset)))
    measured = predict_amplitude(patches, probe, 1.0)
    flat = predict_amplitude(torch.ones_like(patches[:1]), probe, 1.0)
    best = min(mae(level * flat, measured).item() for level in np.linspace(0.5, 0.9, 21))
    assert best == pytest.approx(0.195, abs=0.005)


# --- the twin ------------------------------------------------------------------------------------


def twin_difference(probe_name: str) -> float:
    """Mean |X(O) − X(twin)| over mean X(O), for patches of the first test object."""
    dataset = Dataset(probe=probe_name)
    patches = torch.from_numpy(make_scan(dataset, "test").patches(0, 1089))[:, None]
    twins = patches.flip((-2, -1)).conj().resolve_conj()
    probe = normalise_probe(torch.from_numpy(make_probe(dataset)))
    of_object = predict_amplitude(patches, probe, 1.0)
    of_twin = predict_amplitude(twins, probe, 1.0)
    assert (patches - twins).abs().mean() > 0.1
    return ((of_object - of_twin).abs().mean() / of_object.mean()).item()


def test_with_the_ideal_disk_two_objects_have_one_pattern():
    assert twin_difference("ideal_disk") < 1e-6


def test_the_defocused_disk_tells_the_twins_apart_by_about_18_percent():
    assert twin_difference("defocused_disk") == pytest.approx(0.18, abs=0.005)
