"""The objects are the published ones: public seeds, public statistics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.draw import line

from models.data.objects import draw_amplitudes, make_objects, phase_of


@pytest.mark.parametrize(
    ("seed", "minimum", "maximum", "mean", "std"),
    [(1, 0.5648, 4.7775, 2.6561, 0.6952), (2, 0.7350, 4.9371, 2.7521, 0.6860)],
)
def test_the_first_objects_have_the_published_statistics(seed, minimum, maximum, mean, std):
    (amplitude,) = draw_amplitudes(seed, 1, 392)
    measured = [amplitude.min(), amplitude.max(), amplitude.mean(), amplitude.std()]
    assert measured == pytest.approx([minimum, maximum, mean, std], abs=5e-5)


@pytest.mark.parametrize(("seed", "size"), [(7, 40), (20260129, 33)])
def test_two_objects_agree_with_a_literal_reading_of_their_definition(seed, size):
    np.random.seed(seed)
    expected = []
    for _ in range(2):
        side = 2 * size
        canvas = np.zeros((side, side))
        for _ in range(400):
            r0 = int(side * np.random.uniform())
            c0 = int(side * np.random.uniform())
            r1 = int(side * np.random.uniform())
            c1 = int(side * np.random.uniform())
            rows, columns = line(r0, c0, r1, c1)
            canvas[rows, columns] = 1
        blurred = (
            gaussian_filter(canvas, 1, mode="reflect", truncate=4)
            + 2 * gaussian_filter(canvas, 5, mode="reflect", truncate=4)
            + 5 * gaussian_filter(canvas, 10, mode="reflect", truncate=4)
        )
        expected.append(blurred[size // 2 : -size // 2, size // 2 : -size // 2])
    np.testing.assert_array_equal(draw_amplitudes(seed, 2, size), np.stack(expected))


def test_the_first_object_does_not_depend_on_how_many_follow():
    np.testing.assert_array_equal(draw_amplitudes(3, 3, 24)[0], draw_amplitudes(3, 1, 24)[0])


def test_another_seed_gives_another_object():
    assert not np.allclose(draw_amplitudes(3, 1, 24), draw_amplitudes(4, 1, 24))


def test_the_phase_of_the_training_object_spans_the_published_range():
    phase = phase_of(draw_amplitudes(1, 1, 392))
    assert [phase.min(), phase.max()] == pytest.approx([-0.70, 0.91], abs=0.01)


def test_the_phase_takes_maximum_and_mean_over_the_whole_stack():
    stack = np.array([[[1.0, 2.0]], [[3.0, 10.0]]])
    expected = np.pi * np.tanh((stack - 5.0) / (3 * 4.0))
    np.testing.assert_allclose(phase_of(stack), expected, rtol=1e-15)


def test_an_object_is_its_amplitude_times_its_phase_factor():
    amplitude = draw_amplitudes(5, 2, 20)
    objects = make_objects(5, 2, 20, set_phi=True)
    np.testing.assert_allclose(np.abs(objects), amplitude)
    np.testing.assert_allclose(np.angle(objects), phase_of(amplitude))


def test_without_a_phase_the_object_is_real():
    objects = make_objects(5, 1, 20, set_phi=False)
    np.testing.assert_array_equal(objects.imag, 0)
    np.testing.assert_array_equal(objects.real, draw_amplitudes(5, 1, 20))
