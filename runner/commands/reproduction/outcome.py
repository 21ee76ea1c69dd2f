"""What came of a reproduction, for the record and as an in-toto test result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from runner.core.text import briefly
from runner.hub.record import HubRecord
from runner.hub.records.again import ReproducedFile, ReproductionRecord
from runner.hub.records.arm import ArmRecord
from runner.hub.slsa import InTotoStatement, Resource
from runner.report.wording import STATUS_WORDS

Outcome = Literal["identical", "different", "not_comparable"]
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
RESULTS = {"identical": "PASSED", "different": "FAILED", "not_comparable": "WARNED"}


def judge(files: Sequence[ReproducedFile], reasons: Sequence[str]) -> Outcome:
    """One differing file makes it different; nothing to set side by side, not comparable."""
    if any(one.before and one.after and not one.identical for one in files):
        return "different"
    return "identical" if files and not reasons else "not_comparable"


def unequal_ends(before: HubRecord, after: HubRecord, arms: Sequence[str]) -> Iterator[str]:
    """The arms that did not end as the original did, a sentence each."""
    ended = {arm.name: arm for arm in after.arms}
    for arm in before.arms:
        if arms and arm.name not in arms:
            continue
        again = ended.get(arm.name)
        if again is None or again.status != arm.status:
            yield (
                f"arm {arm.name}: the original {STATUS_WORDS[arm.status]}, the reproduction "
                f"{_ended(again)}"
            )


def missing_files(files: Sequence[ReproducedFile]) -> Iterator[str]:
    """The files that only one side has, a sentence for each side."""
    for what, names in (
        ("not made again", [one.path for one in files if one.after is None]),
        ("not in the original", [one.path for one in files if one.before is None]),
    ):
        if names:
            yield f"{what}: {briefly(names)}"


def _ended(arm: ArmRecord | None) -> str:
    if arm is None:
        return "did not come to it"
    why = f": {arm.message}" if arm.message else ""
    return f"{STATUS_WORDS[arm.status]}{why}"


def as_test_result(record: ReproductionRecord, plan_sha256: str) -> InTotoStatement:
    """The test result: the original hub is the subject, every file a test.

    https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
    """
    by_result: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for one in record.files:
        both = one.before is not None and one.after is not None
        kind = "passedTests" if one.identical else "failedTests" if both else "warnedTests"
        by_result[kind].append(one.path)
    return InTotoStatement(
        subject=(Resource(name=record.hub, digest={"sha256": record.hub_sha256}),),
        predicateType=TEST_RESULT,
        predicate={
            "result": RESULTS[record.outcome],
            "configuration": [{"name": "plan.json", "digest": {"sha256": plan_sha256}}],
            **by_result,
        },
    )
