"""What the values of knobs are called in the names of arms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.manifest.arm_names import label, spelled


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (("seed",), 20260128, "s20260128"),
        (("train", "learning_rate"), 2e-2, "lr2e-2"),
        (("train", "learning_rate"), 2.5e-4, "lr2p5e-4"),
        (("train", "learning_rate"), 0.1, "lr0p1"),
        (("train", "physics_gain"), 17.4, "pg17p4"),
        (("train", "physics_gain"), 1.0, "pg1"),
        (("dataset", "photons"), 1e9, "p1e9"),
        (("model", "fno_blocks"), 6, "fb6"),
        (("model", "architecture"), "stable_hybrid", "stable_hybrid"),
        (("diagnostics", "activation_report"), "report-B.json", "report_b_json"),
        (("diagnostics", "activations"), True, "activations"),
        (("diagnostics", "activations"), False, "no_activations"),
        (("train", "clip"), {"max_norm": 0.5, "kind": "norm"}, "norm_mn0p5"),
        (("train", "clip"), {"kind": "none"}, "none"),
        (
            ("train", "optimizer"),
            {"weight_decay": 0.01, "betas": [0.9, 0.999], "kind": "adamw"},
            "adamw_b0p9_0p999_wd1e-2",
        ),
    ],
)  # fmt: skip
def test_a_value_is_called(key, value, expected):
    assert label(key, value) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_can_be_read_back_from_its_name(number):
    assert float(spelled(number).replace("p", ".")) == number


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_is_called_by_its_digits(number):
    assert spelled(number) == str(number)
