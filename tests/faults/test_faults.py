"""A fixed share of faults and moments; `nox -s faults -- --cases N` has the rest."""

import pytest

from tests.faults.cases import OF_JOBS, Case, attempt

SHARE = (
    ("kill -9", "declared"),
    ("kill -9", "an arm is to start"),
    ("kill -9", "an arm is on record"),
    ("kill -9", "the sums are written"),
    ("INT", "the record is written"),
    ("TERM", "an arm has ended"),
    ("HUP", "an arm runs"),
    ("INT, INT", "an arm runs"),
    ("TERM, TERM", "the dataset is made"),
    *((fault, "an arm runs") for fault in OF_JOBS if not fault.startswith("STOP")),
)


@pytest.mark.parametrize(("fault", "moment"), SHARE)
def test_nothing_is_lost_and_resume_ends_in_the_same_files(
    fault, moment, tmp_path, interpreter, undisturbed
):
    assert attempt(Case(fault=fault, moment=moment), tmp_path, interpreter, undisturbed) == []
