"""What the pages say of audits in which numbers overflow."""

import pytest

from runner.hub.records.arm import AuditRecord
from runner.report.hub_text import render_show
from runner.report.statements import statements
from runner.report.wording import outcome

OWN = ("start", "steps", "totals", "end")


@pytest.fixture
def audited(record):
    """The record with an audit of its first arm, changed as asked."""

    def made(**changed):
        audit = AuditRecord(
            parts=OWN, job_sha256="a" * 64, wall_s=1.0, num_checks=9, num_compared=88, **changed
        )
        first, *rest = record.arms
        arms = (first.model_copy(update={"audit": audit}), *rest)
        return record.model_copy(update={"arms": arms})

    return made


def told(record):
    return [one.text for one in statements(record)]


def test_an_audit_that_compared_everything_says_nothing_of_it(audited):
    record = audited(outcome="agrees")
    assert outcome(record.arms[0]) == "succeeded, audited"
    assert not any("say nothing" in text for text in told(record))


def test_comparisons_that_say_nothing_stand_beside_the_level(audited):
    record = audited(outcome="agrees", num_not_comparable=12)
    assert outcome(record.arms[0]) == "succeeded, audited, 12 of 100 comparisons say nothing"
    text = (
        "stable_sgd: 12 of 100 comparisons say nothing in its audit, as no number there is finite."
    )
    assert text in told(record)
    assert text in render_show(record)


def test_an_arm_of_which_a_window_says_nothing_is_not_audited(audited):
    record = audited(outcome="in_part", num_not_comparable=12)
    assert outcome(record.arms[0]) == "succeeded, read back, 12 of 100 comparisons say nothing"
    (text,) = (text for text in told(record) if "say nothing" in text)
    assert text.endswith(
        "of a part or of a window of steps none does, so it is not called audited."
    )
