"""Where two files begin to differ, in the terms of their kind."""

import json

import numpy as np
import PIL.Image
import pytest
import torch

from models.differences.finding import ulp_distance
from models.differences.job import compare
from models.training.weights import save_state


@pytest.fixture
def pair(tmp_path):
    """Write two files of one name with ``write(path, value)``."""

    def make(name, before, after, write):
        paths = [tmp_path / side / name for side in ("before", "after")]
        for path, value in zip(paths, (before, after), strict=True):
            path.parent.mkdir()
            write(path, value)
        return compare(*paths)

    return make


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1))


def write_png(path, pixels):
    PIL.Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(
    ("before", "after", "distance"),
    [
        (np.float32(1), np.nextafter(np.float32(1), np.float32(2)), 1),
        (np.float32(0), np.float32(-0.0), 1),
        (-np.finfo(np.float64).smallest_subnormal, np.finfo(np.float64).smallest_subnormal, 3),
        (1.0, 1.0 + 2**-50, 4),
        (np.float32(1), np.float64(1), None),
        (np.float32(1), np.float32("nan"), None),
        (3, 4, None),
    ],
)
def test_the_distance_counts_the_numbers_between(before, after, distance):
    assert ulp_distance(before, after) == distance
    assert ulp_distance(after, before) == distance


def state(**changed):
    torch.manual_seed(0)
    return {"a.weight": torch.randn(2, 3), "b": torch.randn(4, dtype=torch.complex64)} | changed


def test_one_bit_of_one_weight_is_named_by_tensor_element_and_ulp(pair):
    other = state()["a.weight"].clone()
    other[1, 2] = torch.nextafter(other[1, 2], torch.tensor(9.0))
    found = pair("model.pt", state(), state(**{"a.weight": other}), lambda p, s: save_state(s, p))
    assert found.place == "tensor a.weight, element [1, 2] (1 of 2 tensors differ)"
    assert (found.ulp, found.differing, found.total, found.unit) == (1, 1, 10, "elements")
    assert np.float32(found.before) == state()["a.weight"][1, 2].numpy()
    assert np.float32(found.after) == other[1, 2].numpy()


def test_of_a_complex_weight_the_part_is_told(pair):
    other = state()["b"].clone()
    other[3] = torch.complex(other[3].real, -other[3].imag)
    found = pair("model.pt", state(), state(b=other), lambda p, s: save_state(s, p))
    assert found.place.startswith("tensor b, element [3], imaginary part")
    assert float(found.before) == -float(found.after)


def test_a_sign_of_zero_and_the_bits_of_nan_count(pair):
    before, after = np.array([0.0, np.nan]), np.array([-0.0, np.nan])
    found = pair("recon.npz", before, after, lambda p, a: np.savez(p, x=a))
    assert (found.place, found.ulp) == ("array x, element [0] (1 of 1 arrays differ)", 1)
    assert (found.before, found.after) == ("0.0", "-0.0")


def test_another_shape_type_or_name_is_told_as_such(pair, tmp_path):
    found = pair("m.pt", state(), state(b=torch.zeros(5)), lambda p, s: save_state(s, p))
    assert (found.place, found.before) == ("tensor b", "complex64 of shape [4]")
    assert found.after == "float32 of shape [5]"


def test_a_tensor_that_only_one_of_them_has(pair):
    found = pair("m.pt", state(), state(c=torch.zeros(1)), lambda p, s: save_state(s, p))
    assert found.place == "tensor c, in the reproduction only"
    assert found.before == "nothing"


def test_the_first_differing_epoch_of_a_history(pair):
    losses = [0.5 / (epoch + 1) for epoch in range(5)]
    other = [*losses[:3], *(loss + 2**-54 for loss in losses[3:])]
    shares = {"a": [0.0, 0.0, 0.0, 0.0, 0.5], "b": None}
    before = {"share": shares, "train_loss": losses}
    after = {"share": {"a": [0.0] * 5, "b": None}, "train_loss": other}
    found = pair("history.json", before, after, write_json)
    assert found.place == "epoch 3: train_loss"
    assert (found.before, found.after) == ("0.125", repr(0.125 + 2**-54))
    assert (found.ulp, found.differing, found.total) == (2, 3, 11)


def test_a_value_that_only_one_of_them_has_and_one_that_is_of_another_type(pair):
    found = pair("stats.json", {"a": 1, "b": {"c": None}}, {"a": 1.0, "b": {}}, write_json)
    assert (found.place, found.before, found.after) == ("a", "1", "1.0")
    assert found.differing == 2


def test_the_first_differing_pixel(pair):
    before = np.full((4, 6, 3), 200, np.uint8)
    after = before.copy()
    after[2, 5, 1] = 201
    found = pair("recon.png", before, after, write_png)
    assert found.place == "pixel in row 2, column 5 (red, green, blue, opacity)"
    assert (found.before, found.after) == ("(200, 200, 200, 255)", "(200, 201, 200, 255)")
    assert (found.differing, found.total) == (1, 24)


def test_pictures_of_other_sizes(pair):
    one, other = (np.zeros((4, width), np.uint8) for width in (6, 7))
    found = pair("loss.png", one, other, write_png)
    assert (found.place, found.before, found.after) == ("the size in pixels", "6 × 4", "7 × 4")


def test_the_first_differing_line_of_a_table(pair):
    found = pair("g.csv", "a,b\n1,2\n", "a,b\n1,3\n", lambda p, text: p.write_text(text))
    assert (found.place, found.before, found.after) == ("line 2", "1,2", "1,3")


def test_the_first_differing_line_of_a_plot(pair):
    one, other = "<svg>\n<g/>\n</svg>\n", "<svg>\n<a/>\n</svg>\n"
    found = pair("losses_85mm.svg", one, other, lambda p, text: p.write_text(text))
    assert (found.place, found.before, found.after) == ("line 2", "<g/>", "<a/>")
    assert (found.differing, found.total, found.unit) == (1, 3, "lines")


def test_a_file_that_is_not_what_its_name_says_is_compared_by_bytes(pair):
    found = pair("model.pt", b"one", b"ona", lambda p, content: p.write_bytes(content))
    assert found.place.startswith("byte 2 (not readable as .pt: ")
    assert (found.before, found.after) == ("0x65", "0x61")


def test_a_checkpoint_with_code_is_not_executed(pair, tmp_path):
    marker = tmp_path / "executed"

    class Evil:
        def __reduce__(self):
            return open, (str(marker), "w")

    found = pair("model.pt", {"w": Evil()}, {"w": 1}, lambda p, value: torch.save(value, p))
    assert "not readable as .pt" in found.place
    assert not marker.exists()


def test_the_same_content_packed_in_another_way(pair):
    x = np.arange(9.0)
    found = pair("r.npz", np.savez, np.savez_compressed, lambda path, save: save(path, x=x))
    assert found.place.endswith("(the content is the same, its packing differs)")


def test_a_longer_file(pair):
    found = pair("x.bin", b"ab", b"abc", lambda p, content: p.write_bytes(content))
    assert (found.place, found.before, found.after) == ("the length in bytes", "2", "3")
