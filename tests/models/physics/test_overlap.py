"""Patches of one sample become views of one object: a projection, exact where they agree."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.physics.overlap import ALONE, assemble, consistent, extract


def square(stride: int) -> tuple[tuple[int, int], ...]:
    """The offsets of 2×2 neighbours."""
    return tuple((row, column) for row in (0, stride) for column in (0, stride))


def random(*shape: int, seed: int = 0, dtype=torch.complex128) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def inner(a: torch.Tensor, b: torch.Tensor) -> complex:
    return torch.vdot(a.ravel(), b.ravel()).item()


@given(side=st.integers(1, 8), stride=st.integers(1, 10))
def test_views_of_an_object_come_back_bit_by_bit(side, stride):
    offsets = square(stride)
    objects = random(3, side + stride, side + stride, dtype=torch.complex64)
    views = extract(objects, offsets, side)
    torch.testing.assert_close(consistent(views, offsets), views, rtol=0, atol=0)


def test_the_object_comes_back_from_its_views():
    objects = random(2, 9, 9)
    views = extract(objects, square(3), 6)
    assert views.shape == (2, 4, 6, 6)
    torch.testing.assert_close(assemble(views, square(3)), objects, rtol=0, atol=0)


def test_a_pixel_is_the_mean_of_the_patches_that_show_it():
    patches = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 2, 2)
    expected = [[0.0, 0.5, 1.0], [1.0, 1.5, 2.0], [2.0, 2.5, 3.0]]
    assert assemble(patches, square(1))[0].tolist() == expected


def test_the_order_of_the_patches_is_that_of_the_offsets():
    objects = torch.arange(25.0).reshape(1, 5, 5)
    offsets = ((0, 2), (1, 0))
    views = extract(objects, offsets, 3)
    assert views[0, 0].tolist() == objects[0, 0:3, 2:5].tolist()
    assert views[0, 1].tolist() == objects[0, 1:4, 0:3].tolist()


def test_making_patches_consistent_twice_changes_nothing_more():
    patches = random(2, 4, 6, 6)
    once = consistent(patches, square(2))
    assert not torch.allclose(once, patches)
    torch.testing.assert_close(consistent(once, square(2)), once)


def test_it_is_the_orthogonal_projection():
    """Self-adjoint, so what is taken away is orthogonal to everything that can remain."""
    a, b, offsets = random(2, 4, 6, 6), random(2, 4, 6, 6, seed=1), square(2)
    left, right = inner(consistent(a, offsets), b), inner(a, consistent(b, offsets))
    assert left == pytest.approx(right, rel=1e-12)
    taken = a - consistent(a, offsets)
    assert abs(inner(taken, consistent(b, offsets))) < 1e-12 * abs(left)


def test_extract_is_the_adjoint_of_the_sum_over_patches():
    objects, patches, offsets = random(2, 8, 8), random(2, 4, 6, 6, seed=1), square(2)
    count = extract(torch.ones(1, 8, 8), offsets, 6)
    sums = assemble(patches, offsets) * assemble_counts(count, offsets)
    found = inner(extract(objects, offsets, 6), patches)
    assert found == pytest.approx(inner(objects, sums), rel=1e-12)


def assemble_counts(ones: torch.Tensor, offsets) -> torch.Tensor:
    """How many patches show each pixel, counted one by one."""
    side = ones.shape[-1]
    size = max(row for row, _ in offsets) + side
    count = torch.zeros(1, size, size)
    for row, column in offsets:
        for r in range(row, row + side):
            for c in range(column, column + side):
                count[0, r, c] += 1
    return count


def test_a_constant_added_to_all_patches_is_a_constant_added_to_the_object():
    patches, offsets = random(2, 4, 6, 6), square(2)
    torch.testing.assert_close(
        consistent(patches + (2 - 1j), offsets), consistent(patches, offsets) + (2 - 1j)
    )


def test_patches_that_do_not_overlap_are_left_and_what_none_shows_is_zero():
    patches = random(1, 4, 3, 3)
    torch.testing.assert_close(consistent(patches, square(4)), patches, rtol=0, atol=0)
    assert assemble(patches, square(4))[0, 3].abs().max() == 0


def test_a_patch_alone_is_given_back_itself():
    patches = random(2, 1, 6, 6)
    assert consistent(patches, ALONE) is patches


def test_samples_do_not_mix():
    patches = random(5, 4, 6, 6)
    together = consistent(patches, square(2))
    torch.testing.assert_close(consistent(patches[3:4], square(2))[0], together[3], rtol=0, atol=0)


def test_gradients_agree_with_finite_differences():
    patches = random(1, 4, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: consistent(p, square(2)), (patches,))


def test_another_number_of_patches_is_refused():
    with pytest.raises(ValueError, match=r"^a sample has 4 patches, but 1 offsets are known$"):
        consistent(random(1, 4, 4, 4), ALONE)
